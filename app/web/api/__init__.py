"""The same for programs, under `/api/v1`. Errors are `application/problem+json`."""

from app.web.api import (
    audit,
    cameras,
    flow,
    footage,
    forget,
    health,
    identities,
    jobs,
    models,
    search,
    settings,
    tracklets,
)

PARTS = (health, cameras, tracklets, identities, search, flow, forget, audit, footage, jobs, models, settings)
ALL = [part.routes for part in PARTS]
