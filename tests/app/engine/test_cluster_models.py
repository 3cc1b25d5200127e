"""Detectors on a cluster that grows while a command is under way: one node, which two others join.

Nodes only say that they have a GPU. So detectors run on processors there, too.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.app.ray_cluster import RayCluster, kill
from tests.app.scenes import ROOT

PLACING = """
import json, sys
from app.engine.cluster import answer, connected
from app.engine.cluster_models import DetectorActor, Loading, PlacedModels, WantedDetector
from app.engine.ray_runtime import ray
from deploy.detectors.load import load_detector

def where(self):
    return ray.get_runtime_context().get_node_id()

DetectorActor.where = where
wanted = WantedDetector("shipped", load_detector("shipped").sha256, Loading(False, None, None))
with connected(sys.argv[1]) as cluster:
    models = PlacedModels(cluster, wanted, None)
    for _ in sys.stdin:
        models.look()
        while not (placed := answer(models.registry.placed.remote())):
            models.look()
        frames = [answer(pair.detector.batch.remote())[0] for pair in placed]  # by now all have a machine
        models.look()
        nodes = [pair.node for pair in answer(models.registry.placed.remote())]
        assert nodes == [answer(pair.detector.where.remote()) for pair in placed]
        print(json.dumps({"nodes": nodes, "frames": frames}), flush=True)
"""


@pytest.mark.parametrize("gpus", [0, 1])
def test_machines_that_join_later_get_detectors_of_their_own_and_tasks_are_told(gpus: int) -> None:
    with RayCluster([1], gpus=gpus) as cluster:
        words = [sys.executable, "-c", PLACING, cluster.address]
        with subprocess.Popen(
            words, cwd=ROOT, env=cluster.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            asked, answers = process.stdin, process.stdout

            def look() -> tuple[list[str], list[int]]:
                asked.write("\n")
                asked.flush()
                told = json.loads(answers.readline())
                return told["nodes"], told["frames"]

            first, frames = look()
            assert len(first) == 1 and frames[0] > 0
            assert look()[0] == first  # nothing is placed twice
            cluster.join(1)
            cluster.join(1)
            all_three, frames = look()
            assert all_three[:1] == first and len(set(all_three)) == 3 and len(set(frames)) == 1
            assert len(cluster.those("ray::DetectorActor")) == 3
            (registry,) = cluster.those("ray::Registry")
            kill(registry)
            assert look()[0] == all_three
            assert cluster.those("ray::Registry") not in ([], [registry])
            asked.close()
            assert process.wait() == 0
