"""How people move."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.responses import Response

from app.movement.flow import Wish, flow
from app.record.users import Role
from app.report.flow_plots import plots
from app.web.filters import counted
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes()


def flow_page(request: Request, wish: Annotated[Wish, Depends(counted)]) -> Response:
    """How people move."""
    here = visit(request)
    asked = {"after": "", "before": "", **request.query_params, "by": wish.by}
    if here.site.merging() is None:
        return page(request, "flow.html", report=None, drawn={}, asked=asked)
    report = flow(here.site, wish, who=here.who, cameras=here.narrowed_to())
    try:
        drawn = plots(report)
    except ImportError:  # of matplotlib: the page says so
        drawn = {}
    return page(request, "flow.html", report=report, drawn=drawn, asked=asked)


routes.add("/flow", flow_page, Role.VIEWER)
