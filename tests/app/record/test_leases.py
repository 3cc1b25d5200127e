"""Leases: one holder each, lost with its process, refused with a clear sentence."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.errors import Busy
from app.record import Site
from app.record.leases import ERASING, LEARNING, MERGING, Lease, of_camera
from tests.app.records import on_postgres, site_in
from tests.app.scenes import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from app.record import Site
from app.record.leases import LEARNING
with Site.open_to_write(Path(sys.argv[1])) as site, site.lease(LEARNING):
    print("held", flush=True)
    time.sleep(60)
"""


def test_different_work_goes_on_at_once_and_the_same_is_refused(empty: Path) -> None:
    with Site.open_to_write(empty) as first_site, Site.open_to_write(empty) as second_site:
        with first_site.lease(LEARNING), first_site.lease(of_camera("hall")), first_site.lease(MERGING):
            with second_site.lease(of_camera("yard")), second_site.lease(ERASING):
                pass
            for lease in (LEARNING, MERGING, of_camera("hall")):
                message = f"is {lease.work} at the site .*: wait until it is done"
                with pytest.raises(Busy, match=message), second_site.lease(lease):
                    pytest.fail("two hold it")
        with second_site.lease(LEARNING):
            pass


def test_threads_of_a_process_do_not_share_one(empty: Path) -> None:
    with Site.open_to_write(empty) as site, site.lease(MERGING):
        refused: list[BaseException] = []

        def again() -> None:
            try:
                with site.lease(MERGING):
                    pass
            except Busy as error:
                refused.append(error)

        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
    assert len(refused) == 1


def test_one_may_wait_for_a_short_one(empty: Path) -> None:
    with Site.open_to_write(empty) as holder, Site.open_to_write(empty) as waiting:
        order: list[str] = []

        def wait() -> None:
            with waiting.lease(ERASING):
                order.append("waiting")

        with holder.lease(ERASING):
            thread = threading.Thread(target=wait)
            thread.start()
            time.sleep(0.2)
            order.append("holder")
        thread.join(10)
    assert order == ["holder", "waiting"]
    soon = Lease(ERASING.name, ERASING.work, wait=0.1)
    holder, waiting = Site.open_to_write(empty), Site.open_to_write(empty)
    with holder, waiting, holder.lease(ERASING), pytest.raises(Busy), waiting.lease(soon):
        pytest.fail("two hold it")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_process_and_names_it(empty: Path, how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(empty)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with Site.open_to_write(empty) as site:
            with pytest.raises(Busy, match=rf"\(process {holder.pid}"), site.lease(LEARNING):
                pytest.fail("two hold it")
            holder.send_signal(how)
            holder.wait()
            limit = time.monotonic() + 10
            while time.monotonic() < limit:  # a server needs a moment to notice
                try:
                    with site.lease(LEARNING):
                        break
                except Busy:
                    assert on_postgres()
                    time.sleep(0.05)
            else:
                pytest.fail("the lease outlived its holder")


def test_sites_do_not_share_leases(record: str, tmp_path: Path) -> None:
    paths = [site_in(tmp_path, name) for name in ("one", "two")]
    with (
        Site.create(paths[0]) as first_site,
        Site.create(paths[1]) as second_site,
        first_site.lease(LEARNING),
        second_site.lease(LEARNING),
    ):
        pass
