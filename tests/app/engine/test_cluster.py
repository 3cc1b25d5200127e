"""Footage taken in by a Ray cluster on this machine: two nodes of one processor each, as the real command does it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import app.ingest
from app.engine import cluster as clusters
from app.engine.cluster_ingest import OF_A_TASK
from app.errors import SiteError
from app.record import Site
from app.record.move import create
from app.record.places import Places
from tests.app.cluster_runs import DRIVEN, FRAMES, LOOK, begun, differences, ended, five_cameras, here, struck
from tests.app.ray_cluster import RayCluster, kill
from tests.app.record.test_move import sound
from tests.app.records import new_schema
from tests.app.scenes import ROOT, World, frames_done
from tests.app.typed import Typed

# A task that would sleep for ten minutes.
DOOMED = """
import sys, time
from app.engine.cluster import connected
from app.engine.cluster_tasks import ClusterTasks
with connected(sys.argv[1]) as cluster:
    list(ClusterTasks(cluster).each(lambda: time.sleep(600), [()]))
"""


@pytest.fixture(scope="module")
def cluster(s3: Any) -> Iterator[RayCluster]:
    """Started after the store, so that its processes know where that is."""
    with RayCluster([1, 1], memory=OF_A_TASK + 2**27) as started:
        yield started


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return five_cameras(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def elsewhere(postgres: str, s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes empty sites whose record and pictures are on servers."""

    def made(name: str) -> Path:
        path = tmp_path_factory.mktemp("elsewhere") / name
        s3.create_bucket(Bucket=name)
        create(path, Places(new_schema(postgres), f"s3://{name}/site"), who="test")
        return path

    return made


@pytest.fixture(scope="module")
def alone(world: World, elsewhere: Callable[[str], Path]) -> Path:
    """What one process makes of the same footage on servers. Only to be read."""
    return here(world, elsewhere("alone"))


def test_a_cluster_gives_the_rows_that_one_process_gives(
    cluster: RayCluster, world: World, elsewhere: Callable[[str], Path], alone: Path
) -> None:
    process, at_once = begun(cluster, world, site := elsewhere("same")), 0
    while process.poll() is None:
        at_once = max(at_once, len(cluster.those("ray::take_in")))
        time.sleep(0.05)
    code, report, told = ended(process)
    assert code == 0, told
    assert at_once == 2  # five cameras, and memory for one on each node
    assert [(c["camera"], c["frames"], c["errors"]) for c in report["cameras"]] == [
        ("crowd1", 240, []),
        ("crowd2", 240, []),
        ("gate", 40, []),
        ("hall", 75, []),
        ("yard", 135, []),
    ]
    assert all(camera["frames_per_second"] > 0 for camera in report["cameras"])
    assert differences(site, alone) == []


def test_what_is_wrong_with_one_footage_is_told_and_others_go_on(
    cluster: RayCluster, world: World, tmp_path: Path
) -> None:
    """In a folder, which all processes of this machine share."""
    shutil.copytree(world.videos, tmp_path / "videos")
    (tmp_path / "videos" / "hall.mp4").write_bytes((world.videos / "hall.mp4").read_bytes()[:-20000])
    broken = World(tmp_path / "videos", world.detections)
    sites = tmp_path / "cluster", tmp_path / "alone"
    code, report, _ = ended(begun(cluster, broken, sites[0]))
    assert code == 1
    assert [c["camera"] for c in report["cameras"] if c["errors"]] == ["hall"]
    assert differences(sites[0], here(broken, sites[1])) == []


def test_a_detector_and_an_encoder_are_actors(cluster: RayCluster, tmp_path: Path) -> None:
    """The shipped ones, on thirty frames of a sample film."""
    film, sites = ROOT / "sample_videos" / "films" / "hall.mp4", (tmp_path / "cluster", tmp_path / "alone")
    words = [sys.executable, "-m", "app.ingest", str(film), "--detector", "shipped", "--fps", "0.5"]
    on_cluster = [*words, "--site", str(sites[0]), "--cluster", cluster.address]
    done = subprocess.Popen(on_cluster, cwd=ROOT, env=cluster.environment, stdout=subprocess.PIPE, text=True)
    seen: set[str] = set()
    while done.poll() is None:
        seen |= {line.split()[0] for line in cluster.processes().values() if line.startswith("ray::")}
        time.sleep(0.1)
    done.communicate()
    subprocess.run([*words, "--site", str(sites[1])], cwd=ROOT, check=True, capture_output=True)
    assert done.returncode == 0 and differences(*sites) == []
    assert any(name.startswith("ray::DetectorActor") for name in seen)
    assert any(name.startswith("ray::EncoderActor") for name in seen)


def test_killed_tasks_and_actors_begin_again(
    cluster: RayCluster, world: World, elsewhere: Callable[[str], Path], alone: Path
) -> None:
    process = begun(cluster, world, site := elsewhere("killed"))
    killed = [
        struck(process, site, frames, partial(cluster.those, name))
        for frames, name in ((20, "ray::take_in"), (150, "ray::EncoderActor"), (300, "ray::take_in"))
    ]
    code, _, told = ended(process)
    assert code == 0 and None not in killed, (killed, told)
    assert differences(site, alone) == []


def problems(site: Path) -> list[str]:
    """What the record, perhaps not made yet, tells of footage."""
    with suppress(SiteError), Site.open(site) as opened:
        return [problem for record in opened.footage() for problem in record.problems]
    return []


def test_footage_on_which_tasks_die_is_left_and_the_next_begins(
    cluster: RayCluster, world: World, tmp_path: Path
) -> None:
    shutil.copytree(world.videos / "crowd1", tmp_path / "videos" / "crowd1")
    crowded, path = World(tmp_path / "videos", world.detections), tmp_path / "site"
    process = begun(cluster, crowded, path, first="import app.engine.cluster_ingest as c; c.DEATHS = 2")
    limit, killed = time.monotonic() + DRIVEN, 0
    while not problems(path) and process.poll() is None and time.monotonic() < limit:
        for pid in cluster.those("ray::take_in"):
            kill(pid)
            killed += 1
        time.sleep(LOOK)
    code, report, told = ended(process)
    assert code == 1 and killed >= 3, told
    (errors,) = [camera["errors"] for camera in report["cameras"]]
    assert len(errors) == 1 and "died again and again" in errors[0]
    with Site.open(path) as opened:
        left, taken = opened.footage("crowd1")
    assert left.status != "done" and taken.status == "done" and taken.frames == 90
    code, report, told = ended(begun(cluster, crowded, path))
    assert code == 0 and report["cameras"][0]["frames"] == 240, told
    assert sound(path)


def test_after_a_death_that_ends_it_the_same_command_finishes(
    world: World, elsewhere: Callable[[str], Path], alone: Path
) -> None:
    site = elsewhere("driven")
    with RayCluster([1]) as cluster:
        driver = begun(cluster, world, site)
        assert struck(driver, site, 30, lambda: [driver.pid]) is not None
        assert ended(driver)[0] < 0
        again = begun(cluster, world, site)
        assert struck(again, site, 200, cluster.raylets) is not None
        code, _, told = ended(again)
        assert code != 0 and "Traceback" not in told and frames_done(site) < FRAMES
        cluster.stop()
        cluster.start()
        once_more = begun(cluster, world, site)
        assert struck(once_more, site, 400, lambda: cluster.those("/gcs_server ")) is not None
        cluster.stop()
        cluster.start()  # at once, so the command finds another head at the old one's place
        code, _, told = ended(once_more)
        assert code == 2 and "start it again" in told and "Traceback" not in told and frames_done(site) < FRAMES
        code, _, told = ended(begun(cluster, world, site))
        assert code == 0, told
    assert differences(site, alone) == []


def test_a_task_that_ray_kills_for_memory_again_and_again_is_told() -> None:
    """Here any memory that is used is too much."""
    variables = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "100"}
    with RayCluster([1], variables=variables | {"RAY_task_oom_retries": "1"}) as cluster:
        words = [sys.executable, "-c", DOOMED, cluster.address]
        told = subprocess.run(words, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, check=False)
    assert "DiedTooOften" in told.stderr and "low on memory" in told.stderr, told.stderr


# --- where it can't begin


def test_usage_is_not_told_and_a_token_is_asked_for_whatever_the_environment_says() -> None:
    words = "from app.engine.ray_runtime import asks_for_token; from ray._common.usage.usage_lib import *; "
    words += "print(usage_stats_enabled(), asks_for_token())"
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "1", "RAY_AUTH_MODE": "disabled"}
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.stdout.split() == ["False", "True"], told.stderr


def test_what_fails_in_a_thread_of_ray_is_no_traceback() -> None:
    words = "import threading, app.engine.ray_runtime\nfor name in ('ray_listen', 'other'):\n"
    words += "    thread = threading.Thread(target=lambda: {}[1], name=name)\n    thread.start()\n    thread.join()"
    told = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "in thread other" in told.stderr and "ray_listen" not in told.stderr


def test_a_cluster_that_is_open_or_tells_its_makers_is_refused(world: World, tmp_path: Path) -> None:
    """It does not live for long enough to tell anything."""
    careless = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "1"}
    with RayCluster([1], variables={**careless, "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9/"}) as cluster:
        code, _, told = ended(begun(cluster, world, tmp_path / "site"))
        assert code == 2 and "reports how it is used" in told and "Traceback" not in told
        words = "import app.engine.cluster as c; c.reports_usage = lambda: False; c.connected({!r}).__enter__()"
        words = [sys.executable, "-c", words.format(cluster.address)]
        silent = subprocess.run(words, cwd=ROOT, env=cluster.environment, capture_output=True, text=True, check=False)
        assert "asks nobody for a token" in silent.stderr
    assert not (tmp_path / "site").exists()


def test_a_site_in_a_folder_is_refused_where_a_machine_can_not_reach_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = [clusters.Machine("1", "192.0.2.1", 1, 0.0), clusters.Machine("2", "192.0.2.2", 1, 0.0)]
    monkeypatch.setattr(clusters.Cluster, "machines", lambda self: machines)
    monkeypatch.setattr(clusters.ray.util, "get_node_ip_address", lambda: "192.0.2.1")
    one = clusters.Cluster("auto")
    for places in (
        Places(),
        Places("postgresql://a@b/c"),
        Places(store="s3://b/c"),
        Places("postgresql://a@b/c", "file:///b"),
    ):
        with pytest.raises(
            SiteError, match=r"192\.0\.2\.2 and other machines .* can't reach: `python -m app.site move"
        ):
            one.check_site(tmp_path, places)
    one.check_site(tmp_path, Places("postgresql://a@b/c", "s3://b/c"))
    machines.pop()
    one.check_site(tmp_path, Places())


@pytest.mark.parametrize("address", ["", "local", "ray://head:10001", "head"])
def test_an_address_that_is_none_is_refused(typed: Typed, world: World, tmp_path: Path, address: str) -> None:
    done = typed(app.ingest.command, world.videos, "--site", tmp_path / "site", "--cluster", address)
    assert done.returncode == 2 and "is no address of a Ray cluster: give auto, or HOST:PORT" in done.stderr


def test_without_ray_it_is_said_how_to_install_it(
    typed: Typed, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("app.engine.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "app.engine.ray_runtime", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    done = typed(app.ingest.command, world.videos, "--site", tmp_path / "site", "--cluster", "auto")
    assert done.returncode == 2 and "pip install '.[cluster]'" in done.stderr
