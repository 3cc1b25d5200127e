"""Where alerts are taken, for programs."""

from __future__ import annotations

from fastapi import Request

from app.record.alert_settings import read_alert_settings, write_alert_settings
from app.record.users import Role
from app.web.alerts.delivery import alerting_of
from app.web.alerts.form import Shown, Wanted, checked, shown
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")


def get_alerts(request: Request) -> Shown:
    """The settings, without their secrets."""
    return shown(read_alert_settings(visit(request).site.database), alerting_of(request).problems())


def put_alerts(request: Request, wanted: Wanted) -> Shown:
    """Keeps other settings. A secret that is left empty stays as it was."""
    here, alerting = visit(request), alerting_of(request)
    new = checked(wanted, read_alert_settings(here.site.database))
    kept = write_alert_settings(here.site.database, new, who=here.who)
    alerting.changed()
    return shown(kept, alerting.problems())


routes.add("/alerts", get_alerts, Role.ADMIN, whole=True)
routes.add("/alerts", put_alerts, Role.ADMIN, method="PUT", whole=True)
