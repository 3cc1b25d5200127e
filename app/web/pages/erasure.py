"""Erasing people for good: what would leave is shown first."""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
from fastapi import Form, Query, Request
from fastapi.responses import Response

from app.errors import SiteError
from app.record import searches
from app.record.rows import AuditEntry
from app.record.users import Role
from app.search.forgetting import forget_people, likely_searches
from app.web.filters import time_of
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

SHOWN = 24  # pictures of who would leave
MOST_NAMED = 1000  # tracklets of one request

Named = Annotated[list[int] | None, Query(max_length=MOST_NAMED)]
Before = Annotated[str, Query(max_length=40)]
routes = Routes()


def ask(request: Request, tracklet: Named = None, before: Before = "") -> Response:
    """Shows whom an erasure would reach, or asks whom."""
    here = visit(request)
    site, who = here.site, here.who
    limit = time_of(before, "before")
    table = site.searchable_table()
    leaving = np.isin(table.ids, tracklet or [])
    if tracklet and leaving.sum() < len(set(tracklet)):
        raise SiteError("Some of these tracklets are not there any more: go back and look again.")
    if limit is not None:
        leaving |= table.end < limit
    ids = table.ids[leaving].tolist()
    cameras = [table.names[k] for k in np.unique(table.cameras[leaving])]
    pictures = []
    for crops in site.crops_of(ids[:SHOWN]).values():
        try:
            pictures += [site.crop_jpeg(crop) for crop in crops[len(crops) // 2 :][:1]]
        except ValueError:  # `app.site --verify` tells of damage
            continue
    asked = bool(tracklet) or limit is not None
    likely = likely_searches(here.opened.searcher.ready(), ids) if ids else []
    if pictures:
        site.note(AuditEntry(time.time(), who, "view", {"tracklets": ids[:SHOWN]}))
    return page(
        request,
        "erase.html",
        done=None,
        asked=asked,
        named=tracklet or [],
        before=before,
        count=len(ids),
        cameras=cameras,
        pictures=pictures,
        likely=[(search, searches.picture_of(site.database, search.id)) for search in likely],
    )


def erase(
    request: Request,
    tracklet: Annotated[list[int] | None, Form(max_length=MOST_NAMED)] = None,
    before: Annotated[str, Form(max_length=40)] = "",
    search: Annotated[list[int] | None, Form(max_length=MOST_NAMED)] = None,
) -> Response:
    """Erases, with the kept searches that were ticked, and says what a look afterwards found."""
    here = visit(request)
    limit = time_of(before, "before")
    if not tracklet and limit is None:
        raise SiteError("Nothing was named: give tracklets, or a time.")
    done = forget_people(
        here.site,
        here.opened.searcher.ready,
        who=here.who,
        tracklets=tracklet or [],
        before=limit,
        remove=search or [],
    )
    return page(request, "erase.html", status=200 if not done.found else 500, done=done)


routes.add("/erase", ask, Role.ADMIN)
routes.add("/erase", erase, Role.ADMIN, method="POST")
