"""What the site's administrators settle: nightly work, how long what was seen is kept, and why one searches."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from app.record.settings import Nightly, read_settings, write_settings
from app.record.users import Role
from app.web.errors import Refused
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def settings_page(request: Request) -> Response:
    """The settings as they now are, each in a form."""
    here = visit(request)
    settings = read_settings(here.site.database)
    return page(request, "settings.html", settings=settings, cameras=here.site.camera_names())


def settle_nightly(
    request: Request,
    at: Annotated[str, Form(max_length=5)] = "",
    merge: Annotated[bool, Form()] = False,
    adapt: Annotated[bool, Form()] = False,
    retention: Annotated[bool, Form()] = False,
    minutes: Annotated[float, Form(gt=0, le=24 * 60)] = 30.0,
) -> Response:
    """Settles what is done each night. Without a time nothing is."""
    here = visit(request)
    nightly = Nightly(at or None, merge=merge, adapt=adapt, minutes=minutes, retention=retention)
    new = replace(read_settings(here.site.database), nightly=nightly)
    write_settings(here.site.database, new, who=here.who)
    return RedirectResponse("/settings", 303)


def settle_retention(
    request: Request,
    camera: Annotated[list[str] | None, Form()] = None,
    days: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Settles how many days each camera keeps what it saw. An empty field keeps it for good."""
    here = visit(request)
    names, numbers = camera or [], days or []
    if len(names) != len(numbers):
        raise Refused(422, "Each camera needs its number of days", "Load the page again, and send it from there.")
    kept = {here.camera(name): _number(name, text.strip()) for name, text in zip(names, numbers) if text.strip()}
    write_settings(here.site.database, replace(read_settings(here.site.database), retention=kept), who=here.who)
    return RedirectResponse("/settings", 303)


def settle_positions(
    request: Request,
    camera: Annotated[list[str] | None, Form()] = None,
    right: Annotated[list[str] | None, Form()] = None,
    up: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Settles where cameras stand on the plan. One with an empty field has no place."""
    here = visit(request)
    columns = [camera or [], right or [], up or []]
    if len({len(column) for column in columns}) > 1:
        raise Refused(422, "Each camera needs two numbers", "Load the page again, and send it from there.")
    placed = {
        here.camera(name): (_number(name, x.strip()), _number(name, y.strip()))
        for name, x, y in zip(*columns)
        if x.strip() and y.strip()
    }
    write_settings(here.site.database, replace(read_settings(here.site.database), positions=placed), who=here.who)
    return RedirectResponse("/settings", 303)


def settle_reason(request: Request, required: Annotated[bool, Form()] = False) -> Response:
    """Settles whether whoever searches says why."""
    here = visit(request)
    new = replace(read_settings(here.site.database), reason_required=required)
    write_settings(here.site.database, new, who=here.who)
    return RedirectResponse("/settings", 303)


def _number(camera: str, text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError as error:
        raise Refused(422, "That is no number", f"{text!r} of {camera} is none: write it like 30.") from error


routes.add("/settings", settings_page, Role.ADMIN, whole=True)
routes.add("/settings/nightly", settle_nightly, Role.ADMIN, method="POST", whole=True)
routes.add("/settings/positions", settle_positions, Role.ADMIN, method="POST", whole=True)
routes.add("/settings/reason", settle_reason, Role.ADMIN, method="POST", whole=True)
routes.add("/settings/retention", settle_retention, Role.ADMIN, method="POST", whole=True)
