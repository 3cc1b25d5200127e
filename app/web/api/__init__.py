"""The same for programs, under `/api/v1`. Errors are `application/problem+json`."""

from app.web.api import audit, cameras, flow, health, search, tracklets

ALL = [part.routes for part in (health, cameras, tracklets, search, flow, audit)]
