"""Sites that were never filmed: tracklets of coloured figures, written into the record as ingest would."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from app.encoders.versions import BASE, bring_up_to_date, find, folder_of, with_base
from app.footage import Camera, Footage
from app.record import Site
from app.record.rows import AuditEntry, Chunk, Crop, Merging, ModelRecord, segment_id
from tests.app.scenes import segment
from tests.reid.figures import figure
from trackers.segments import Kind, Segment

START = 1795185000.0  # 2026-11-20T14:30:00Z
STAY, WAY = 6.0, 20.0  # s that a tracklet lasts, and that people take to the next camera
FRAMES = 30
People = dict[int, int]  # who each tracklet shows


def jpeg(rng: np.random.Generator, person: int, camera: int, picture: int) -> bytes:
    return cv2.imencode(".jpg", figure(rng, person, camera, picture)[:, :, ::-1])[1].tobytes()


def add_version(path: Path, name: str) -> ModelRecord:
    """One more version of a site's encoder, with the files of the base. It has embedded nothing and does not serve."""
    with Site.open_to_write(path) as site:
        shutil.copytree(folder_of(site, BASE), folder_of(site, name))
        site.add_model(replace(find(site, BASE), name=name, status="refused", reason="a copy", serving=False))
        return find(site, name)


def figure_site(
    path: Path,
    *,
    people: int = 16,
    cameras: int = 3,
    pieces: int = 2,
    crops: int = 4,
    day: int = 0,
    first: int = 0,
    sightings: int = 0,
) -> dict[int, int]:
    """Writes a site, or one more day of it, and returns who each tracklet shows.

    Person p enters camera 0 at second 10 · p, two at a time. Each is there in `pieces` tracklets, and goes on to the
    next camera `WAY` seconds later. The last `sightings` people of each camera are seen in sightings alone.
    """
    rng = np.random.default_rng([people, cameras, day])
    who: dict[int, int] = {}
    with Site.create(path) as site:
        model = with_base(site)
        assert model.name
        for camera in range(cameras):
            name, began = f"camera{camera}", START + 86400 * day
            footage = Footage(
                name, Path(f"{name}-{day}.mp4"), f"{name}-{day}.mp4", began, "name", 1000 + day, f"{name}-{day}"
            )
            settings = {"detector": "none", "sha256": None}
            ((record, _),) = site.intake.register([Camera(name, (footage,))], {name: settings}, who="test")[0]
            record = site.intake.begin(record, settings)
            segments: list[Segment] = []
            pictures: dict[int, list[Crop]] = {}
            for person in range(people):
                for piece in range(pieces):
                    number = record.first_segment + len(segments)
                    start = began + 10 * (person // 2) + WAY * camera + (STAY + 1) * piece
                    apart = [s for s in segments if s.kind == Kind.TRACKLET]
                    beside = [s.number for s in apart if abs(s.times[0] - start) < STAY]
                    left = 30.0 + 100 * (person % 2)
                    piece_of_track = segment(
                        number,
                        track=record.first_track + len(segments),
                        frames=range(round(5 * (start - began)), round(5 * (start - began)) + FRAMES),
                        start=began,
                        fps=5.0,
                        box=(left, 20, left + 40, 100),
                        cannot_link=[] if person >= people - sightings else beside,
                        kind=Kind.SIGHTING if person >= people - sightings else Kind.TRACKLET,
                    )
                    at = np.linspace(0, FRAMES - 1, crops).round().astype(int)
                    pictures[number] = [
                        Crop(
                            frame=int(piece_of_track.frames[k]),
                            time=float(piece_of_track.times[k]),
                            box=(left, 20.0, left + 40, 100.0),
                            score=0.9,
                            overlap=0.0,
                            border=0.0,
                            sharpness=50.0,
                            height_ratio=1.0,
                            jpeg=jpeg(rng, first + person, camera, 2 * person + piece),
                        )
                        for k in at
                    ]
                    segments.append(piece_of_track)
                    who[segment_id(record.camera_id, number)] = first + person
            site.intake.commit(record, Chunk(segments, pictures, b"", 3000, 3000, 9000, 600.0), done=True)
        bring_up_to_date(site)
    return who


def write_truth(site: Site, who: People, truth: Path) -> None:
    """Writes a site's own boxes as `truth/<camera>/gt/gt.txt`."""
    for camera in site.cameras():
        lines = []
        for piece in site.segments(camera.camera):
            boxes = site.boxes(piece.id)
            for frame, (x1, y1, x2, y2) in zip(boxes.frames.tolist(), boxes.boxes.tolist()):
                lines.append((frame + 1, who[piece.id] + 1, x1, y1, x2 - x1, y2 - y1))
        file = truth / camera.camera / "gt" / "gt.txt"
        file.parent.mkdir(parents=True)
        file.write_text("".join(",".join(map(str, line)) + ",1,1,1\n" for line in sorted(lines)))


def merge_truly(site: Site, who: People) -> None:
    """Joins tracklets into identities as they truly are."""
    ids = np.array(sorted(who), np.int64)
    identity = np.array([who[tracklet] for tracklet in ids.tolist()], np.int64)
    merging = Merging(0, START, BASE, {}, {}, ids, np.arange(len(ids)), identity)
    site.add_merging(merging, AuditEntry(START, "test", "merge", {}), keep=5)
