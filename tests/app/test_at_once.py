"""Every pair of works at once on one site, in processes of their own, either of which is killed: nothing is lost."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import combinations_with_replacement
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.encoders.versions import serving, store_of
from app.engine.ingest import ingest
from app.record import Site
from app.record.verify import damage
from tests.app.records import copy_of, on_postgres, site_in
from tests.app.scenes import CREATED, SIZE, bytes_of, people, write_detections
from tests.app.sites import figure_site
from tests.app.works import BUSY, WORKS, run_work
from tests.clips import render_clip
from trackers.tracklets import Kind

PAIRS = list(combinations_with_replacement(WORKS, 2))
FRAMES = 60  # of each film
LIMIT = 120.0  # s that a work may take at most
Figures = list[tuple[int, list[bytes]]]


@dataclass(frozen=True)
class Stage:
    """A site before anything happens at once, and what is to come of it."""

    path: Path
    settings: dict[str, Any]
    secret: list[bytes]  # bytes of those who will be erased: crops and vectors
    takes: dict[str, float]  # s that each work takes alone
    filmed: dict[str, list[list[bytes]]]  # crops of the tracklets that a camera's film gives, by number


def begun(start: Any, name: str, path: Path, settings: dict[str, Any]) -> BaseProcess:
    process: BaseProcess = start.Process(target=run_work, args=(name, path, settings))
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        pytest.fail("it hangs")
    assert process.exitcode is not None
    return process.exitcode


def crops_of(site: Site, camera: str) -> list[list[bytes]]:
    return [[site.crop_jpeg(crop) for crop in site.crops(row.id)] for row in site.segments(camera, kind=Kind.TRACKLET)]


@pytest.fixture(scope="module")
def stage(record: str, start: Any, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    folder = tmp_path_factory.mktemp("stage")
    path = site_in(folder)
    figure_site(path, people=12, cameras=2)
    settings: dict[str, Any] = {"videos": folder / "videos", "detections": folder / "detections"}
    settings["videos"].mkdir()
    for camera, shift in (("a", 0), ("b", 90)):
        clip = render_clip(
            settings["videos"] / f"{camera}.mp4", people(FRAMES, shift=shift), size=SIZE, creation_time=CREATED
        )
        write_detections(settings["detections"] / f"{camera}.txt", clip)
    with Site.open(path) as site:
        ids, halves = store_of(site, "base").load()
        settings["leaving"] = ids[[3, 4, 30]].tolist()
        settings["query_tracklet"] = int(ids[10])
        secret = [halves[np.flatnonzero(ids == tracklet)[0]].tobytes() for tracklet in settings["leaving"]]
        secret += [site.crop_jpeg(crop) for tracklet in settings["leaving"] for crop in site.crops(tracklet)]
    filmed = {}
    alone = copy_of(path, folder, "alone")
    for camera in "ab":
        ingest(settings["videos"] / f"{camera}.mp4", alone, detector=f"mot:{settings['detections']}", who="test")
        with Site.open(alone) as site:
            filmed[camera] = crops_of(site, camera)
    assert all(len(pictures) == 2 for pictures in filmed.values())
    takes = {}
    for k, name in enumerate(WORKS):
        once = copy_of(path, folder, f"once{k}")
        begin = time.monotonic()
        assert ended(begun(start, name, once, settings)) == 0
        takes[name] = time.monotonic() - begin
    return Stage(path, settings, secret, takes, filmed)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a} + {b}" for a, b in PAIRS])
def test_a_pair_at_once_with_a_kill_of_either(
    stage: Stage, start: Any, tmp_path: Path, first: str, second: str, request: pytest.FixtureRequest
) -> None:
    """The one is killed on SQLite, the other on PostgreSQL, or with SIGHTLINE_LONG_TESTS=1 either on both."""
    path, names = copy_of(stage.path, tmp_path), (first, second)
    rng = np.random.default_rng(list(request.node.name.encode()))
    for victim in (0, 1) if os.environ.get("SIGHTLINE_LONG_TESTS") else (int(on_postgres()),):
        works = [begun(start, name, path, stage.settings) for name in names]
        time.sleep(rng.uniform(0.05, 0.9) * stage.takes[names[victim]])
        works[victim].kill()
        codes = [ended(work) for work in works]
        survivor = codes[1 - victim]
        assert survivor == 0 or (survivor == BUSY and first == second), codes
        with Site.open(path) as site:
            assert list(damage(site)) == []
    works = [begun(start, name, path, stage.settings) for name in {first, second}]  # the same commands again
    assert [ended(work) for work in works] == [0] * len(works)
    whole(path, stage, {first, second})


def whole(path: Path, stage: Stage, done: set[str]) -> None:
    """Nothing is lost, nothing doubled, nothing half. Who was erased is nowhere."""
    with Site.open_to_write(path) as site:
        assert list(damage(site)) == []
        table = site.tracklet_table()
        for model in site.models():
            assert np.isin(store_of(site, model.name).load()[0], table.ids).all()
        assert np.array_equal(store_of(site, serving(site).name).load()[0], table.ids) or "models use" in done
        expected = 48
        for camera in "ab":
            if f"ingest {camera}" in done:
                assert crops_of(site, camera) == stage.filmed[camera]
                expected += 2
            assert [f.status for f in site.footage(camera)] == ["done"] * (f"ingest {camera}" in done)
        if "forget" in done:
            expected -= 3
            assert not np.isin(stage.settings["leaving"], table.ids).any()
            left = bytes_of(path)
            assert not any(piece in left for piece in stage.secret)
        assert len(table) == expected
        merge, actions = site.merging(), {entry.action for entry in site.audit()}
        assert (merge is not None) == ("merge" in done)
        assert merge is None or np.isin(merge.ids, table.ids).all()
        assert [model.name for model in site.models()][:1] == ["base"]
        if "adapt" in done:
            versions = [model.name for model in site.models()]
            assert versions[:2] == ["base", "v1"] and serving(site).name in versions
        assert {"forget", "query", "models use", "adapt", "merge"} & done <= actions
        assert not list((path / "adapt").glob("v*")) and not list(path.rglob("*.part"))
