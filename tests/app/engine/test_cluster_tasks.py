"""Merging and evaluating on a Ray cluster of this machine: two nodes of one processor each."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import app.evaluate
import app.merge
from app.encoders.versions import serving
from app.record import Site
from tests.app.ray_cluster import RayCluster
from tests.app.scenes import ROOT
from tests.app.sites import figure_site, write_truth
from tests.app.typed import Typed

SMALL = """
import sys
from app.terminal import run
from reid import evaluate, neighbours
from reid.merging import look_alikes
neighbours.BLOCK = look_alikes.BLOCK = 9  # so a small site makes many tasks
evaluate.CELLS, evaluate.QUERIES = 600, 10
import app.{0}
run(app.{0}.{1})
"""
DYING = """
import os, signal, sys
from pathlib import Path
from app.engine.cluster import connected
from app.engine.cluster_tasks import ClusterTasks

def squared(folder, number):
    mark = Path(folder) / str(number)
    if number % 3 == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number

with connected(sys.argv[1]) as machines:
    tasks = ClusterTasks(machines)
    numbers = tasks.shared(12, lambda number: number)
    print(list(tasks.each(squared, ((sys.argv[2], numbers[k]) for k in range(12)))))
"""

ALONE = """
import sys, time
from app.engine import cluster
from app.engine.cluster_tasks import ClusterTasks

def wait(seconds):
    time.sleep(seconds)

with cluster.connected(sys.argv[1]) as machines:
    cluster.node_answers = lambda: False
    try:
        list(ClusterTasks(machines).each(wait, [(60,)]))
    except cluster.SiteError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with RayCluster([1, 1]) as started:
        yield started


def told(cluster: RayCluster, program: str, *words: object) -> str:
    """What a program prints that may use the cluster."""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=ROOT,
        env=cluster.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cluster_merges_and_evaluates_as_one_process_does(cluster: RayCluster, tmp_path: Path) -> None:
    """To the bit: the labels, the transit times, and the calibration that is learned from similarities."""
    sites = tmp_path / "alone", tmp_path / "cluster"
    who = figure_site(sites[0], people=24, cameras=4)
    with Site.open(sites[0]) as site:
        write_truth(site, who, tmp_path / "truth")
    shutil.copytree(*sites)
    merged: list[Any] = []
    scores: list[Any] = []
    for path, where in zip(sites, ([], ["--cluster", cluster.address])):
        report = json.loads(told(cluster, SMALL.format("merge", "command"), "--site", path, "--json", *where))
        words = ["site", "--truth", tmp_path / "truth", "--site", path, "--json", *where]
        scores.append(json.loads(told(cluster, SMALL.format("evaluate", "commands"), *words)))
        with Site.open(path) as site:
            merging, calibration = site.merging(), serving(site).calibration
        assert merging is not None
        merged.append((report | {"seconds": 0}, merging, calibration))
    (report, alone, calibration), (same_report, elsewhere, same_calibration) = merged
    assert report == same_report and report["tracklets"] == len(who) and report["across"] > 5
    for name in ("ids", "trajectories", "identities"):
        assert np.array_equal(getattr(alone, name), getattr(elsewhere, name))
    assert calibration == same_calibration and calibration is not None
    assert scores[0] == scores[1] and scores[0]["query"]["queries"] > 100


def test_a_task_whose_process_dies_is_done_again(cluster: RayCluster, tmp_path: Path) -> None:
    assert json.loads(told(cluster, DYING, cluster.address, tmp_path)) == [number**2 for number in range(12)]
    assert {path.name for path in tmp_path.iterdir()} == {"1", "4", "7", "10"}


def test_nothing_is_waited_for_where_the_node_of_this_machine_is_gone(cluster: RayCluster) -> None:
    assert "its node on this machine is gone" in told(cluster, ALONE, cluster.address)


@pytest.mark.parametrize("words", [["merge"], ["evaluate", "site", "--truth", "."]])
def test_a_cluster_that_is_none_is_told(typed: Typed, tmp_path: Path, words: list[str]) -> None:
    figure_site(tmp_path / "site", people=2, cameras=1)
    command = app.merge.command if words[0] == "merge" else app.evaluate.commands
    done = typed(command, *words[1:], "--site", tmp_path / "site", "--cluster", "head")
    assert done.returncode == 2 and "is no address of a Ray cluster: give auto, or HOST:PORT" in done.stderr
