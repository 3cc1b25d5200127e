"""Where alerts are taken."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Request
from fastapi.responses import RedirectResponse, Response

from app.record.alert_settings import read_alert_settings, write_alert_settings
from app.record.users import Role
from app.web.alerts.delivery import alerting_of
from app.web.alerts.form import SHORTEST_SECRET, Wanted, checked, shown
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def alerts(request: Request) -> Response:
    """The settings, without their secrets."""
    here, alerting = visit(request), alerting_of(request)
    now = shown(read_alert_settings(here.site.database), alerting.problems())
    return page(request, "alerts.html", now=now, shortest=SHORTEST_SECRET)


def set_alerts(request: Request, wanted: Annotated[Wanted, Form()]) -> Response:
    """Keeps other settings."""
    here = visit(request)
    new = checked(wanted, read_alert_settings(here.site.database))
    write_alert_settings(here.site.database, new, who=here.who)
    alerting_of(request).changed()
    return RedirectResponse("/alerts", 303)


routes.add("/alerts", alerts, Role.ADMIN, whole=True)
routes.add("/alerts", set_alerts, Role.ADMIN, method="POST", whole=True)
