"""Work that was asked for by a page or a program: the table `jobs`.

A job waits, runs, and ends as done, failed or cancelled. One whose process died is still `running`: whoever has the
lease JOBS goes on with it. Asking for a job and cancelling one leave rows in the audit. So does the work itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, case, delete, func, select

from app.asking import this_session
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.rows import AuditEntry
from app.record.schema import jobs


class Status(StrEnum):
    """How far a job is."""

    waiting = "waiting"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


OPEN = (Status.waiting, Status.running)


@dataclass(frozen=True, slots=True)
class Job:
    """What the record says of one job. Times are UTC seconds."""

    id: int
    kind: str
    options: dict[str, Any]
    who: str
    session: str  # where `who` sat
    status: Status
    made: float
    started: float | None  # for the first time
    ended: float | None
    report: dict[str, Any] | None  # of what is done
    problem: str  # why it failed, a sentence

    @property
    def is_open(self) -> bool:
        """Whether it waits or runs."""
        return self.status in OPEN


def ask(database: Database, kind: str, options: Mapping[str, Any], *, who: str) -> Job:
    """Puts a job behind all that wait, and notes who asked."""
    with database.transaction():
        number = add_job(database, kind, options, who=who, session=this_session(), now=time.time())
    made = job(database, number)
    assert made is not None
    return made


def add_job(database: Database, kind: str, options: Mapping[str, Any], *, who: str, session: str, now: float) -> int:
    """As `ask`, in the caller's transaction. Returns the job's number."""
    number = database.next_id(jobs)
    row = {"id": number, "kind": kind, "options": json.dumps(dict(options)), "who": who, "session": session}
    row |= {"status": str(Status.waiting), "made": now, "started": None, "ended": None, "report": None, "problem": ""}
    insert_rows(database, jobs, [row])
    add_entry(database, AuditEntry(now, who, "job", {"job": number, "kind": kind, **options}, session))
    return number


def job(database: Database, number: int) -> Job | None:
    """One job, None where there is none."""
    row = database.first(select(jobs).where(jobs.c.id == number))
    return None if row is None else _read(database, row)


def latest_jobs(database: Database, most: int, *, before: int | None = None) -> list[Job]:
    """The latest jobs, the newest first. before: only those with smaller numbers."""
    wanted = select(jobs).order_by(jobs.c.id.desc()).limit(most)
    if before is not None:
        wanted = wanted.where(jobs.c.id < before)
    return [_read(database, row) for row in database.all(wanted)]


def open_jobs(database: Database) -> list[Job]:
    """Those that wait or run: what was begun first, then in the order in which they were asked for."""
    begun_first = case((jobs.c.status == str(Status.running), 0), else_=1)
    wanted = select(jobs).where(jobs.c.status.in_(map(str, OPEN))).order_by(begun_first, jobs.c.id)
    return [_read(database, row) for row in database.all(wanted)]


def job_of_upload(database: Database, upload: str) -> Job | None:
    """The latest job that takes in an uploaded file, None where there is none."""
    named = jobs.c.options.contains(json.dumps(upload), autoescape=True)
    row = database.first(select(jobs).where(named).order_by(jobs.c.id.desc()).limit(1))
    return None if row is None else _read(database, row)


def begin_next(database: Database) -> Job | None:
    """Marks the next job as running and returns it, None where there is none. The caller holds the lease JOBS."""
    with database.transaction():
        waiting = open_jobs(database)
        if not waiting:
            return None
        began = waiting[0].started or time.time()
        update_row(database, jobs, waiting[0].id, {"status": str(Status.running), "started": began})
    return job(database, waiting[0].id)


def end(
    database: Database, number: int, status: Status, *, report: Mapping[str, Any] | None = None, problem: str = ""
) -> None:
    """Says how a job that runs came out. One that was cancelled meanwhile stays so."""
    with database.transaction():
        now = job(database, number)
        if now is not None and now.is_open:
            said = None if report is None else json.dumps(dict(report), default=str)
            values = {"status": str(status), "ended": time.time(), "report": said, "problem": problem}
            update_row(database, jobs, number, values)


def cancel(database: Database, number: int, *, who: str) -> bool:
    """Takes a job back that waits or runs, and notes who did. False where it has ended, or there is none.

    Whoever runs it sees that and stops.
    """
    with database.transaction():
        now = job(database, number)
        if now is None or not now.is_open:
            return False
        update_row(database, jobs, number, {"status": str(Status.cancelled), "ended": time.time()})
        add_entry(database, AuditEntry(time.time(), who, "job cancelled", {"job": number, "kind": now.kind}))
    return True


def drop_jobs_before(database: Database, limit: float) -> list[int]:
    """Removes jobs that ended before a time, UTC seconds, and returns their numbers.

    The newest of all stays, so that nobody else gets a number that was given.
    """
    with database.transaction():
        newest = select(func.max(jobs.c.id)).scalar_subquery()
        old = database.ids(select(jobs.c.id).where(jobs.c.ended < limit, jobs.c.id < newest).order_by(jobs.c.id))
        numbers: Sequence[int] = old.tolist()
        database.execute(delete(jobs).where(jobs.c.id.in_(numbers)))
    return list(numbers)


def _read(database: Database, row: Row[Any]) -> Job:
    values = dict(row._mapping)
    values.pop("checksum")
    values["options"] = database.json(row.options, "jobs")
    values["report"] = database.json(row.report, "jobs")
    values["status"] = Status(row.status)
    return Job(**values)
