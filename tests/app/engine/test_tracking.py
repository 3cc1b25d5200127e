"""One footage from detections to tracklets, and the checkpoint that lets another process go on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.engine.tracking import FootageTracker, resume_of
from app.footage import Camera, Resume
from app.record.checkpoint import unpack
from app.record.rows import Chunk, FootageRecord
from deploy.detectors import Frame
from reid.normalised import normalised
from tests.app.scenes import SIZE, START, Truth, crowd, people
from tests.clips import draw_frame
from trackers import TRACKERS
from trackers.detections import Detections
from trackers.segments import Kind

CAMERA = Camera("hall", ())


def record(**changes: Any) -> FootageRecord:
    plain = FootageRecord(
        id=1,
        camera_id=1,
        camera="hall",
        name="hall.mp4",
        path=Path("hall.mp4"),
        size=1,
        fingerprint="f",
        start=START,
        start_source="name",
        status="running",
        settings={},
        first_track=1,
        first_segment=1,
        source_frames=0,
        frames=0,
        detections=0,
        seconds=0.0,
        shard=0,
        shard_bytes=0,
        problems=[],
    )
    return dataclasses.replace(plain, **changes)


Item = tuple[Frame, Detections]


def frames(truth: Truth) -> Iterator[Item]:
    for index, boxes in enumerate(truth):
        rng = np.random.default_rng([5, index])
        jittered = (boxes + rng.uniform(-0.5, 0.5, boxes.shape)).astype(np.float32)
        scores = rng.uniform(0.85, 0.95, len(boxes)).astype(np.float32)
        image = draw_frame(index, boxes, SIZE)
        yield Frame("hall", index, START + index / 25, image), Detections(jittered, scores)


def colours(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """The mean colours of pictures, as an encoder's rows."""
    return normalised(np.array([picture.mean((0, 1)) for picture in pictures]) - 127)


def follow(tracker: FootageTracker, items: Iterable[Item]) -> None:
    for item in items:
        tracker.take(*item)


def plain(chunks: Sequence[Chunk]) -> list[Any]:
    """All that comes out, comparable: segments, crops by segment, counts at the end."""
    return [
        [
            [
                *(s.number, s.track, s.kind, s.cut, s.cannot_link.tolist()),
                *(s.frames.tolist(), s.times.tolist(), s.boxes.tolist(), s.scores.tolist()),
            ]
            for chunk in chunks
            for s in chunk.segments
        ],
        [item for chunk in chunks for item in chunk.crops.items()],
        [chunks[-1].source_frames, chunks[-1].frames, chunks[-1].detections, chunks[-1].seconds],
    ]


@pytest.mark.parametrize("name", TRACKERS)
def test_from_a_checkpoint_it_goes_on_identically_crops_included(name: str) -> None:
    items = list(frames(crowd(150, seed=3)))
    whole = FootageTracker(CAMERA, record(), name, embed=colours)
    follow(whole, items)
    whole.finish()
    expected = [whole.chunk(None, ())]
    assert expected[0].crops and {s.kind for s in expected[0].segments} >= {Kind.TRACKLET, Kind.CROSSING}
    for cut in (1, 2, 13, 40, 77, 110, 149):
        first = FootageTracker(CAMERA, record(), name, embed=colours)
        follow(first, items[:cut])
        stopped = first.chunk(Resume(cut - 1, cut, 7), ("one problem",))
        progress = record(
            frames=stopped.frames,
            detections=stopped.detections,
            source_frames=stopped.source_frames,
            seconds=stopped.seconds,
        )
        second = FootageTracker(CAMERA, progress, name, stopped.checkpoint, embed=colours)
        follow(second, items[cut:])
        second.finish()
        assert plain([stopped, second.chunk(None, ())]) == plain(expected), cut


def test_chunks_are_the_same_however_often_they_are_taken() -> None:
    items = list(frames(crowd(150, seed=4)))
    whole, often = (
        FootageTracker(CAMERA, record(), "bytetrack", embed=colours),
        FootageTracker(CAMERA, record(), "bytetrack", embed=colours),
    )
    follow(whole, items)
    chunks = []
    for index, item in enumerate(items):
        often.take(*item)
        if index % 7 == 0:
            chunks.append(often.chunk(Resume(index, None, None), ()))
    for tracker in (whole, often):
        tracker.finish()
    assert plain([*chunks, often.chunk(None, ())]) == plain([whole.chunk(None, ())])


def test_a_chunk_is_handed_over_once_and_counts_from_the_beginning() -> None:
    tracker = FootageTracker(
        CAMERA, record(frames=100, detections=250, source_frames=200, seconds=8.0), "bytetrack", embed=colours
    )
    follow(tracker, frames(people(30)))
    tracker.finish()
    chunk = tracker.chunk(None, ("damaged",))
    assert len(chunk.segments) == 2 and set(chunk.crops) == {1, 2}
    assert (chunk.frames, chunk.detections, chunk.source_frames) == (130, 310, 30)
    assert (chunk.seconds, chunk.problems) == (8.0, ("damaged",))
    kept = unpack(chunk.checkpoint)[1]  # for footage that follows: who was in sight, and no picture
    assert len(kept.tracker["tracks"].T) == 2 and not len(kept.crops["jpeg"]) and not len(kept.cutter["log"])
    again = tracker.chunk(None, ())
    assert again.segments == [] and again.crops == {}


@pytest.mark.parametrize("name", TRACKERS)
def test_tracks_go_on_where_footage_follows(name: str) -> None:
    film = list(frames(people(40)))
    first = FootageTracker(CAMERA, record(first_track=7), name, embed=colours)
    follow(first, film[:20])
    first.finish()
    ended = first.chunk(None, ())
    second = FootageTracker(
        CAMERA, record(first_track=7, first_segment=3), name, embed=colours, before=ended.checkpoint
    )
    follow(second, film[20:])
    second.finish()
    went_on = second.chunk(None, ())
    assert [s.track for s in ended.segments] == [s.track for s in went_on.segments] == [7, 8]
    assert [s.number for s in went_on.segments] == [3, 4]
    assert all(np.abs(a.boxes[-1] - b.boxes[0]).max() < 10 for a, b in zip(ended.segments, went_on.segments))


def test_a_checkpoint_says_where_to_go_on() -> None:
    tracker = FootageTracker(CAMERA, record(), "bytetrack", embed=colours)
    follow(tracker, frames(people(5)))
    resume = Resume(4, 123456789, 4294967295)
    assert resume_of(tracker.chunk(resume, ()).checkpoint) == resume
    assert resume_of(tracker.chunk(Resume(4, None, None), ()).checkpoint) == Resume(4, None, None)
    assert resume_of(None) is None


def test_numbers_go_on_where_the_footage_before_ended() -> None:
    tracker = FootageTracker(CAMERA, record(first_track=11, first_segment=31), "bytetrack", embed=colours)
    follow(tracker, frames(people(30)))
    tracker.finish()
    chunk = tracker.chunk(None, ())
    assert [(s.number, s.track) for s in chunk.segments] == [(31, 11), (32, 12)]


@pytest.mark.parametrize(
    "mask",
    [
        ((0.0, 0.75), (1.0, 0.75), (1.0, 1.0), (0.0, 1.0)),  # parts of the picture
        ((0.0, 102.0), (240.0, 102.0), (240.0, 136.0), (0.0, 136.0)),  # pixels
    ],
)
def test_people_whose_feet_are_in_the_mask_are_not_looked_at(mask: tuple[tuple[float, float], ...]) -> None:
    tracker = FootageTracker(Camera("hall", (), mask=(mask,)), record(), "bytetrack", embed=colours)
    follow(tracker, frames(people(30)))
    tracker.finish()
    chunk = tracker.chunk(None, ())
    assert chunk.detections == 30
    (only,) = chunk.segments
    assert only.boxes[:, 1].max() < 20  # the person in the upper row


def test_small_people_make_no_tracklets() -> None:
    tracker = FootageTracker(Camera("hall", (), min_height=70), record(), "bytetrack", embed=colours)
    follow(tracker, frames(people(30)))
    tracker.finish()
    chunk = tracker.chunk(None, ())
    assert [s.kind for s in chunk.segments] == [Kind.SIGHTING, Kind.SIGHTING]
    assert all(len(chunk.crops[s.number]) > 1 for s in chunk.segments)


def test_who_is_never_clear_leaves_pictures() -> None:
    """Two walk side by side all the time, one box half on the other."""
    aside = np.array([10, 0, 10, 0], np.float32)
    together = [np.concatenate([boxes, boxes + aside]) for boxes in people(30, count=1)]
    tracker = FootageTracker(CAMERA, record(), "bytetrack", embed=colours)
    follow(tracker, frames(together))
    tracker.finish()
    chunk = tracker.chunk(None, ())
    assert [s.kind for s in chunk.segments] == [Kind.SIGHTING, Kind.SIGHTING]
    assert all(len(chunk.crops[s.number]) > 1 for s in chunk.segments)


def test_no_person_is_no_trouble() -> None:
    tracker = FootageTracker(CAMERA, record(), "bytetrack", embed=colours)
    follow(tracker, frames(people(12, count=0)))
    state = tracker.chunk(Resume(11, None, None), ()).checkpoint
    again = FootageTracker(CAMERA, record(frames=12), "bytetrack", state, embed=colours)
    follow(again, list(frames(people(40)))[12:])
    again.finish()
    chunk = again.chunk(None, ())
    assert (chunk.frames, len(chunk.segments), chunk.source_frames) == (40, 2, 40)


def test_who_stands_while_the_camera_pans_is_one_track(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture moves by the width of a person in each frame, to and fro."""
    width, height = SIZE
    rng = np.random.default_rng(0)
    blots = [rng.integers(0, 256, (size, 10 * size, 3), np.uint8) for size in (6, 20, 80)]
    wall = np.mean([cv2.resize(each, (1600, height)) for each in blots], axis=0).astype(np.uint8)
    stands = (700, 30)

    def tracks() -> set[int]:
        tracker = FootageTracker(CAMERA, record(), "bytetrack", embed=colours)
        for index in range(60):
            x = 600 + round(100 * np.sin(index / 6))
            left = stands[0] - x
            box = np.array([[left, stands[1], left + 24, stands[1] + 60]], np.float32)
            seen = Detections(box, np.full(1, 0.9, np.float32))
            tracker.take(Frame("hall", index, START + index / 25, wall[:, x : x + width].copy()), seen)
        tracker.finish()
        return {segment.track for segment in tracker.chunk(None, ()).segments}

    assert tracks() == {1}
    monkeypatch.setattr("app.engine.camera_motion.CameraMotion.update", lambda *_: None)
    assert len(tracks()) > 5
