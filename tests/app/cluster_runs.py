"""Footage that a Ray cluster takes in while its processes are killed, and ways to compare what came of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from app.encoders.versions import serving, store_of
from app.engine.ingest import ingest
from app.record import Site
from tests.app.ray_cluster import RayCluster, kill
from tests.app.record.test_move import pictures, rows, sound
from tests.app.scenes import DRIVER, ROOT, SIZE, World, crowd, frames_done, three_cameras, write_detections
from tests.clips import render_clip

CHUNK = 10  # frames between commits
FRAMES = 730  # of `five_cameras`
LOOK = 0.2  # s between looks how far a run is
DRIVEN = 400.0  # s that a command may take on a machine that does much else


class Filmed(Protocol):
    """Footage, and what finds people in it: a detector, or what one found."""

    @property
    def videos(self) -> Path: ...

    @property
    def detector(self) -> str: ...


def five_cameras(folder: Path) -> World:
    """Three cameras, and two on which people cross, with two films that follow each other."""
    world = three_cameras(folder)
    for number in (1, 2):
        name, scene = f"crowd{number}", crowd(240, seed=number)
        (world.videos / name).mkdir()
        for film, part in (("14-30-00", scene[:150]), ("14-30-06", scene[150:])):
            render_clip(world.videos / name / f"2026-11-20_{film}.mp4", part, size=SIZE)
        write_detections(world.detections / f"{name}.txt", scene[:150], seed=number)
    return world


def begun(cluster: RayCluster, world: Filmed, site: Path, *, first: str = "") -> subprocess.Popen[str]:
    """The real command with small chunks, on the cluster. first: a line of Python that its process does before."""
    words = [first + DRIVER, CHUNK, 0, world.videos, "--site", site, "--detector", world.detector, "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", *map(str, words), "--cluster", cluster.address],
        cwd=ROOT,
        env=cluster.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    """Its exit code, its report, and all that it said."""
    out, err = process.communicate(timeout=DRIVEN)
    return process.returncode, json.loads(out) if process.returncode in (0, 1) and out else {}, out + err


def struck(process: subprocess.Popen[str], site: Path, frames: int, victims: Callable[[], Sequence[int]]) -> int | None:
    """Waits until so many frames are committed, then kills.

    Returns how many were committed just before. None where the process ended without a kill.
    """
    limit = time.monotonic() + DRIVEN
    while process.poll() is None and time.monotonic() < limit:
        if (done := frames_done(site)) >= frames and (pids := victims()):
            for pid in pids:
                kill(pid)
            return done
        time.sleep(LOOK)
    return None


def here(world: Filmed, site: Path) -> Path:
    """The site that one process makes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("app.engine.ingest.CHUNK", CHUNK)
        ingest(world.videos, site, detector=world.detector, who="test")
    return site


def embeddings(path: Path) -> tuple[list[int], bytes]:
    """Ids and bytes of what the version that serves has embedded."""
    with Site.open(path) as site:
        ids, halves = store_of(site, serving(site).name).load()
    return ids.tolist(), halves.tobytes()


def differences(site: Path, other: Path) -> list[str]:
    """In what two sites differ: tables, pictures, embeddings, and whether one is damaged."""
    of_site, of_other = rows(site), rows(other)
    wrong = [table for table in of_site if of_site[table] != of_other[table]]
    wrong += ["pictures"] if pictures(site) != pictures(other) else []
    wrong += ["embeddings"] if embeddings(site) != embeddings(other) else []
    return wrong + [f"{path} is damaged" for path in (site, other) if not sound(path)]
