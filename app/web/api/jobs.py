"""Jobs, for programs: what is asked for, how far it is, and what came of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from app.record.jobs import job
from app.record.users import Role
from app.web.api.rows import MOST_ROWS
from app.web.jobs.kinds import AdaptOptions, MergeOptions
from app.web.jobs.state import JobState, state_of
from app.web.routes import Routes
from app.web.streams import EventStream, Streams
from app.web.visit import visit
from app.web.visiting.jobs import JobId, ask_for, cancel_job, job_of, job_state, latest_states, log_of

routes = Routes(prefix="/api/v1")


class Jobs(BaseModel):
    """A page of a list, the newest first."""

    jobs: list[JobState]
    next: int | None
    """`before` of the next page, null where this is the last one."""


def list_jobs(
    request: Request,
    before: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
) -> Jobs:
    """Jobs, the newest first, a page at a time. before: only those with smaller numbers."""
    states = latest_states(visit(request), limit + 1, before)
    return Jobs(jobs=states[:limit], next=states[limit - 1].id if len(states) > limit else None)


def get_job(request: Request, number: JobId) -> JobState:
    """One job."""
    return job_state(visit(request), number)


def get_log(request: Request, number: JobId) -> PlainTextResponse:
    """What a job logged, as text."""
    return PlainTextResponse(log_of(visit(request), number))


def job_events(request: Request, number: JobId) -> EventStream:
    """A job as it goes on, as server-sent events with the same object, until its end."""
    here, streams = visit(request), request.app.state.streams
    job_of(here, number)

    def read() -> tuple[JobState, bool] | None:
        there = job(here.site.database, number)
        return None if there is None else (state_of(there, here.opened.runner), there.is_open)

    assert isinstance(streams, Streams)
    return streams.of(request, read)


def ask_to_merge(request: Request, options: MergeOptions) -> JobState:
    """Asks for a merging."""
    return ask_for(visit(request), "merge", options.model_dump())


def ask_to_adapt(request: Request, options: AdaptOptions) -> JobState:
    """Asks for a new version of the encoder."""
    return ask_for(visit(request), "adapt", options.model_dump())


def ask_for_retention(request: Request) -> JobState:
    """Asks that what the settings let go is erased now."""
    return ask_for(visit(request), "retention", {})


def cancel_one(request: Request, number: JobId) -> JobState:
    """Takes a job back. One that runs stops within seconds. What was finished of it is kept."""
    return cancel_job(visit(request), number)


routes.add("/jobs", list_jobs, Role.OPERATOR, whole=True)
routes.add("/jobs/merge", ask_to_merge, Role.OPERATOR, method="POST", whole=True, status_code=202)
routes.add("/jobs/adapt", ask_to_adapt, Role.ADMIN, method="POST", whole=True, status_code=202)
routes.add("/jobs/retention", ask_for_retention, Role.ADMIN, method="POST", whole=True, status_code=202)
routes.add("/jobs/{number}", get_job, Role.OPERATOR, whole=True)
routes.add("/jobs/{number}/log", get_log, Role.OPERATOR, whole=True, response_class=PlainTextResponse)
routes.add(
    "/jobs/{number}/events",
    job_events,
    Role.OPERATOR,
    whole=True,
    response_class=EventStream,
    response_model=None,
)
routes.add("/jobs/{number}/cancel", cancel_one, Role.OPERATOR, method="POST", whole=True)
