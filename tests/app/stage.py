"""A site before anything happens, what may happen to it, and what must be there when all is done."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from app.encoders.versions import serving, store_of
from app.engine.ingest import ingest
from app.record import Site
from app.record.verify import damage
from tests.app.records import copy_of, site_in
from tests.app.scenes import CREATED, SIZE, bytes_of, people, write_detections
from tests.app.sites import figure_site
from tests.app.works import BUSY, WORKS, run_work
from tests.clips import render_clip
from trackers.segments import Kind

FRAMES = 60  # of each film
LIMIT = 120.0  # s that a work may take at most


class Hangs(AssertionError):
    """A work did not end in its time."""


@dataclass(frozen=True)
class Stage:
    """A site before anything happens at once, and what is to come of it."""

    path: Path
    settings: dict[str, Any]
    secret: list[bytes]  # bytes of those who will be erased: crops and vectors
    takes: dict[str, float]  # s that each work takes alone, where that was asked for
    filmed: dict[str, list[list[bytes]]]  # crops of the tracklets that a camera's film gives, by number


def begun(start: Any, name: str, path: Path, settings: dict[str, Any]) -> BaseProcess:
    process: BaseProcess = start.Process(target=run_work, args=(name, path, settings))
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    process.join(LIMIT)
    if process.is_alive():
        process.kill()
        raise Hangs(f"it takes more than {LIMIT:g} s")
    assert process.exitcode is not None
    return process.exitcode


def crops_of(site: Site, camera: str) -> list[list[bytes]]:
    return [[site.crop_jpeg(crop) for crop in site.crops(row.id)] for row in site.segments(camera, kind=Kind.TRACKLET)]


def footage_in(folder: Path, number: int = 0) -> dict[str, Any]:
    """Renders a film of two people for each of two cameras, and returns the settings that name them.

    Each number is other footage, a minute after the one before.
    """
    settings: dict[str, Any] = {"videos": folder / "videos", "detections": folder / "detections"}
    created = datetime.fromisoformat(CREATED) + timedelta(minutes=number)
    for camera, shift in (("a", number), ("b", 60 + number)):
        film = settings["videos"] / camera / camera / f"{number}.mp4"  # a folder of films is a camera
        film.parent.mkdir(parents=True)
        clip = render_clip(film, people(FRAMES, shift=shift), size=SIZE, creation_time=created.isoformat())
        write_detections(settings["detections"] / f"{camera}.txt", clip)
    return settings


def new_stage(folder: Path, start: Any, *, timed: bool) -> Stage:
    """Makes a site below a folder, and sees what each work brings, and how long it takes where `timed`."""
    path = site_in(folder)
    figure_site(path, people=12, cameras=2)
    settings = footage_in(folder)
    with Site.open(path) as site:
        ids, halves = store_of(site, "base").load()
        settings["leaving"] = ids[[3, 4, 30]].tolist()
        settings["query_tracklet"] = int(ids[10])
        secret = [halves[np.flatnonzero(ids == tracklet)[0]].tobytes() for tracklet in settings["leaving"]]
        secret += [site.crop_jpeg(crop) for tracklet in settings["leaving"] for crop in site.crops(tracklet)]
    filmed = {}
    alone = copy_of(path, folder, "alone")
    for camera in "ab":
        ingest(settings["videos"] / camera, alone, detector=f"mot:{settings['detections']}", who="test")
        with Site.open(alone) as site:
            filmed[camera] = crops_of(site, camera)
    assert all(len(pictures) == 2 for pictures in filmed.values())
    takes = {}
    for k, name in enumerate(WORKS if timed else ()):
        once = copy_of(path, folder, f"once{k}")
        begin = time.monotonic()
        assert ended(begun(start, name, once, settings)) == 0
        takes[name] = time.monotonic() - begin
    return Stage(path, settings, secret, takes, filmed)


def kill_one_of_two(path: Path, stage: Stage, start: Any, names: tuple[str, str], victim: int, share: float) -> None:
    """Runs two works at once, one of which dies after a share of the time that it takes. The other one ends well."""
    works = [begun(start, name, path, stage.settings) for name in names]
    time.sleep(share * stage.takes[names[victim]])
    works[victim].kill()
    codes = [ended(work) for work in works]
    survivor = codes[1 - victim]
    assert survivor == 0 or (survivor == BUSY and names[0] == names[1]), codes
    with Site.open(path) as site:
        assert list(damage(site)) == []


def both_again(path: Path, stage: Stage, start: Any, names: tuple[str, str]) -> None:
    """Runs two works at once to their end, after which all is there."""
    works = [begun(start, name, path, stage.settings) for name in set(names)]
    assert [ended(work) for work in works] == [0] * len(works)
    whole(path, stage, set(names))


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
