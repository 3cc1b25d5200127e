"""Jobs: what runs, how far it is, what waits, and what came of the others."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from app.learning.methods import MethodName
from app.record.settings import read_settings
from app.record.users import Role
from app.web.jobs.kinds import AdaptOptions, MergeOptions
from app.web.pages.frame import page
from app.web.routes import Routes
from app.web.visit import visit
from app.web.visiting.jobs import (
    JobId,
    ask_for,
    cancel_job,
    job_state,
    latest_states,
    log_of,
    may_cancel,
    seconds_of,
)

SHOWN = 50  # jobs of the list

routes = Routes()


def jobs_page(request: Request, before: Annotated[int | None, Query(ge=0, lt=2**63)] = None) -> Response:
    """The latest jobs, and forms for more."""
    here = visit(request)
    states = latest_states(here, SHOWN + 1, before)
    return page(
        request,
        "jobs.html",
        jobs=states[:SHOWN],
        before=states[SHOWN - 1].id if len(states) > SHOWN else None,
        ages={state.id: seconds_of(state) for state in states},
        methods=[str(method) for method in MethodName],
        tracklets=here.site.tracklet_count(),
        nightly=read_settings(here.site.database).nightly,
    )


def job_page(request: Request, number: JobId) -> Response:
    """One job."""
    here = visit(request)
    state = job_state(here, number)
    return page(
        request,
        "job.html",
        job=state,
        seconds=seconds_of(state),
        log=log_of(here, number).splitlines(),
        may_cancel=state.is_open and may_cancel(here, number),
        stays=request.url.path,
    )


def merge(request: Request, method: Annotated[str, Form(pattern="constrained|utal")] = "constrained") -> Response:
    """Asks for a merging."""
    asked = ask_for(visit(request), "merge", MergeOptions.model_validate({"method": method}).model_dump())
    return RedirectResponse(f"/jobs/{asked.id}", 303)


def adapt(
    request: Request,
    minutes: Annotated[float, Form(ge=0.1, le=24 * 60)] = 30.0,
    method: Annotated[MethodName, Form()] = MethodName.merged,
) -> Response:
    """Asks for a new version of the encoder."""
    asked = ask_for(visit(request), "adapt", AdaptOptions(minutes=minutes, method=method).model_dump())
    return RedirectResponse(f"/jobs/{asked.id}", 303)


def retention(request: Request) -> Response:
    """Asks that what the settings let go is erased now."""
    return RedirectResponse(f"/jobs/{ask_for(visit(request), 'retention', {}).id}", 303)


def cancel(request: Request, number: JobId) -> Response:
    """Takes a job back."""
    return RedirectResponse(f"/jobs/{cancel_job(visit(request), number).id}", 303)


routes.add("/jobs", jobs_page, Role.OPERATOR, whole=True)
routes.add("/jobs/merge", merge, Role.OPERATOR, method="POST", whole=True)
routes.add("/jobs/adapt", adapt, Role.ADMIN, method="POST", whole=True)
routes.add("/jobs/retention", retention, Role.ADMIN, method="POST", whole=True)
routes.add("/jobs/{number}", job_page, Role.OPERATOR, whole=True)
routes.add("/jobs/{number}/cancel", cancel, Role.OPERATOR, method="POST", whole=True)
