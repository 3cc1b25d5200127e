"""Detectors on a cluster that grows while a command is under way: one node, which another joins."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.app.ray_cluster import RayCluster, kill
from tests.app.scenes import ROOT

PLACING = """
import json, sys
from app.engine.cluster import answer, connected
from app.engine.cluster_models import Loading, PlacedModels, WantedDetector
from deploy.detectors.load import load_detector

wanted = WantedDetector("shipped", load_detector("shipped").sha256, Loading(False, None, None))
with connected(sys.argv[1]) as cluster:
    models = PlacedModels(cluster, wanted, None)
    for _ in sys.stdin:
        models.look()
        placed = answer(models.registry.placed.remote())
        frames = [answer(pair.detector.batch.remote())[0] for pair in placed]
        print(json.dumps({"nodes": [pair.node for pair in placed], "frames": frames}), flush=True)
"""


def test_a_machine_that_joins_later_gets_a_detector_and_tasks_are_told() -> None:
    with RayCluster([1]) as cluster:
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
            both, frames = look()
            assert both[:1] == first and len(set(both)) == 2 and frames[1] == frames[0]
            assert len(cluster.those("ray::DetectorActor")) == 2
            (registry,) = cluster.those("ray::Registry")
            kill(registry)
            assert look()[0] == both
            assert cluster.those("ray::Registry") not in ([], [registry])
            asked.close()
            assert process.wait() == 0
