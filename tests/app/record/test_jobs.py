"""Jobs in the record: their order, how they end, and what the audit has of them."""

from __future__ import annotations

import pytest

from app.asking import in_session
from app.record import Site
from app.record.jobs import Status, ask, begin_next, cancel, drop_jobs_before, end, job, latest_jobs, open_jobs
from app.record.verify import damage

pytestmark = pytest.mark.usefixtures("record")


def test_jobs_run_in_the_order_in_which_they_were_asked_for(site: Site) -> None:
    with in_session("web, 10.0.0.1"):
        first = ask(site.database, "merge", {"method": "constrained"}, who="alice")
    second = ask(site.database, "adapt", {"minutes": 1.0}, who="bob")
    assert (first.id, first.status, first.session, first.who) == (1, Status.waiting, "web, 10.0.0.1", "alice")
    assert [entry.details for entry in site.audit() if entry.action == "job"] == [
        {"job": 1, "kind": "merge", "method": "constrained"},
        {"job": 2, "kind": "adapt", "minutes": 1.0},
    ]
    begun = begin_next(site.database)
    assert begun is not None and (begun.id, begun.status) == (1, Status.running) and begun.started is not None
    again = begin_next(site.database)  # its process died
    assert again == begun
    end(site.database, 1, Status.done, report={"identities": 3})
    done = job(site.database, 1)
    assert done is not None and done.status == Status.done and done.report == {"identities": 3} and not done.is_open
    end(site.database, 1, Status.failed, problem="too late")
    assert job(site.database, 1) == done
    assert [open_job.id for open_job in open_jobs(site.database)] == [second.id]
    assert list(damage(site)) == []


def test_a_cancelled_job_stays_cancelled(site: Site) -> None:
    number = ask(site.database, "merge", {}, who="alice").id
    begin_next(site.database)
    assert cancel(site.database, number, who="bob")
    end(site.database, number, Status.done, report={})
    now = job(site.database, number)
    assert now is not None and now.status == Status.cancelled and now.report is None
    assert not cancel(site.database, number, who="bob") and not cancel(site.database, 99, who="bob")
    assert begin_next(site.database) is None
    assert [(entry.who, entry.action) for entry in site.audit()] == [("alice", "job"), ("bob", "job cancelled")]


def test_old_jobs_leave_and_no_number_comes_twice(site: Site) -> None:
    for number in (1, 2, 3):
        ask(site.database, "merge", {}, who="alice")
        begin_next(site.database)
        end(site.database, number, Status.done)
    assert [listed.id for listed in latest_jobs(site.database, 2)] == [3, 2]
    assert [listed.id for listed in latest_jobs(site.database, 2, before=3)] == [2, 1]
    assert drop_jobs_before(site.database, 0.0) == []
    assert drop_jobs_before(site.database, 1e12) == [1, 2]
    assert ask(site.database, "merge", {}, who="alice").id == 4
