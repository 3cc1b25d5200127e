"""An adaptation by two GPUs of a cluster: that of one machine up to the order of sums, whatever dies, whoever leaves.

Nodes only say that they have a GPU. So ranks learn on processors, by gloo.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import safetensors.torch
import torch

from app import cluster_ranks
from app.cluster_ranks import interface_of
from app.encoders.versions import weights_of
from app.engine.cluster import DiedTooOften
from app.learning.adapt import adapt
from app.record import Site
from app.record.adaptations import Adaptations
from app.record.forget import forget
from app.record.move import create
from app.record.places import Places
from app.record.private_files import wipe
from tests.app.ray_cluster import RayCluster, kill
from tests.app.record.test_move import sound
from tests.app.records import new_schema
from tests.app.scenes import ROOT
from tests.app.sites import figure_site

WAITING = 600.0  # s that a machine may take that does much else
REMOVING = 60.0  # s in which pictures leave
EPOCHS = 4
WISHES: dict[str, Any] = {"epochs": EPOCHS, "start": "base", "size": (64, 32), "force": True}
WORDS = ("--start", "base", "--size", "64x32", "--force", "--json")
PEOPLE: dict[str, Any] = {"people": 21, "cameras": 3, "crops": 2}
TRACKLETS = 126


@pytest.fixture
def site(postgres: str, s3: Any, tmp_path: Path) -> Path:
    path = tmp_path / "site"
    bucket = f"ranks-{secrets.token_hex(4)}"
    s3.create_bucket(Bucket=bucket)
    create(path, Places(new_schema(postgres), f"s3://{bucket}/site"), who="test")
    figure_site(path, **PEOPLE)
    return path


def begun(cluster: RayCluster, site: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "app.adapt", "--site", str(site), "--cluster", cluster.address, *WORDS, *words]
    return subprocess.Popen(
        command, cwd=ROOT, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def until(happens: Callable[[], Any], process: subprocess.Popen[str], limit: float = WAITING) -> None:
    end = time.monotonic() + limit
    while not happens():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.05)


def having(top: Path, name: str) -> list[str]:
    """Folders below that have a file of this name. Others may be removed meanwhile."""
    return [folder for folder, _, files in os.walk(top) if name in files]


def report_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    said, errors = process.communicate(timeout=WAITING)
    assert process.returncode == 0, errors
    report: dict[str, Any] = json.loads(said)
    return report


def weights(path: Path, version: str) -> dict[str, torch.Tensor]:
    with Site.open(path) as opened:
        return safetensors.torch.load_file(weights_of(opened, version))


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The length of the difference of all weights."""
    names = [name for name in one if name.endswith(("weight", "bias"))]
    return float(sum((one[name] - other[name]).square().sum() for name in names) ** 0.5)


def interrupt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adapts on one machine until the first checkpoint is carried, in the middle of training."""
    kept = Adaptations.carry

    def carried(self: Adaptations, name: str) -> None:
        kept(self, name)
        if (self.run(name) / "training" / "checkpoint.pt").is_file():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched, Site.open_to_write(path) as opened:
        patched.setattr(Adaptations, "carry", carried)
        patched.setattr("reid.training.checkpoint.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            adapt(opened, who="test", **WISHES)
    wipe(path / "adapt")  # that machine is gone


def test_two_ranks_go_on_and_begin_again_and_end_as_one_machine(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "alone"
    figure_site(alone, **PEOPLE)
    with Site.open_to_write(alone) as opened:
        adapt(opened, who="test", **WISHES)
    interrupt(site, monkeypatch)
    with RayCluster([1, 1], variables={"TMPDIR": str(tmp_path)}, gpus=1) as cluster:
        process = begun(cluster, site, "--epochs", str(EPOCHS))
        until(lambda: any("/rank-" in folder for folder in having(tmp_path, "manifest.json")), process)
        kill(*cluster.those("ray::RankActor.follow"))
        until(lambda: not cluster.those("ray::RankActor.lead"), process)
        report = report_of(process)
    assert (report["model"], report["deployed"], report["epochs"]) == ("v1", True, EPOCHS)
    one, two, start = weights(alone, "v1"), weights(site, "v1"), weights(alone, "base")
    assert apart(one, two) < 0.01 * apart(one, start)
    with Site.open(site) as opened:
        assert [model.name for model in opened.models()] == ["base", "v1"]
    assert sound(site) and not having(tmp_path, "crops.u8")


def test_who_is_erased_meanwhile_is_on_no_machine_and_one_goes_on_alone(site: Path, tmp_path: Path) -> None:
    with RayCluster([1, 1], variables={"TMPDIR": str(tmp_path)}, gpus=1) as cluster:
        process = begun(cluster, site, "--minutes", "1")
        until(lambda: any("/rank-" in folder for folder in having(tmp_path, "manifest.json")), process)
        plan = json.loads(next(tmp_path.glob("sightline-*/*/adapt/v1/plan.json")).read_text())
        with Site.open_to_write(site) as opened:
            assert forget(opened, who="test", tracklets=[plan["learn"][0]]).adaptations == 1
        until(lambda: not having(tmp_path, "crops.u8"), process, REMOVING)
        until(lambda: any("/rank-" in folder for folder in having(tmp_path, "manifest.json")), process)
        kill(cluster.raylets()[1])
        report = report_of(process)
    assert report["deployed"] and report["tracklets"] + report["held_back"] == TRACKLETS - 1
    assert sound(site) and not having(tmp_path, "crops.u8")


def test_ranks_that_always_die_begin_again_some_times(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def die(*_: object) -> None:
        begun.append(None)
        raise cluster_ranks._Died("A rank died")

    monkeypatch.setattr(cluster_ranks, "ray", MagicMock())
    monkeypatch.setattr(cluster_ranks, "_placed", lambda most: MagicMock(bundle_count=2))
    monkeypatch.setattr(cluster_ranks, "_report", die)
    monkeypatch.setattr(cluster_ranks, "_tidy", lambda *_: None)
    with pytest.raises(DiedTooOften, match="died 21 times"):
        cluster_ranks.adapt_on_gpus(MagicMock(), MagicMock(), "test", {})
    assert len(begun) == 21


def test_an_interface_is_that_of_its_address() -> None:
    assert interface_of("127.0.0.1") == "lo"
    assert interface_of("192.0.2.1") is None  # of documentation alone
