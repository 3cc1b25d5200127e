"""Tracks are cut where they may change from one person to another, and who stood beside whom is remembered."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from trackers.segments import Cut, Kind, Segment
from trackers.tracked import EmbedOnce
from trackers.tracklets import CutRules, Placed, TrackletCutter

RATE = 10.0
WIDTH, HEIGHT = 40.0, 100.0
Path = Callable[[int], tuple[float, float] | None]  # frame → left and top edge, or unseen
Look = Callable[[int, int], NDArray]  # frame and track → what they look like
ANNA, BERTA = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])


def still(x: float, y: float = 100) -> Path:
    return lambda frame: (x, y)


def walker(start: float, speed: float, hidden: set[int]) -> Path:
    """Someone who walks evenly, px a frame, and is not seen in some frames."""
    return lambda frame: None if frame in hidden else (start + speed * frame, 100.0)


def walk(
    people: dict[int, Path],
    frames: int,
    *,
    rules: CutRules | None = None,
    looks: Callable[[int, int], NDArray] | None = None,
    rate: float = RATE,
    cutter: TrackletCutter | None = None,
    first: int = 0,
    faces: Look | None = None,
) -> tuple[list[Segment], list[Placed]]:
    """Runs tracks through a cutter. looks: frame and track → appearance. faces: the same, of embeddings."""
    cutter = cutter or TrackletCutter(rules or CutRules())
    finished: list[Segment] = []
    placed = []
    for frame in range(first, first + frames):
        here = {track: at for track, path in sorted(people.items()) if (at := path(frame)) is not None}
        boxes = np.array([(x, y, x + WIDTH, y + HEIGHT) for x, y in here.values()], np.float32).reshape(-1, 4)
        seen = None if looks is None else np.array([looks(frame, track) for track in here], np.float32).reshape(-1, 3)
        ids = np.array(list(here), np.int64)
        embed = None if faces is None else embedder(faces, frame, list(here))
        placed.append(cutter.update(frame, frame / rate, ids, boxes, np.full(len(ids), 0.9, np.float32), seen, embed))
        finished += placed[-1].finished
    return finished + cutter.close(), placed


def embedder(faces: Look, frame: int, tracks: list[int]) -> EmbedOnce:
    """Of one frame's boxes, a track each."""
    return EmbedOnce(lambda rows: np.array([faces(frame, tracks[k]) for k in rows], np.float32), len(tracks))


def by_track(segments: list[Segment], track: int) -> list[Segment]:
    return sorted((s for s in segments if s.track == track), key=lambda s: s.number)


def test_one_person_makes_one_tracklet() -> None:
    (segment,), placed = walk({1: still(0)}, 50)
    assert (segment.kind, segment.cut, segment.track, segment.number) == (Kind.TRACKLET, Cut.END, 1, 1)
    assert segment.frames.tolist() == list(range(50))
    np.testing.assert_allclose(segment.times, np.arange(50) / RATE)
    assert segment.boxes.dtype == segment.scores.dtype == np.float32
    assert all(p.segments.tolist() == [1] for p in placed)


def test_every_box_lands_in_exactly_one_segment() -> None:
    rng = np.random.default_rng(3)
    paths: dict[int, Path] = {}
    for track in range(1, 13):
        hidden = set(rng.integers(0, 200, 40).tolist())
        paths[track] = walker(rng.uniform(0, 900), rng.uniform(-8, 8), hidden)
    segments, placed = walk(paths, 200)
    observed = {(track, f) for track, path in paths.items() for f in range(200) if path(f) is not None}
    landed = [(s.track, int(f)) for s in segments for f in s.frames]
    assert len(landed) == len(set(landed))
    assert set(landed) == observed
    assert len({s.number for s in segments}) == len(segments)
    assert sorted(s.number for s in segments) == list(range(1, len(segments) + 1))
    assert {s.cut for s in segments} >= {Cut.GAP, Cut.CROSSING, Cut.APART, Cut.END}
    for p in placed:
        assert len(p.segments) == len(p.keepable) == len(p.cover)


def test_a_gap_cuts_and_a_missed_frame_does_not() -> None:
    segments, _ = walk({1: lambda f: None if 20 <= f < 22 or 40 <= f < 48 else (0, 100)}, 80)
    assert [(s.cut, int(s.frames[0]), int(s.frames[-1])) for s in by_track(segments, 1)] == [
        (Cut.GAP, 0, 39),
        (Cut.END, 48, 79),
    ]


def test_gaps_are_seconds_at_high_and_frames_at_low_rates() -> None:
    def missing(first: int, count: int) -> Path:
        return lambda f: None if first <= f < first + count else (0, 100)

    assert len(walk({1: missing(30, 4)}, 60, rate=30)[0]) == 1  # 5 intervals of 1/30 s: 0.17 s
    assert len(walk({1: missing(30, 7)}, 60, rate=30)[0]) == 2
    assert len(walk({1: missing(30, 2)}, 60, rate=2)[0]) == 1  # 3 intervals, though they last 1.5 s
    assert len(walk({1: missing(30, 4)}, 60, rate=2)[0]) == 2


def test_two_who_cross_are_cut_apart_and_the_crossing_is_no_tracklet() -> None:
    segments, placed = walk({1: lambda f: (5.0 * f, 100), 2: lambda f: (500 - 5.0 * f, 100)}, 100)
    for track in (1, 2):
        before, during, after = by_track(segments, track)
        assert (before.kind, before.cut) == (Kind.TRACKLET, Cut.CROSSING)
        assert (during.kind, during.cut) == (Kind.CROSSING, Cut.APART)
        assert (after.kind, after.cut) == (Kind.TRACKLET, Cut.END)
        inside = slice(int(during.frames[0]), int(during.frames[-1]) + 1)
        assert not any(p.keepable.any() for p in placed[inside])


def test_who_vanished_near_somebody_still_counts_as_crossing() -> None:
    """Two walk into each other, one is no longer detected: what the other's box shows then is not sure."""
    people: dict[int, Path] = {1: lambda f: (5.0 * f, 100), 2: lambda f: (320 - 5.0 * f, 100) if f < 28 else None}
    segments, _ = walk(people, 60)
    hidden = by_track(segments, 1)[1]
    assert hidden.kind == Kind.CROSSING
    assert hidden.frames[-1] > 30
    unaware, _ = walk(people, 60, rules=CutRules(hidden_seconds=0))
    assert [s.kind for s in by_track(unaware, 1)] == [Kind.TRACKLET]


def test_a_jump_and_another_look_cut() -> None:
    red, blue = np.array([1, 0, 0]), np.array([0, 0, 1])
    jumped, _ = walk({1: lambda f: (0, 100) if f < 25 else (25, 100)}, 50)
    assert [(s.cut, len(s.frames)) for s in jumped] == [(Cut.JUMP, 25), (Cut.END, 25)]
    changed, _ = walk({1: still(0)}, 50, looks=lambda f, t: red if f < 30 else blue)
    assert [(s.cut, len(s.frames)) for s in changed] == [(Cut.APPEARANCE, 30), (Cut.END, 20)]


CROSSING: dict[int, Path] = {1: lambda f: (5.0 * f, 100), 2: lambda f: (500 - 5.0 * f, 100)}


def test_who_crosses_and_looks_the_same_afterwards_is_one_tracklet() -> None:
    segments, _ = walk(CROSSING, 100, faces=lambda f, t: ANNA if t == 1 else BERTA)
    for track in (1, 2):
        person, during = by_track(segments, track)
        assert (person.kind, person.cut) == (Kind.TRACKLET, Cut.END)
        assert (during.kind, during.cut) == (Kind.CROSSING, Cut.APART)
        assert sorted([*person.frames, *during.frames]) == list(range(100))
        assert (np.diff(person.frames) >= 1).all()
    facts = [(s.number, s.cannot_link.tolist()) for s in segments if len(s.cannot_link)]
    assert facts == [(2, [1])]


def test_tracks_that_swap_people_in_a_crossing_stay_cut() -> None:
    segments, _ = walk(CROSSING, 100, faces=lambda f, t: ANNA if (t == 1) == (f < 50) else BERTA)
    for track in (1, 2):
        kinds = [(s.kind, s.cut) for s in by_track(segments, track)]
        assert kinds == [(Kind.TRACKLET, Cut.CROSSING), (Kind.CROSSING, Cut.APART), (Kind.TRACKLET, Cut.END)]


def test_a_crossing_lasts_until_a_clear_box_tells_who_it_is() -> None:
    """The other one stays so near that a third of the box is covered: no crossing any more, but not clear."""
    people: dict[int, Path] = {1: still(0), 2: lambda f: (max(300 - 10.0 * f, 10.0) if f < 60 else 27.0, 100)}
    asked = []

    def face(frame: int, track: int) -> NDArray:
        asked.append((frame, track))
        return np.eye(3)[track]

    segments, _ = walk(people, 100, faces=face)
    tracklet, crossing = by_track(segments, 1)
    assert (tracklet.frames[-1] < 29) and (crossing.kind, crossing.cut) == (Kind.CROSSING, Cut.END)
    assert max(frame for frame, _ in asked) < 29


@pytest.mark.parametrize(("pause", "same", "goes_on"), [(5.0, True, True), (5.0, False, False), (9.0, True, False)])
def test_who_is_seen_again_goes_on_for_some_seconds(pause: float, same: bool, goes_on: bool) -> None:
    back = 30 + int(pause * RATE)
    segments, placed = walk(
        {1: lambda f: None if 30 <= f < back else (0, 100), 2: still(400)},
        150,
        faces=lambda f, t: ANNA if t == 1 and (same or f < back) else BERTA,
    )
    first, *others = by_track(segments, 1)
    assert (len(others) == 0) == goes_on
    assert first.cut == (Cut.END if goes_on else Cut.GAP)
    assert goes_on == (back in first.frames)
    if pause > CutRules().waiting_seconds:
        waits = 1 + next(f for f, p in enumerate(placed) if p.finished) / RATE - 30 / RATE
        assert CutRules().waiting_seconds < waits < CutRules().waiting_seconds + 2


def test_a_look_takes_cuts_back_and_makes_others() -> None:
    def jumping(face: Look) -> list[Cut]:
        segments, _ = walk({1: lambda f: (0, 100) if f < 25 else (25, 100)}, 50, faces=face)
        return [s.cut for s in segments]

    assert jumping(lambda f, t: ANNA) == [Cut.END]
    assert jumping(lambda f, t: ANNA if f < 25 else BERTA) == [Cut.JUMP, Cut.END]
    light, dark = np.array([1, 0, 0]), np.array([0, 0, 1])
    relit, _ = walk({1: still(0)}, 50, looks=lambda f, t: light if f < 30 else dark, faces=lambda f, t: ANNA)
    assert [s.cut for s in relit] == [Cut.END]

    cutter, finished = TrackletCutter(), []
    for frame in range(40):  # somebody else in the same place, at whom the tracker happens to look
        embed = embedder(lambda f, t: ANNA if f < 17 else BERTA, frame, [1])
        if frame == 20:
            embed(np.array([0]))
        box = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)
        finished += cutter.update(frame, frame / RATE, np.array([1]), box, np.ones(1, np.float32), None, embed).finished
    assert [(s.cut, len(s.frames)) for s in finished] == [(Cut.APPEARANCE, 20)]


def test_few_are_looked_at() -> None:
    asked = []

    def face(frame: int, track: int) -> NDArray:
        asked.append(track)
        return np.eye(3)[track % 3]

    walk({track: still(track * 100.0) for track in range(1, 11)}, 100, faces=face)
    assert len(asked) == 100  # once a second


def test_a_suspended_piece_is_bounded_and_can_be_dropped() -> None:
    on_and_off: dict[int, Path] = {1: lambda f: (0, 100) if f % 40 < 20 else None}
    segments, _ = walk(on_and_off, 400, rules=CutRules(max_seconds=10), faces=lambda f, t: ANNA)
    assert max(s.times[-1] - s.times[0] for s in segments) <= 10 and {s.kind for s in segments} == {Kind.TRACKLET}
    assert sum(len(s.frames) for s in segments) == 200 and len(segments) < 7

    cutter = TrackletCutter()
    for frame in range(30):
        box = np.array([[0, 0, WIDTH, HEIGHT]], np.float32)[: frame < 20]
        ids = np.array([1])[: frame < 20]
        cutter.update(frame, frame / RATE, ids, box, np.ones(len(ids), np.float32), None, embedder(_anna, frame, [1]))
    assert cutter.drop([1]).tolist() == [1] and not cutter.close()


def _anna(frame: int, track: int) -> NDArray:
    return ANNA


def test_long_tracks_are_cut_for_length_so_that_memory_is_bounded() -> None:
    cutter = TrackletCutter(CutRules(max_seconds=5))
    segments, _ = walk({1: still(0)}, 500, cutter=cutter)
    assert {len(s.frames) for s in segments} == {50}
    assert [s.cut for s in segments[:-1]] == [Cut.LENGTH] * 9


@pytest.mark.parametrize(
    ("frames", "size", "score", "kind"),
    [
        (1, 1.0, 0.7, Kind.SIGHTING),
        (3, 1.0, 0.7, Kind.SIGHTING),
        (3, 1.0, 0.5, Kind.SHORT),
        (20, 0.4, 0.7, Kind.SIGHTING),
        (20, 0.4, 0.5, Kind.SMALL),
        (20, 1.0, 0.5, Kind.TRACKLET),
    ],
)
def test_short_and_small_ones_are_sightings_where_they_surely_show_somebody(
    frames: int, size: float, score: float, kind: Kind
) -> None:
    cutter = TrackletCutter()
    box = np.array([[0, 0, WIDTH * size, HEIGHT * size]], np.float32)
    for frame in range(frames):
        sure = score if frame == frames - 1 else 0.4  # one sure box suffices
        cutter.update(frame, frame / RATE, np.array([1]), box, np.array([sure], np.float32))
    (segment,) = cutter.close()
    assert segment.kind == kind


def test_who_shows_only_in_a_crossing_is_a_sighting() -> None:
    """Two walk side by side until the second is gone. The third was clear before it joined them."""
    paths: dict[int, Path] = {
        1: lambda f: (5.0 * f, 100),
        2: lambda f: (5.0 * f + 15, 100) if f < 60 else None,
        3: lambda f: (300.0, 100) if f < 60 else None,
    }
    segments, placed = walk(paths, 120)
    (second,) = by_track(segments, 2)
    assert (second.kind, second.cut, len(second.cannot_link)) == (Kind.SIGHTING, Cut.GAP, 0)
    assert [(s.kind, s.cut) for s in by_track(segments, 1)] == [(Kind.CROSSING, Cut.APART), (Kind.TRACKLET, Cut.END)]
    assert [(s.kind, s.cut) for s in by_track(segments, 3)] == [(Kind.TRACKLET, Cut.CROSSING), (Kind.CROSSING, Cut.GAP)]
    assert placed[59].keepable.tolist() == [True, True, False]


def test_people_seen_apart_cannot_be_linked() -> None:
    people: dict[int, Path] = {1: still(0), 2: still(300), 3: lambda f: (600, 100) if f >= 60 else None}
    people[4] = lambda f: (900, 100) if f < 30 else None
    segments, _ = walk(people, 100)
    names = {s.number: s.track for s in segments}
    facts = {frozenset((names[s.number], names[int(o)])) for s in segments for o in s.cannot_link}
    assert facts == {frozenset(pair) for pair in [(1, 2), (1, 3), (2, 3), (1, 4), (2, 4)]}  # 3 came after 4 had gone
    pairs = [tuple(sorted((s.number, int(o)))) for s in segments for o in s.cannot_link]
    assert len(pairs) == len(set(pairs))  # each once


def test_one_person_detected_twice_makes_no_fact() -> None:
    """A half body inside of a body: the boxes cover each other throughout."""
    cutter = TrackletCutter(CutRules(crossing_cover=2, crossing_iou=2))  # even if it were not cut as a crossing
    boxes = np.array([[0, 0, 40, 120], [0, 0, 40, 60]], np.float32)
    segments = []
    for frame in range(50):
        segments += cutter.update(frame, frame / RATE, np.array([1, 2]), boxes, np.ones(2, np.float32)).finished
    segments += cutter.close()
    assert [s.kind for s in segments] == [Kind.TRACKLET] * 2
    assert all(len(s.cannot_link) == 0 for s in segments)


def test_pieces_that_are_no_tracklets_are_in_no_fact() -> None:
    segments, _ = walk({1: still(0), 2: lambda f: (300, 100) if f % 10 < 3 else None}, 60)
    assert {s.kind for s in by_track(segments, 2)} == {Kind.SIGHTING}
    assert all(len(s.cannot_link) == 0 for s in segments)


def test_a_restored_cutter_goes_on_exactly_alike() -> None:
    rng = np.random.default_rng(0)
    hidden = {frame for frame in range(150) if frame % 37 > 28}
    paths = {track: walker(rng.uniform(0, 500), rng.uniform(-9, 9), hidden) for track in range(1, 8)}

    def look(frame: int, track: int) -> NDArray:
        return np.eye(3)[(frame // 60 + track) % 3]

    whole, _ = walk(paths, 150, looks=look, faces=look)
    assert len(whole) < len(walk(paths, 150, looks=look)[0])
    for stop in range(1, 150, 7):
        first = TrackletCutter()
        begun = []
        for frame in range(stop):
            begun += _step(first, paths, frame, look)
        second = TrackletCutter()
        second.restore(first.state())
        rest = []
        for frame in range(stop, 150):
            rest += _step(second, paths, frame, look)
        resumed = begun + rest + second.close()
        assert [_plain(s) for s in resumed] == [_plain(s) for s in whole]


def test_a_checkpoint_keeps_its_layout() -> None:
    """Footage that an earlier version began is finished by this one, so the saved arrays must not change."""
    cutter = TrackletCutter(next_number=5)
    for frame in range(2):
        boxes = np.array([[2 * frame, 0, 40 + 2 * frame, 100], [300, 0, 340, 100]], np.float32)
        scores, looks = np.array([0.5, 1], np.float32), np.eye(2, 3, dtype=np.float32)
        embed = embedder(lambda frame, track: np.eye(2)[int(track == 8)], frame, [3, 8])
        cutter.update(frame, 10 + frame, np.array([3, 8]), boxes, scores, looks, embed)
    state = cutter.state()
    # track, x1 y1 x2 y2, velocity x y, seconds since the first frame, boxes
    assert state["people"].tolist() == [[3, 2, 0, 42, 100, 0.6, 0, 1, 2], [8, 300, 0, 340, 100, 0, 0, 1, 2]]
    # segment, frame, time, x1 y1 x2 y2, score
    assert state["log"].tolist() == [
        [5, 0, 10, 0, 0, 40, 100, 0.5],
        [6, 0, 10, 300, 0, 340, 100, 1],
        [5, 1, 11, 2, 0, 42, 100, 0.5],
        [6, 1, 11, 300, 0, 340, 100, 1],
    ]
    assert {
        key: (value.dtype.name, value.tolist()) for key, value in state.items() if key not in ("people", "log")
    } == {
        "tracks": ("int64", [3, 8]),
        "numbers": ("int64", [5, 6]),
        "crossing": ("bool", [False, False]),
        "begins": ("bool", [True, True]),
        "first": ("float64", [0, 0]),
        "last": ("float64", [1, 1]),
        "looked": ("float64", [1, 1]),
        "suspended": ("str320", ["", ""]),
        "embeddings": ("float32", [[2, 0], [0, 2]]),
        "looks": ("float32", [[1, 0, 0], [0, 1, 0]]),
        "apart": ("int32", [[2, 2], [2, 2]]),
        "waiting": ("int64", []),
        "clock": ("float64", [1, 11, 0, 0, 1, 1]),
        "newest": ("int64", 8),
        "next": ("int64", 7),
    }
    later = TrackletCutter()
    unknown = ("looked", "suspended", "embeddings", "begins", "newest")
    later.restore({key: value for key, value in state.items() if key not in unknown})
    assert [len(s.frames) for s in later.close()] == [2, 2]  # what versions saved that did not embed


def _step(cutter: TrackletCutter, paths: dict[int, Path], frame: int, look: Callable) -> list[Segment]:
    here = {track: at for track, path in sorted(paths.items()) if (at := path(frame)) is not None}
    boxes = np.array([(x, y, x + WIDTH, y + HEIGHT) for x, y in here.values()], np.float32).reshape(-1, 4)
    looks = np.array([look(frame, track) for track in here], np.float32).reshape(-1, 3)
    ids = np.array(list(here), np.int64)
    scores, embed = np.full(len(ids), 0.9, np.float32), embedder(look, frame, list(here))
    return cutter.update(frame, frame / RATE, ids, boxes, scores, looks, embed).finished


def _plain(segment: Segment) -> tuple:
    arrays = (segment.frames, segment.times, segment.boxes, segment.scores, segment.cannot_link)
    return (segment.number, segment.track, segment.kind, segment.cut, *(array.tolist() for array in arrays))
