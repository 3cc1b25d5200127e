"""Erasing people for good, for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from pydantic import BaseModel, Field, FiniteFloat

from app.errors import SiteError
from app.record.forget import Forgotten
from app.record.users import Role
from app.search.forgetting import forget_people
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")

Id = Annotated[int, Field(ge=0, lt=2**63)]


class Leaving(BaseModel):
    """Who is to leave. What is named in any of these ways leaves."""

    tracklets: list[Id] = Field([], max_length=100_000)
    identities: list[Id] = Field([], max_length=10_000)
    before: FiniteFloat | None = None  # UTC seconds: all that ended before
    searches: list[Id] | None = Field([], max_length=1000)
    """Kept searches to be removed, of those whose picture likely shows somebody who leaves. Null for all of these."""


def erase(request: Request, leaving: Leaving) -> Forgotten:
    """Erases for good, and returns what a look afterwards found."""
    here = visit(request)
    if not leaving.tracklets and not leaving.identities and leaving.before is None:
        raise SiteError("Nothing was named: give tracklets, identities, or a time.")
    return forget_people(
        here.site,
        here.opened.searcher.ready,
        who=here.who,
        remove=leaving.searches,
        tracklets=leaving.tracklets,
        identities=leaving.identities,
        before=leaving.before,
    )


routes.add("/forget", erase, Role.ADMIN, method="POST")
