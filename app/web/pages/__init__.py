"""What a person looks at. Pages work before any script runs, and each view of people leaves a row in the audit."""

from app.web.pages import audit, cameras, entering, erasure, flow, people, search, tracklets, users

ALL = [part.routes for part in (entering, search, tracklets, people, cameras, flow, erasure, audit, users)]
