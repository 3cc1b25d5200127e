"""Whom a site's tracklets show, against the exact truth of films that live cameras played, or that were ingested.

A live camera's boxes have times by this machine's clock, which may be off by a quarter of a second. So the frame of a
box is found in two steps, for each loop of the film apart:

- All times of a loop have nearly the same part of a frame beyond a whole one, which is taken off.
- Of whole shifts that one is taken whose boxes fit the truth best.

Each loop's people are others than those of the loop before. Its visits are counted by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from app.record import Site
from bench.live_films import Film, Playing
from trackers.detections import iou
from trackers.evaluate import PurityMetrics, evaluate_purity, people_of
from trackers.motchallenge import FRAME, ID, Rows, boxes_of, to_rows
from trackers.segments import SEARCHABLE, Kind
from trackers.visits import LONG_SECONDS, ROUNDING, FrameTimes, Visit, visits_of

LOOP_IDS = 1_000_000  # between the numbers of a person in two loops
SHIFTS = np.arange(-8, 9)  # frames by which times may be off
SAMPLED = 150  # frames of a loop by which the shift is chosen
FEWEST = 30  # frames of a loop that are enough for that. One with fewer has the shift of the loop before
TICKS = 90_000


@dataclass(frozen=True, slots=True)
class Boxes:
    """All boxes of one camera in a site, by film frame."""

    ids: NDArray[np.int64]  # (N,) of their pieces of tracks
    numbers: NDArray[np.int64]  # (N,) of the frames, from 0 over all loops
    boxes: NDArray[np.float32]  # (N, 4)
    scores: NDArray[np.float32]  # (N,)
    kinds: Mapping[int, str]  # by id
    clock_off: float  # s by which times were off, the most of a loop's medians. 0 for files

    def rows(self, kinds: Sequence[str], first: int, last: int) -> Rows:
        """MOTChallenge rows of some kinds, in frames from `first` to `last`, which are numbered from 1."""
        wanted = np.array([self.kinds[number] in kinds for number in self.ids.tolist()], bool)
        wanted &= (self.numbers >= first) & (self.numbers <= last)
        order = np.lexsort((self.ids[wanted], self.numbers[wanted]))
        rows = to_rows(self.numbers[wanted] - first + 1, self.ids[wanted], self.boxes[wanted], self.scores[wanted])
        return rows[order]


@dataclass(frozen=True, slots=True)
class Shown:
    """Whom tracklets show in a span of frames of one camera."""

    purity: PurityMetrics
    visits: list[Visit]  # whole ones, their frames from 0 over all loops
    covers: list[list[int]]  # of each visit: tracklets and sightings of its person that have a box in it. None: missed


def live_boxes(site: Site, playing: Playing) -> Boxes:
    """All boxes of a camera that played a film."""
    film = playing.film
    ids, times, boxes, scores, kinds = _all_boxes(site, playing.camera)
    place = (times - playing.since) * film.rate
    numbers, off = np.zeros(len(ids), np.int64), 0.0
    loops = np.floor(place / film.frames).astype(np.int64)
    truth, moved = _by_frame(film.truth, film.frames), 0.0  # frames
    for loop in np.unique(loops).tolist():
        of_loop = loops == loop
        beyond = np.angle(np.exp(2j * np.pi * place[of_loop]).mean()) / (2 * np.pi)
        whole = np.rint(place[of_loop] - beyond).astype(np.int64)
        if len(np.unique(whole)) >= FEWEST or loop == loops.min():
            moved = _shift(whole, boxes[of_loop], truth) - beyond
        whole += round(moved + beyond)
        numbers[of_loop] = whole
        off = max(off, float(np.median(np.abs(place[of_loop] - whole))) / film.rate)
    return Boxes(ids, numbers, boxes, scores, kinds, off)


def file_boxes(site: Site, camera: str, numbers: NDArray[np.int64] | None = None) -> Boxes:
    """All boxes of a camera whose film was ingested. numbers: its frames' in the looped film, None where it is that."""
    ids, frames, boxes, scores, kinds = _all_boxes(site, camera, by_time=False)
    own = frames.astype(np.int64)
    return Boxes(ids, own if numbers is None else numbers[own], boxes, scores, kinds, 0.0)


def shown(boxes: Boxes, film: Film, first: int, last: int) -> Shown:
    """Whom tracklets show in frames from `first` to `last`, from 0 over all loops. Cut visits are left out."""
    looped = looped_truth(film, first, last)
    people = looped.copy()
    people[:, ID] %= LOOP_IDS
    searchable = boxes.rows(SEARCHABLE, first, last)
    person_of = people_of(looped, searchable)
    whole = {in_film(_moved(visit, -1), film) for visit in visits_of(film.truth, _times(film, film.frames))}
    visits = [
        visit
        for visit in visits_of(looped, _times(film, last - first + 1))
        if in_film(_moved(visit, first - 1), film) in whole
    ]
    return Shown(
        purity=evaluate_purity(people, boxes.rows((Kind.TRACKLET,), first, last)),
        visits=[_moved(visit, first - 1) for visit in visits],
        covers=[_covers(visit, searchable, person_of) for visit in visits],
    )


def in_film(visit: Visit, film: Film) -> tuple[int, int, int]:
    """The person, first and last frame of a visit in the film itself, whatever its loop."""
    loop = visit.first // film.frames
    return visit.person % LOOP_IDS, visit.first - loop * film.frames, visit.last - loop * film.frames


def is_long(visit: Visit) -> bool:
    """Whether the person was in sight for two seconds."""
    return visit.seconds >= LONG_SECONDS - ROUNDING


def looped_truth(film: Film, first: int, last: int) -> Rows:
    """Truth of frames from `first` to `last` of a film in a loop, numbered from 1. Each loop's people are others."""
    loops = range(first // film.frames, last // film.frames + 1)
    parts = []
    for loop in loops:
        rows = film.truth.copy()
        rows[:, FRAME] += loop * film.frames - first  # it counts from 1
        rows[:, ID] += loop * LOOP_IDS
        parts.append(rows[(rows[:, FRAME] >= 1) & (rows[:, FRAME] <= last - first + 1)])
    return np.concatenate(parts)


def write_frames(film: Film, numbers: Sequence[int], path: Path) -> None:
    """Writes just these frames of a looped film, without loss, each at its time. numbers: ascending, over all loops."""
    with av.open(str(path), "w") as output:
        output.metadata["creation_time"] = f"{datetime.fromtimestamp(film.start, UTC):%Y-%m-%dT%H:%M:%SZ}"
        with av.open(str(film.path)) as source:
            context = source.streams.video[0].codec_context
            there = output.add_stream("libx264", rate=Fraction(film.rate), options={"preset": "ultrafast", "qp": "0"})
            there.width, there.height, there.pix_fmt = context.width, context.height, context.pix_fmt
            there.time_base = there.codec_context.time_base = Fraction(1, TICKS)
        for loop in sorted({number // film.frames for number in numbers}):
            wanted = {number - loop * film.frames for number in numbers if number // film.frames == loop}
            with av.open(str(film.path)) as source:
                for place, frame in enumerate(source.decode(video=0)):
                    if place not in wanted:
                        continue
                    at = loop * film.frames + place - numbers[0]
                    frame.pts, frame.time_base = round(at / film.rate * TICKS), Fraction(1, TICKS)
                    frame.pict_type = 0
                    output.mux(there.encode(frame))
        output.mux(there.encode())


def _all_boxes(
    site: Site, camera: str, *, by_time: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32], NDArray[np.float32], dict[int, str]]:
    pieces = site.segments(camera)
    parts = [site.boxes(piece.id) for piece in pieces]
    lengths = [len(part.times) for part in parts]
    return (
        np.repeat(np.array([piece.id for piece in pieces], np.int64), lengths),
        np.concatenate([np.zeros(0), *(part.times if by_time else part.frames for part in parts)]),
        np.concatenate([np.zeros((0, 4), np.float32), *(part.boxes for part in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(part.scores for part in parts)]),
        {piece.id: piece.kind for piece in pieces},
    )


def _by_frame(truth: Rows, frames: int) -> list[NDArray[np.float32]]:
    """True boxes `(P, 4)` of each frame of a film."""
    rows = truth[np.argsort(truth[:, FRAME], kind="stable")]
    edges = np.searchsorted(rows[:, FRAME], np.arange(1, frames + 2))
    return [boxes_of(rows[first:last]) for first, last in pairwise(edges)]


def _shift(numbers: NDArray[np.int64], boxes: NDArray[np.float32], truth: list[NDArray[np.float32]]) -> int:
    """By how many frames boxes are to be moved, so that they fit the truth best."""
    frames = np.unique(numbers)
    sampled = frames[np.linspace(0, len(frames) - 1, min(SAMPLED, len(frames))).astype(int)]
    fits = np.zeros(len(SHIFTS))
    for number in sampled.tolist():
        own = boxes[numbers == number]
        for place, shift in enumerate(SHIFTS.tolist()):
            true = truth[(number + shift) % len(truth)]
            fits[place] += iou(own, true).max(axis=1).sum() if len(true) else 0.0
    return int(SHIFTS[fits.argmax()])


def _times(film: Film, frames: int) -> FrameTimes:
    return FrameTimes.lasting(np.arange(frames) / film.rate)


def _moved(visit: Visit, by: int) -> Visit:
    return Visit(visit.person, visit.first + by, visit.last + by, visit.seconds)


def _covers(visit: Visit, searchable: Rows, person_of: Mapping[int, int]) -> list[int]:
    during = (searchable[:, FRAME] >= visit.first) & (searchable[:, FRAME] <= visit.last)
    return [number for number in np.unique(searchable[during, ID]).astype(int) if person_of.get(number) == visit.person]
