"""The same for programs, under `/api/v1`. Errors are `application/problem+json`."""

from app.web.api import audit, cameras, flow, forget, health, identities, search, tracklets

ALL = [part.routes for part in (health, cameras, tracklets, identities, search, flow, forget, audit)]
