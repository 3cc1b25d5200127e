"""A job as pages and programs are told of it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from app.record.jobs import Job, Status
from app.web.jobs.kinds import in_words, kind_of
from app.web.jobs.runner import Runner, Task


class TaskState(BaseModel):
    """How far a part of a job is. The total is null where nobody knows it."""

    task: str
    done: int
    total: int | None


class JobState(BaseModel):
    """A job. Times are UTC seconds."""

    id: int
    kind: str
    title: str
    words: str
    options: dict[str, Any]
    who: str
    status: Status
    made: float
    started: float | None
    ended: float | None
    problem: str
    report: dict[str, Any] | None
    tasks: list[TaskState]

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.status in (Status.waiting, Status.running)


def state_of(job: Job, runner: Runner) -> JobState:
    """A job, and how far it is."""
    kind = kind_of(job.kind)
    tasks: list[Task] = runner.tasks_of(job.id) if job.is_open else []
    return JobState(
        id=job.id,
        kind=job.kind,
        title=job.kind if kind is None else kind.title,
        words=in_words(job.kind, job.options),
        options=job.options,
        who=job.who,
        status=job.status,
        made=job.made,
        started=job.started,
        ended=job.ended,
        problem=job.problem,
        report=job.report,
        tasks=[TaskState(task=task.task, done=task.done, total=task.total) for task in tasks],
    )
