"""What a person looks at. Pages work before any script runs, and each view of people leaves a row in the audit."""

from app.web.pages import audit, cameras, entering, flow, search, tracklets, users

ALL = [part.routes for part in (entering, search, tracklets, cameras, flow, audit, users)]
