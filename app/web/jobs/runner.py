"""The thread of the server that has a site's jobs done, one after the other.

One at a time, since each of them is heavy: it takes all cores, and gigabytes. Two at once would end no sooner, and a
search beside them would wait longer.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from app.record import Site
from app.record.job_logs import JobLogs
from app.record.jobs import Status, end, job, open_jobs
from app.record.leases import JOBS
from app.record.nightly import ask_for_what_is_due
from app.record.retention import tidy
from app.web.child import begun, has_ended, kill
from app.web.jobs.worker import BUSY

log = logging.getLogger("sightline")

WORKER = (sys.executable, "-m", "app.web.jobs.worker")
GRACE = 10.0  # s that a job has to stop in, before it is killed
PAUSE = 1.0  # s between two looks for jobs that other programs asked for
LONG_PAUSE = 30.0  # s, where no job can be done at all
MOST_DEATHS = 3  # of a job's process, after which the job has failed
TIDY = 3600.0  # s between two looks for files that nobody needs
_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """How far a part of a job is."""

    task: str
    done: int
    total: int | None


@dataclass(eq=False)
class _Running:
    """A process that does a job."""

    process: subprocess.Popen[str]
    job: int | None = None
    tasks: dict[str, Task] = field(default_factory=dict)
    heard: threading.Event = field(default_factory=threading.Event)  # to its end


class Runner:
    """Has jobs done while it is started."""

    def __init__(
        self,
        site: Site,
        *,
        worker: Sequence[str] = WORKER,
        grace: float = GRACE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """worker: the command that does the next job, to which the site is added. clock: UTC seconds."""
        self._site, self._worker, self._grace, self._clock = site, [*worker, str(site.path)], grace, clock
        self._logs = JobLogs(site.path)
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._now: _Running | None = None
        self._deaths: Counter[int] = Counter()
        self._tidied = -TIDY

    def start(self) -> None:
        """From now on jobs are done."""
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends it, and what it does. A job that runs goes on when a server next starts."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """There is something new to do, or to stop."""
        self._wake.set()

    def tasks_of(self, number: int) -> list[Task]:
        """How far a job is, as far as this server knows."""
        now = self._now
        return list(now.tasks.values()) if now is not None and now.job == number else []

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                worked = self._look()
            except Exception:  # a record that is out of reach, a disk that is full: it may be better later
                log.exception("Jobs can't go on just now")
                worked = False
            if not worked:
                self._wake.wait(PAUSE)
                self._wake.clear()

    def _look(self) -> bool:
        """Does the next job, if there is one. Returns whether it did."""
        ask_for_what_is_due(self._site.database, self._clock())
        if time.monotonic() - self._tidied >= TIDY:
            self._tidied = time.monotonic()
            tidy(self._site, who="server", now=self._clock())
        if not open_jobs(self._site.database) or not self._is_free():
            return False
        code, number = self._work()
        if code in (0, BUSY) or self._stopping.is_set():
            return code == 0
        self._count_death(code, number)
        return number is not None

    def _is_free(self) -> bool:
        """Whether no other server's worker is at a job."""
        give_back = self._site.database.leases.try_to_take(JOBS.name)
        if give_back is not None:
            give_back()
        return give_back is not None

    def _work(self) -> tuple[int, int | None]:
        """Starts the worker and sees it to its end. Returns its exit code and which job it did."""
        process = begun(self._worker)
        running = self._now = _Running(process)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        readers = [
            threading.Thread(target=self._hear, args=(running, process.stdout), daemon=True),
            threading.Thread(target=self._keep_log, args=(running, process.stderr), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            self._watch(running)
        finally:
            kill(process)
            for reader in readers:
                reader.join(self._grace)
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()
            self._now = None
        return process.returncode, running.job

    def _watch(self, running: _Running) -> None:
        """Waits for a worker's end. Interrupts it where its job was cancelled, kills it where it does not stop."""
        interrupted: float | None = None
        while not has_ended(running.process):
            if self._stopping.is_set():
                return
            if interrupted is None and self._is_cancelled(running):
                interrupted = time.monotonic()
                running.process.send_signal(signal.SIGINT)
            if interrupted is not None and time.monotonic() - interrupted > self._grace:
                return
            time.sleep(_POLL)

    def _is_cancelled(self, running: _Running) -> bool:
        now = None if running.job is None else job(self._site.database, running.job)
        return now is not None and now.status == Status.cancelled

    def _count_death(self, code: int, number: int | None) -> None:
        """A worker that died is started again, so often. What killed it may kill the next one, too."""
        if number is None:
            log.error("The process that does jobs could not start (exit code %d)", code)
            self._stopping.wait(LONG_PAUSE)
            return
        self._deaths[number] += 1
        if self._deaths[number] >= MOST_DEATHS:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            problem = f"Its process died {MOST_DEATHS} times ({how}), perhaps for want of memory: ask for it again."
            end(self._site.database, number, Status.failed, problem=problem)

    def _hear(self, running: _Running, stream: IO[str]) -> None:
        """Takes in how far a worker is."""
        for line in stream:
            try:
                told = json.loads(line)
            except ValueError:  # its death cut the line short
                continue
            if "job" in told:
                running.job = told["job"]
            else:
                running.tasks[told["task"]] = Task(told["task"], told["done"], told["total"])
        running.heard.set()

    def _keep_log(self, running: _Running, stream: IO[str]) -> None:
        """Keeps what a worker logs. What comes before anybody knows its job waits until they do."""
        early: list[str] = []
        for line in stream:
            early.append(line)
            if running.job is not None:
                self._keep(running.job, early)
        running.heard.wait(self._grace)
        if running.job is not None:
            self._keep(running.job, early)
        for line in early:  # it never had a job: that is the server's log
            log.warning("%s", line.rstrip())

    def _keep(self, number: int, lines: list[str]) -> None:
        for line in lines:
            self._logs.append(number, line)
        lines.clear()
