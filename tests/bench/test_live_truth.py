"""Boxes of live cameras find their frames in the film, and each loop has visits of its own."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from app.record import Site
from app.record.rows import Boxes as PieceBoxes
from app.record.rows import SegmentRecord
from bench.live_films import Film, Playing
from bench.live_truth import Boxes, file_boxes, in_film, live_boxes, looped_truth, shown, write_frames
from tests.app.footage.rtsp_server import film_of
from trackers.motchallenge import FRAME, ID, Rows, boxes_of

FRAMES, RATE, SINCE = 60, 10.0, 1000.0


def walk(person: int, frames: range) -> Rows:
    """Truth of somebody who walks to the right, 6 px a frame."""
    return np.array([(n, person, 6 * n, 200 * person, 40, 100, 1, 1, 1) for n in frames], float)


def film(*walks: Rows, path: Path = Path("hall.mp4")) -> Film:
    rows = np.concatenate(walks)
    return Film("hall", path, rows[np.argsort(rows[:, FRAME], kind="stable")], RATE, FRAMES, 0.0)


class Pieces:
    """What a site's record says of one camera, whose pieces of tracks are told."""

    def __init__(self, pieces: dict[int, tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> None:
        self._pieces = pieces  # by id: kind, frames, times, boxes

    def segments(self, camera: str) -> list[SegmentRecord]:
        return [
            SegmentRecord(number, camera, 1, number, number, kind, "end", times[0], times[-1], len(times), 100.0)
            for number, (kind, _, times, _) in self._pieces.items()
        ]

    def boxes(self, number: int) -> PieceBoxes:
        _, frames, times, boxes = self._pieces[number]
        return PieceBoxes(frames.astype(np.int32), times, boxes.astype(np.float32), np.ones(len(times), np.float32))


def seen(rows: Rows, loop: int, off: float) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
    """A tracklet of what is true, in one loop, by a clock that is off by so many seconds."""
    numbers = rows[:, FRAME] - 1
    return "tracklet", numbers, SINCE + (numbers + loop * FRAMES) / RATE + off, boxes_of(rows)


@pytest.mark.parametrize("off", [0.0, 0.067, -0.23, 0.25])
def test_boxes_find_their_frames_by_what_they_show(off: float) -> None:
    one, two = walk(1, range(5, 41)), walk(2, range(20, 60))
    site = cast(Site, Pieces({1: seen(one[::3], 0, off), 2: seen(two[::4], 1, off)}))
    found = live_boxes(site, Playing("hall", film(one, two), SINCE))
    assert found.numbers[found.ids == 1].tolist() == list(range(4, 40, 3))
    assert found.numbers[found.ids == 2].tolist() == list(range(FRAMES + 19, FRAMES + 59, 4))
    assert found.clock_off == pytest.approx(abs(off), abs=1e-6)


def test_each_loop_has_visits_of_its_own() -> None:
    to_the_end, first = walk(1, range(35, 61)), walk(1, range(1, 11))  # at the join nobody was away
    looped = looped_truth(film(first, to_the_end), 0, 2 * FRAMES - 1)
    assert len(looped) == 72 and looped[:, FRAME].max() == 2 * FRAMES
    assert len(np.unique(looped[:, ID])) == 2
    visits = shown(empty(), film(first, to_the_end), 0, 2 * FRAMES - 1).visits
    assert [(visit.first, visit.last) for visit in visits] == [(0, 9), (34, 59), (60, 69), (94, 119)]
    assert in_film(visits[2], film(first)) == (1, 0, 9)


def empty() -> Boxes:
    return Boxes(
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0, np.float32), {}, 0.0
    )


def test_visits_are_covered_by_tracklets_of_their_person_alone() -> None:
    one, two = walk(1, range(5, 41)), walk(2, range(20, 60))
    both = np.concatenate([boxes_of(one[:20]), boxes_of(two[8:14])])
    frames = np.concatenate([one[:20, FRAME], two[8:14, FRAME]]) - 1
    site = cast(Site, Pieces({7: ("tracklet", frames, frames, both), 8: seen(one[25:28], 0, 0.0)}))
    result = shown(file_boxes(site, "hall"), film(one, two), 0, FRAMES - 1)
    assert [visit.person for visit in result.visits] == [1, 2]
    assert result.covers == [[7, 8], []]
    assert (result.purity.tracklets, result.purity.purity) == (2, pytest.approx(23 / 29))


def test_visits_that_the_span_cuts_do_not_count() -> None:
    one, two = walk(1, range(5, 41)), walk(2, range(20, 60))
    assert [visit.person for visit in shown(empty(), film(one, two), 0, 45).visits] == [1]
    assert [visit.first for visit in shown(empty(), film(one, two), 10, FRAMES + 45).visits] == [19, FRAMES + 4]


def test_frames_are_written_without_loss_at_their_times(tmp_path: Path) -> None:
    path = film_of(tmp_path / "film.mp4", (64, 48), seconds=1.0)  # 25 frames
    numbers = [3, 4, 9, 20, 27, 40]
    write_frames(Film("film", path, np.zeros((0, 9)), 25.0, 25, 1e9), numbers, tmp_path / "some.mp4")
    with av.open(str(path)) as source:
        originals = [frame.to_ndarray() for frame in source.decode(video=0)]
    with av.open(str(tmp_path / "some.mp4")) as source:
        written = [(frame.time, frame.to_ndarray()) for frame in source.decode(video=0)]
    assert [time for time, _ in written] == pytest.approx([(number - 3) / 25 for number in numbers], abs=1e-4)
    assert all(np.array_equal(image, originals[n % 25]) for (_, image), n in zip(written, numbers, strict=True))
