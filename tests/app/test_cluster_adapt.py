"""An adaptation by a Ray cluster: that of one machine to the bit, whatever dies, and nothing of who is erased stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from app.encoders.versions import serving, store_of
from app.learning.adapt import adapt
from app.record import Site
from app.record.adaptations import Adaptations
from app.record.move import create
from app.record.places import Places
from tests.app.ray_cluster import RayCluster, kill
from tests.app.record.test_move import sound
from tests.app.records import new_schema
from tests.app.scenes import ROOT
from tests.app.sites import figure_site

WAITING = 240.0  # s that a machine may take that does much else
WISHES: dict[str, Any] = {"epochs": 2, "start": "base", "size": (64, 32), "force": True}
WORDS = ("--epochs", "2", "--start", "base", "--size", "64x32", "--force", "--json")


PEOPLE: dict[str, Any] = {"people": 20, "cameras": 3, "crops": 2}  # as many tracklets as adapting needs


def weights(path: Path) -> tuple[str, str | None, bytes]:
    """What serves, the digest of its weights, and what it made of the tracklets."""
    with Site.open(path) as opened:
        model = serving(opened)
        return model.name, model.weights_sha256, store_of(opened, model.name).load()[1].tobytes()


def until_carried(path: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a checkpoint is in the store."""
    limit = time.monotonic() + WAITING
    with Site.open(path) as opened:
        kept = Adaptations(opened.database)._objects
        while kept is None or kept.get("adapt/v1/checkpoint.pt") is None:
            assert process.poll() is None and time.monotonic() < limit, process.communicate()
            time.sleep(0.1)


def test_a_killed_task_goes_on_elsewhere_and_ends_as_on_one_machine(postgres: str, s3: Any, tmp_path: Path) -> None:
    site, alone = tmp_path / "site", tmp_path / "alone"
    s3.create_bucket(Bucket="adapting")
    create(site, Places(new_schema(postgres), "s3://adapting/site"), who="test")
    for path in (site, alone):
        figure_site(path, **PEOPLE)
    before = torch.get_num_threads()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with Site.open_to_write(alone) as opened:
        adapt(opened, who="test", **WISHES)
    torch.set_num_threads(before)
    with RayCluster([1, 1], variables={"TMPDIR": str(tmp_path)}) as cluster:
        words = [sys.executable, "-m", "app.adapt", "--site", str(site), "--cluster", cluster.address, *WORDS]
        process = subprocess.Popen(
            words, cwd=ROOT, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        until_carried(site, process)
        (folder,) = (tmp_path / f"sightline-{os.getuid()}").iterdir()
        for pid in cluster.those("ray::adapt_there"):
            kill(pid)
        shutil.rmtree(folder)  # what the dead one's machine had
        said, errors = process.communicate(timeout=WAITING)
        assert process.returncode == 0, errors
    report = json.loads(said)
    assert (report["model"], report["deployed"], report["epochs"]) == ("v1", True, 2)
    assert weights(site) == weights(alone) and sound(site)
    keys = [key["Key"] for key in s3.list_objects_v2(Bucket="adapting")["Contents"]]
    assert not [key for key in keys if "/adapt/" in key] and not list(tmp_path.rglob("crops.u8"))
