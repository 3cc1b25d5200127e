"""How people move, for programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.movement.flow import Flow, Wish, flow
from app.record.users import Role
from app.web.filters import counted
from app.web.routes import Routes
from app.web.visit import visit

routes = Routes(prefix="/api/v1")


def get_flow(request: Request, wish: Annotated[Wish, Depends(counted)]) -> Flow:
    """How people move."""
    here = visit(request)
    return flow(here.site, wish, who=here.who, cameras=here.narrowed_to())


routes.add("/flow", get_flow, Role.VIEWER)
