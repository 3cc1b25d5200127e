"""In a clip of one person everybody else is unrecognisable, and the person is not touched."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from app.errors import FootageError
from app.footage import open_footage
from app.record import Site
from app.record.beside import tracks_between
from app.record.rows import Boxes, SegmentRecord
from app.report.backdrop import Backdrop
from app.report.blurred import block_of, coarse
from app.report.clip import filmed
from app.report.redacted import Redacted, box_at, cut_redacted, redacted, span_of
from tests.app.report.conftest import FILMS
from trackers.detections import intersection, whole_pixels
from trackers.motchallenge import FRAME, LEFT, VISIBILITY, read_rows
from trackers.segments import Kind


@pytest.fixture(scope="module")
def chosen(hall: Site) -> SegmentRecord:
    """Who is in sight for the longest."""
    return max(hall.segments("hall", kind=Kind.TRACKLET), key=lambda piece: piece.length)


@pytest.fixture(scope="module")
def clip(hall: Site, chosen: SegmentRecord) -> list[tuple[np.ndarray, Redacted]]:
    """Each frame as it was filmed, and as it is shown."""
    begin, end = span_of(chosen)
    record = hall.footage_record(chosen.footage_id)
    with open_footage(filmed(record, begin), begin=begin, end=end) as frames:
        originals = {frame.index: frame.image for frame in frames}
    with open_footage(filmed(record, begin), begin=begin, end=end) as frames:
        return [(originals[shown.index], shown) for shown in redacted(hall, chosen, frames)]


def test_others_are_unlike_themselves_and_the_chosen_one_is_not(clip: list[tuple[np.ndarray, Redacted]]) -> None:
    truth = read_rows(FILMS / "hall" / "gt" / "gt.txt")
    truth = truth[truth[:, VISIBILITY] > 0.5]
    covered, seen, kept, tiled = [], 0, [], []
    for original, shown in clip:
        assert shown.picture.shape == original.shape and shown.scale == 1.0
        assert shown.hidden.any()
        seen += len(shown.chosen)
        for x1, y1, x2, y2 in whole_pixels(shown.chosen, original.shape).tolist():
            inside = (slice(y1 + 6, y2 - 6), slice(x1 + 6, x2 - 6))  # within the outline
            free = ~shown.hidden[inside]
            assert np.array_equal(shown.picture[inside][free], original[inside][free])
            kept.append(free.mean())
        people = truth[truth[:, FRAME] == shown.index + 1][:, LEFT : LEFT + 4].copy()
        people[:, 2:] += people[:, :2]
        apart = people[intersection(people, shown.chosen.astype(float)).sum(axis=1) == 0]
        for x1, y1, x2, y2 in whole_pixels(apart.astype(np.float32), original.shape).tolist():
            covered.append(shown.hidden[y1:y2, x1:x2].mean())
            before, after = (picture[y1:y2, x1:x2].astype(float) for picture in (original, shown.picture))
            tiled.append((detail(after), detail(before)))
    assert seen > 30 and np.median(kept) > 0.9
    assert len(covered) > 300 and np.mean(np.array(covered) > 0.9) > 0.95
    left = np.array(tiled)
    assert np.median(left[:, 0] / left[:, 1]) < 0.1


def detail(picture: np.ndarray) -> float:
    """How much neighbouring pixels differ."""
    return float(np.abs(np.diff(picture, axis=0)).mean() + np.abs(np.diff(picture, axis=1)).mean())


def test_the_clip_holds_what_is_redacted(
    hall: Site, chosen: SegmentRecord, clip: list[tuple[np.ndarray, Redacted]]
) -> None:
    opened: Any = av.open(io.BytesIO(cut_redacted(hall, chosen)))
    with opened as movie:
        stream = movie.streams.video[0]
        assert stream.codec_context.name == "h264" and not movie.streams.audio
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in movie.decode(stream)]
    assert len(pictures) == len(clip) > 30
    differing = [np.abs(picture - shown.picture).mean() for picture, (_, shown) in zip(pictures, clip, strict=True)]
    assert np.mean(differing) < 4  # of 255, what H.264 leaves out


def test_without_its_footage_there_is_no_clip(hall: Site, chosen: SegmentRecord) -> None:
    path = hall.footage_record(chosen.footage_id).path
    away = path.with_suffix(".away")
    path.rename(away)
    try:
        with pytest.raises(FootageError, match="not where it was"):
            cut_redacted(hall, chosen)
    finally:
        away.rename(path)


def test_tracks_beside_are_whole_and_in_order(hall: Site, chosen: SegmentRecord) -> None:
    tracks = tracks_between(hall, "hall", chosen.start, chosen.end, without=chosen.id)
    pieces = [p for p in hall.segments("hall") if p.start <= chosen.end and p.end >= chosen.start and p.id != chosen.id]
    assert set(tracks) == {piece.track for piece in pieces}
    for track, boxes in tracks.items():
        assert len(boxes.times) == sum(piece.length for piece in pieces if piece.track == track)
        assert (np.diff(boxes.times) >= 0).all()
    assert tracks_between(hall, "attic", chosen.start, chosen.end, without=0) == {}
    assert tracks_between(hall, "hall", chosen.start - 1e6, chosen.start - 1e5, without=0) == {}


def test_a_box_between_two() -> None:
    times = np.array([10.0, 11.0, 14.0])
    boxes = np.array([[0, 0, 10, 20], [10, 0, 20, 20], [40, 0, 50, 20]], np.float32)
    track = Boxes(np.arange(3, dtype=np.int32), times, boxes, np.ones(3, np.float32))
    assert box_at(track, 10.5).tolist() == [[5, 0, 15, 20]]
    assert box_at(track, 10.0).tolist() == [[0, 0, 10, 20]] and box_at(track, 14.0).tolist() == [[40, 0, 50, 20]]
    assert box_at(track, 12.5).tolist() == [[25, 0, 35, 20]] and len(box_at(track, 12.5, gap=1.0)) == 0
    assert len(box_at(track, 9.8)) == len(box_at(track, 14.2)) == 0
    assert box_at(track, 9.8, reach=0.5).tolist() == [[0, 0, 10, 20]]
    assert box_at(track, 14.2, reach=0.5).tolist() == [[40, 0, 50, 20]]


@pytest.mark.parametrize("height", [40, 120, 480])
def test_a_head_is_less_than_a_block(height: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (height, height // 2, 3), np.uint8)
    block = block_of(height)
    assert block >= max(12, height / 8)
    blurred = coarse(picture, block)
    assert blurred.shape == picture.shape
    assert detail(blurred.astype(float)) < 0.05 * detail(picture.astype(float))
    other = picture.copy()
    rows, columns = np.indices(picture.shape[:2])
    other[(rows + columns) % 2 == 0] = np.roll(picture, 2, axis=0)[(rows + columns) % 2 == 0]
    assert np.abs(coarse(other, block).astype(int) - blurred).mean() < 25  # many pictures become the same one


def test_footage_of_another_time_has_no_clip(hall: Site, chosen: SegmentRecord) -> None:
    later = replace(chosen, start=chosen.start + 1e6, end=chosen.end + 1e6)
    with pytest.raises(FootageError, match="shows nothing at that time"):
        cut_redacted(hall, later)


def test_what_moves_is_told_from_the_backdrop(hall: Site, chosen: SegmentRecord) -> None:
    record = hall.footage_record(chosen.footage_id)
    backdrop = Backdrop.of(record, chosen.start, chosen.end)
    with open_footage(filmed(record, chosen.start), begin=chosen.start, end=chosen.end) as frames:
        picture = next(iter(frames)).image
    still = picture.copy()
    moving = backdrop.moving(picture)
    assert 0 < moving.mean() < 0.4
    still[100:200, 100:150] = 255 - still[100:200, 100:150]
    new = backdrop.moving(still)
    assert new[105:195, 105:145].mean() > 0.9
    far = np.ones(new.shape, bool)
    far[70:230, 70:180] = False
    assert np.array_equal(new[far], moving[far])
