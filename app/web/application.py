"""The application: routes, what each answer says beside its content, and how errors are told."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartParser

from app.errors import Busy, FootageError, SiteConfigError, SiteError, StillError, StorageError
from app.record import Site
from app.record.users import Role
from app.search.warm import WarmSearcher
from app.web import api, pages
from app.web.access import Access
from app.web.alerts.delivery import Alerting
from app.web.errors import Problem, Refused, problem
from app.web.jobs.runner import Runner
from app.web.limits import MOST_BYTES, Limits
from app.web.metrics import Counted, Metrics
from app.web.opened import Opened
from app.web.pages.frame import page
from app.web.routes import API, Routes
from app.web.streams import Streams
from app.web.visit import REASON_WANTED

_NO_TELEMETRY: Any = dict.fromkeys(("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False)
_STATUS = {Busy: 409, StorageError: 507, StillError: 422, FootageError: 404, SiteConfigError: 422, SiteError: 422}


def make_application(site: Site, access: Access, hosts: Collection[str]) -> FastAPI:
    """All of it, for one site. hosts: the names, with ports, under which it answers."""
    application = FastAPI(
        title="Sightline",
        version="1",
        openapi_url=None,  # the schema is a route with a role, as all are
        docs_url=None,
        redoc_url=None,
        telemetry=_NO_TELEMETRY,
    )
    MultiPartParser.spool_max_size = MOST_BYTES  # else larger pictures would be written to a temporary file
    application.state.access = access
    application.state.opened = Opened(site, WarmSearcher(site), Runner(site))
    application.state.streams = Streams()
    application.state.metrics = metrics = Metrics(site)
    application.state.alerting = Alerting(
        site, application.state.opened.searcher, count=metrics.alert, rights=access.rights_of
    )
    for routes in pages.ALL:
        application.include_router(routes, include_in_schema=False)
    for routes in api.ALL:
        application.include_router(routes)
    others = Routes()
    others.add("/api/v1/openapi.json", _schema, Role.VIEWER, include_in_schema=False)
    others.add("/static/style.css", _style, Role.NOBODY, include_in_schema=False)
    others.add("/static/{name}.js", _script, Role.NOBODY, include_in_schema=False)
    application.include_router(others)
    application.add_exception_handler(Refused, _refused)
    application.add_exception_handler(RequestValidationError, _invalid)
    application.add_exception_handler(HTTPException, _http)
    for kind in _STATUS:
        application.add_exception_handler(kind, _told)
    application.add_exception_handler(Exception, _broken)
    application.add_middleware(Limits, hosts=hosts, access=access)
    application.add_middleware(Counted, metrics=metrics)
    return application


def warm_up(application: FastAPI) -> None:
    """Makes ready what the first search would wait for. If it can't be, that search says why."""
    opened: Opened = application.state.opened
    with suppress(Exception):
        opened.searcher.ready()


def _schema(request: Request) -> JSONResponse:
    """The API's description."""
    return JSONResponse(described(request.app))


def described(application: FastAPI) -> dict[str, Any]:
    """The API as OpenAPI has it, with the model of what went wrong."""
    schema = application.openapi()
    schema["components"]["schemas"]["Problem"] = Problem.model_json_schema()
    return schema


@cache
def _sheet() -> str:
    report = files("app.report").joinpath("templates", "style.css").read_text("utf-8")
    return report + files("app.web").joinpath("static", "web.css").read_text("utf-8")


def _style() -> Response:
    """The one stylesheet: that of reports, and what only the server's pages have."""
    return Response(_sheet(), media_type="text/css")


SCRIPTS = (
    "areas",
    "drop",
    "export",
    "frame",
    "jobs",
    "keys",
    "live",
    "moment",
    "preview",
    "said",
    "still",
    "try",
    "upload",
)


def _script(name: str) -> Response:
    """One of our few scripts."""
    if name not in SCRIPTS:
        raise Refused(404, "There is no such page", "Go back to the search.")
    return Response(files("app.web").joinpath("static", f"{name}.js").read_text("utf-8"), media_type="text/javascript")


# --- errors


def _answer(request: Request, status: int, title: str, detail: str) -> Response:
    if request.url.path.startswith(API):
        return problem(status, title, detail)
    if status == 401 and request.app.state.access.users:
        return page(request, "sign_in.html", status, then=request.url.path, wrong=False)
    if status == REASON_WANTED:
        query = f"?{request.url.query}" if request.url.query else ""
        return page(request, "reason.html", status, then=f"{request.url.path}{query}")
    return page(request, "error.html", status, title=title, detail=detail)


def _refused(request: Request, error: Any) -> Response:
    return _answer(request, error.status, error.title, error.detail)


def _told(request: Request, error: Any) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    return _answer(request, status, "This could not be done", str(error))


def _invalid(request: Request, error: Any) -> Response:
    wrong = "; ".join(f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
    return _answer(request, 422, "Something in this request is wrong", wrong)


def _http(request: Request, error: Any) -> Response:
    detail = "Go back to the search." if error.status_code == 404 else str(error.detail)
    title = "There is no such page" if error.status_code == 404 else "This could not be done"
    return _answer(request, error.status_code, title, detail)


def _broken(request: Request, error: Exception) -> Response:
    """Nothing of the error is told: its words may hold what only the log may."""
    return _answer(request, 500, "Something broke", "The server's log says what.")
