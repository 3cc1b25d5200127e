"""The versions of the site's encoder, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Request, UploadFile
from pydantic import BaseModel

from app.record.users import Role
from app.web.jobs.kinds import AddOptions
from app.web.jobs.state import JobState, state_of
from app.web.routes import Routes
from app.web.visit import visit
from app.web.visiting.jobs import ask_for_use
from app.web.visiting.models import add_encoder, wanted

routes = Routes(prefix="/api/v1")


class Model(BaseModel):
    """A version. `made` is in UTC seconds. `summary` has its training, with figures of the gate and curves."""

    name: str
    made: float
    status: str
    reason: str
    serving: bool
    sha256: str
    summary: dict[str, Any]


def list_models(request: Request) -> list[Model]:
    """Every version, oldest first."""
    models = visit(request).site.models()
    return [Model(**{name: getattr(model, name) for name in Model.model_fields}) for model in models]


def use(request: Request, name: Annotated[str, Path(max_length=64)]) -> JobState:
    """Asks that a version serves, an older one too."""
    return ask_for_use(visit(request), name)


def add(
    request: Request,
    encoder: UploadFile,
    asked: Annotated[AddOptions, Depends(wanted)],
) -> JobState:
    """Sends an encoder's file, at most 64 MiB. It becomes a version, and serves where the gate finds it better."""
    here = visit(request)
    job = add_encoder(here, encoder.file.read(), encoder.filename or "", asked)
    return state_of(job, here.opened.runner)


routes.add("/models", list_models, Role.ADMIN, whole=True)
routes.add("/models", add, Role.ADMIN, method="POST", whole=True, status_code=202)
routes.add("/models/{name}/use", use, Role.ADMIN, method="POST", whole=True, status_code=202)
