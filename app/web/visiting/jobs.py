"""What the pages and the API of jobs do alike."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path

from app.encoders.versions import find
from app.record.job_logs import JobLogs
from app.record.jobs import Job, ask, cancel, job, latest_jobs
from app.record.users import Role
from app.web.errors import Refused
from app.web.jobs.kinds import kind_of
from app.web.jobs.state import JobState, state_of
from app.web.visit import Visit

JobId = Annotated[int, Path(ge=0, lt=2**63)]


def ask_for(here: Visit, kind: str, options: Mapping[str, Any]) -> JobState:
    """Asks for a job whose options were checked. It begins as soon as no other one runs."""
    made = ask(here.site.database, kind, options, who=here.who)
    here.opened.runner.look()
    return state_of(made, here.opened.runner)


def ask_for_use(here: Visit, name: str) -> JobState:
    """Asks that a version serves. Raises SiteError where there is no such version."""
    return ask_for(here, "models use", {"model": find(here.site, name).name})


def job_of(here: Visit, number: int) -> Job:
    """A job. Raises Refused where there is none."""
    there = job(here.site.database, number)
    if there is None:
        raise Refused(404, "There is no such job", "Jobs leave 30 days after their end.")
    return there


def job_state(here: Visit, number: int) -> JobState:
    """A job, and how far it is. Raises Refused where there is none."""
    return state_of(job_of(here, number), here.opened.runner)


def latest_states(here: Visit, most: int, before: int | None = None) -> list[JobState]:
    """The latest jobs, the newest first."""
    return [state_of(one, here.opened.runner) for one in latest_jobs(here.site.database, most, before=before)]


def may_cancel(here: Visit, number: int) -> bool:
    """Whether the visitor's role may ask for this kind of job, and so cancel it."""
    kind = kind_of(job_of(here, number).kind)
    return here.session.role >= (Role.ADMIN if kind is None else kind.role)


def cancel_job(here: Visit, number: int) -> JobState:
    """Takes a job back. Raises Refused where it has ended, or the visitor may not."""
    if not may_cancel(here, number):
        raise Refused(403, "This job is an administrator's", "Ask one to cancel it.")
    if not cancel(here.site.database, number, who=here.who):
        raise Refused(409, "This job has ended already", "Load the page again: it says how.")
    here.opened.runner.look()
    return job_state(here, number)


def log_of(here: Visit, number: int) -> str:
    """What a job logged. Raises Refused where there is no job."""
    return JobLogs(here.site.path).read(job_of(here, number).id)


def seconds_of(state: JobState) -> float | None:
    """How long a job ran, or has run. None where it never began."""
    return None if state.started is None else (state.ended or time.time()) - state.started
