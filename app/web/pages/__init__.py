"""What a person looks at. Pages work before any script runs, and each view of people leaves a row in the audit."""

from app.web.pages import (
    alerts,
    areas,
    audit,
    camera,
    cameras,
    cases,
    entering,
    erasure,
    flow,
    footage,
    jobs,
    live,
    models,
    people,
    search,
    searches,
    settings,
    tracklets,
    users,
)

PARTS = (
    *(
        entering,
        search,
        searches,
        tracklets,
        people,
        cases,
        cameras,
        camera,
        areas,
        flow,
        erasure,
        alerts,
        audit,
        users,
    ),
    *(footage, jobs, live, models, settings),
)
ALL = [part.routes for part in PARTS]
