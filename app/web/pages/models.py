"""The versions of the site's encoder: their figures and curves, which one serves, and how another one comes to."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from app.record.users import Role
from app.report.model_plots import gate, losses
from app.web.errors import Refused
from app.web.jobs.kinds import AddOptions
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit
from app.web.visiting.jobs import ask_for_use
from app.web.visiting.models import add_encoder, wanted

FIGURES = ("score", "company", "cycle", "stability", "triangle", "split", "apart")  # of the gate, as they are listed

routes = Routes()


def models_page(request: Request) -> Response:
    """Every version, the newest first."""
    models = visit(request).site.models()
    try:
        curves = {model.name: losses(model) for model in models}
        judged = gate(models)
    except ImportError:  # of matplotlib: the figures stand there in any case
        curves, judged = {}, None
    return page(request, "models.html", models=models[::-1], curves=curves, judged=judged, figures=FIGURES)


def use(request: Request, name: Annotated[str, Path(max_length=64)]) -> Response:
    """Lets a version serve."""
    return RedirectResponse(f"/jobs/{ask_for_use(visit(request), name).id}", 303)


def add(
    request: Request,
    encoder: UploadFile,
    asked: Annotated[AddOptions, Depends(wanted)],
) -> Response:
    """Takes an encoder's file."""
    data = encoder.file.read()
    if not data:
        raise Refused(422, "No file was chosen", "Choose an encoder, then send it.")
    return RedirectResponse(f"/jobs/{add_encoder(visit(request), data, encoder.filename or '', asked).id}", 303)


routes.add("/models", models_page, Role.ADMIN, whole=True)
routes.add("/models", add, Role.ADMIN, method="POST", whole=True)
routes.add("/models/{name}/use", use, Role.ADMIN, method="POST", whole=True)
