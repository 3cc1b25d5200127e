"""The same for programs, under `/api/v1`. Errors are `application/problem+json`."""

from app.web.api import (
    alerts,
    audit,
    cameras,
    cases,
    flow,
    footage,
    forget,
    health,
    identities,
    jobs,
    metrics,
    models,
    search,
    searches,
    settings,
    tracklets,
)

PARTS = (
    *(health, cameras, tracklets, identities, search, searches, cases, flow, forget, audit),
    *(footage, jobs, models, settings, alerts, metrics),
)
ALL = [part.routes for part in PARTS]
