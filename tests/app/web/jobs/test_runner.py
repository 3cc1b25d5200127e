"""Jobs are done one after the other, each in a process of its own, and come to the same end whatever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.asking import in_session
from app.record import Site
from app.record.job_logs import JobLogs
from app.record.jobs import Job, Status, ask, cancel, job
from app.record.leases import JOBS
from app.record.settings import Nightly, SiteSettings, mark_nightly, write_settings
from app.web.jobs.runner import GRACE, MOST_DEATHS, WORKER, Runner
from tests.app.records import copy_of, site_in
from tests.app.scenes import ROOT
from tests.app.sites import figure_site

# The worker, whose merging tells that it began, and takes as long as a file is there.
SLOW = """
import logging, os, sys, time
from pathlib import Path
import app.web.jobs.work, app.web.jobs.worker
merge = app.web.jobs.work._WORKS["merge"]
def slowly(site, asked, who, progress):
    begun = site.path.parent / "begun"
    begun.write_text(begun.read_text() + f"{os.getpid()}\\n" if begun.exists() else f"{os.getpid()}\\n")
    progress("slow things", 1, 3)
    print("a library speaks")
    while (site.path.parent / "wait").exists():
        try:
            time.sleep(0.02)
        except KeyboardInterrupt:
            if not (site.path.parent / "stubborn").exists():
                raise
    if (site.path.parent / "crash").exists():
        os.abort()
    return merge(site, asked, who, progress)
app.web.jobs.work._WORKS["merge"] = slowly
sys.exit(app.web.jobs.worker.main())
"""
LIMIT = 30.0  # s


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = site_in(tmp_path_factory.mktemp("made"))
    figure_site(path, people=4, cameras=2)
    return path


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Iterator[Site]:
    with Site.open_to_write(copy_of(made, tmp_path)) as opened:
        yield opened


@contextmanager
def running(site: Site, *, slow: bool = False, grace: float = GRACE) -> Iterator[Runner]:
    worker = (sys.executable, "-c", SLOW) if slow else WORKER
    runner = Runner(site, worker=worker, grace=grace)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def until(holds: Callable[[], bool]) -> None:
    limit = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.02)


def now(site: Site, number: int) -> Job:
    here = job(site.database, number)
    assert here is not None
    return here


def merging(site: Site) -> int:
    with in_session("web, 10.0.0.7"):
        return ask(site.database, "merge", {}, who="alice").id


def begun(site: Site) -> list[int]:
    """The processes that began a merging, as SLOW tells."""
    file = site.path.parent / "begun"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_is_done_by_a_process_with_who_asked(site: Site) -> None:
    first, second = merging(site), ask(site.database, "models use", {"model": "base"}, who="bob").id
    with running(site):
        until(lambda: not now(site, second).is_open)
    done, used = now(site, first), now(site, second)
    assert (done.status, used.status) == (Status.done, Status.done)
    assert done.report is not None and done.report["identities"] > 0 and site.merging() is not None
    assert done.started is not None and done.ended is not None and used.started is not None
    assert done.started < done.ended <= used.started
    rows = {entry.action: (entry.who, entry.session) for entry in site.audit()}
    assert rows["merge"] == ("alice", "web, 10.0.0.7") and rows["models use"][0] == "bob"
    log = JobLogs(site.path).read(first)
    assert "merge begins, asked for by alice" in log and "merge is done" in log


def test_what_can_not_be_done_fails_with_a_sentence(site: Site) -> None:
    number = ask(site.database, "models use", {"model": "v9"}, who="alice").id
    unknown = ask(site.database, "conquer", {}, who="alice").id
    wrong = ask(site.database, "adapt", {"minutes": -1}, who="alice").id
    with running(site):
        until(lambda: not now(site, wrong).is_open)
    assert now(site, number).status == Status.failed and "no model 'v9'" in now(site, number).problem
    assert now(site, unknown).status == Status.failed and "knows no job" in now(site, unknown).problem
    assert now(site, wrong).status == Status.failed and "broke" in now(site, wrong).problem
    assert "Traceback" in JobLogs(site.path).read(wrong)


def test_progress_and_log_are_told(site: Site) -> None:
    (site.path.parent / "wait").touch()
    number = merging(site)
    with running(site, slow=True) as runner:
        until(lambda: bool(runner.tasks_of(number)))
        (task,) = runner.tasks_of(number)
        assert (task.task, task.done, task.total) == ("slow things", 1, 3)
        assert runner.tasks_of(number + 1) == []
        (site.path.parent / "wait").unlink()
        until(lambda: not now(site, number).is_open)
    assert "a library speaks" in JobLogs(site.path).read(number)


@pytest.mark.parametrize("stubborn", [False, True])
def test_a_cancelled_job_stops(site: Site, stubborn: bool) -> None:
    (site.path.parent / "wait").touch()
    if stubborn:
        (site.path.parent / "stubborn").touch()
    number, waiting = merging(site), merging(site)
    with running(site, slow=True, grace=0.5):
        until(lambda: bool(begun(site)))
        assert cancel(site.database, waiting, who="bob") and cancel(site.database, number, who="bob")
        until(lambda: not lives(begun(site)[0]))
        assert now(site, number).status == now(site, waiting).status == Status.cancelled
        (site.path.parent / "wait").unlink()
        after = merging(site)
        until(lambda: not now(site, after).is_open)
    assert now(site, after).status == Status.done and len(begun(site)) == 2


def test_a_worker_that_is_killed_is_started_again(site: Site) -> None:
    (site.path.parent / "wait").touch()
    number = merging(site)
    with running(site, slow=True):
        until(lambda: len(begun(site)) == 1)
        os.kill(begun(site)[0], signal.SIGKILL)
        until(lambda: len(begun(site)) == 2)
        assert now(site, number).status == Status.running
        (site.path.parent / "wait").unlink()
        until(lambda: not now(site, number).is_open)
    assert now(site, number).status == Status.done
    assert [entry.action for entry in site.audit()].count("merge") == 1


def test_a_job_that_kills_its_process_again_and_again_has_failed(site: Site) -> None:
    (site.path.parent / "crash").touch()
    number = merging(site)
    with running(site, slow=True):
        until(lambda: not now(site, number).is_open)
    assert now(site, number).status == Status.failed and "died 3 times (signal 6)" in now(site, number).problem
    assert len(begun(site)) == MOST_DEATHS


SERVER = """
import sys, time
from pathlib import Path
from app.record import Site
from app.web.jobs.runner import Runner
with Site.open_to_write(Path(sys.argv[1])) as site:
    Runner(site, worker=(sys.executable, "-c", sys.argv[2])).start()
    time.sleep(60)
"""


def test_a_worker_dies_with_its_server_and_the_next_one_goes_on(site: Site) -> None:
    (site.path.parent / "wait").touch()
    number = merging(site)
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(site.path), SLOW], cwd=ROOT)
    try:
        until(lambda: len(begun(site)) == 1)
    finally:
        server.kill()
        server.wait()
    until(lambda: not lives(begun(site)[0]))
    assert now(site, number).status == Status.running
    with running(site, slow=True):
        until(lambda: len(begun(site)) == 2)
        (site.path.parent / "wait").unlink()
        until(lambda: not now(site, number).is_open)
    assert now(site, number).status == Status.done


def test_a_server_that_stops_leaves_its_job_to_the_next(site: Site) -> None:
    (site.path.parent / "wait").touch()
    number = merging(site)
    with running(site, slow=True):
        until(lambda: len(begun(site)) == 1)
    assert not lives(begun(site)[0]) and now(site, number).status == Status.running


def test_no_job_runs_while_another_process_has_the_lease(site: Site) -> None:
    number = merging(site)
    with Site.open_to_write(site.path) as other, running(site):
        with other.lease(JOBS):
            worker = subprocess.run([*WORKER, str(site.path)], cwd=ROOT, stdin=subprocess.PIPE, timeout=LIMIT)
            assert worker.returncode in (3, -signal.SIGKILL)
            time.sleep(1.5)
            assert now(site, number).status == Status.waiting
        until(lambda: not now(site, number).is_open)


def test_two_servers_do_a_job_once(site: Site) -> None:
    numbers = [merging(site) for _ in range(3)]
    with Site.open_to_write(site.path) as other, running(site, slow=True), running(other, slow=True):
        until(lambda: not any(now(site, number).is_open for number in numbers))
    assert len(begun(site)) == 3


def test_nightly_work_is_done_when_its_time_comes(site: Site) -> None:
    write_settings(site.database, SiteSettings(Nightly("03:30", retention=False)), who="alice")
    with site.database.transaction():
        mark_nightly(site.database, 0.0)
    clock = [3.4 * 3600.0]  # seconds of a day
    runner = Runner(site, clock=lambda: clock[0])
    runner.start()
    try:
        time.sleep(0.5)
        assert job(site.database, 1) is None
        clock[0] = 3.6 * 3600
        runner.look()
        until(lambda: job(site.database, 1) is not None and not now(site, 1).is_open)
    finally:
        runner.stop()
    assert (now(site, 1).kind, now(site, 1).who, now(site, 1).status) == ("merge", "nightly", Status.done)
    assert [(entry.who, entry.session) for entry in site.audit() if entry.action == "merge"] == [("nightly", "server")]


def test_a_server_with_jobs_never_loads_torch() -> None:
    look = "import sys, app.web.application, app.web.jobs.runner; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", look], cwd=ROOT, check=True, timeout=LIMIT)
