"""Who is told apart by appearance, and who is looked at."""

from __future__ import annotations

import numpy as np
import pytest

from tests.trackers.scenes import detections
from trackers.appearance import REFRESH, REMEMBERED, AppearanceTracker
from trackers.detections import Detections
from trackers.tracked import EmbedOnce

RATE = 15.0  # frames/s
Scene = list[dict[str, tuple[float, float]]]  # where each person stands in each frame


class Eyes:
    """Embeddings of people by name, each at right angles to all others, but for a little noise."""

    def __init__(self, alike: dict[str, str] | None = None) -> None:
        self._alike = alike or {}  # who looks like whom
        self._rng = np.random.default_rng(0)
        self.asked: list[str] = []
        self.people: list[str] = []  # of the frame, in the order of its boxes

    def __call__(self, places: np.ndarray) -> np.ndarray:
        names = [self.people[place] for place in places]
        self.asked += names
        rows = self._rng.normal(0, 0.05, (len(names), 26))
        rows[np.arange(len(names)), [ord(self._alike.get(name, name)) - ord("a") for name in names]] += 1
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def step(
    tracker: AppearanceTracker,
    eyes: Eyes,
    time: float,
    people: dict[str, tuple[float, float]],
    scores: dict[str, float] | None = None,
) -> dict[str, int]:
    """The track of each person in one frame."""
    eyes.people = list(people)
    found = detections(*people.values(), score=[(scores or {}).get(name, 0.9) for name in people])
    ids, index = tracker.update(time, found, EmbedOnce(eyes, len(found)))
    return {eyes.people[place]: track for place, track in zip(index.tolist(), ids.tolist())}


def follow(
    scene: Scene, eyes: Eyes, rate: float = RATE, scores: dict[str, float] | None = None
) -> list[dict[str, int]]:
    """The track of each person in each frame."""
    tracker, tracks = AppearanceTracker(), []
    for k, people in enumerate(scene):
        tracks.append(step(tracker, eyes, k / rate, people, scores))
    return tracks


def test_who_walks_alone_is_hardly_looked_at() -> None:
    eyes = Eyes()
    tracks = follow([{"a": (100 + 3 * k, 200)} for k in range(60)], eyes)
    assert {track["a"] for track in tracks} == {1}
    assert len(eyes.asked) <= 2 + 60 / RATE / REFRESH


def test_two_who_meet_and_turn_back_keep_their_tracks() -> None:
    """By motion they would have passed each other."""
    there = [{"a": (200 + 4 * k, 200), "b": (300 - 4 * k, 202)} for k in range(12)]
    tracks = follow([*there, *there[::-1]], Eyes())
    assert tracks[-1] == tracks[0] == {"a": 1, "b": 2}


def test_who_takes_the_place_of_another_is_somebody_else() -> None:
    scene = [{"a": (200.0, 200.0)}] * 20 + [{"b": (203.0, 200.0)}] * 20
    tracks = follow(scene, Eyes())
    assert tracks[19] == {"a": 1} and tracks[-1]["b"] > 1


def test_who_comes_back_is_found_again_and_a_stranger_is_not() -> None:
    away = round(8 * RATE)
    before: Scene = [{"a": (200.0 + 3 * k, 200.0)} for k in range(30)]
    nobody: Scene = [{}] * away
    back: Scene = [{"a": (600.0 - 3 * k, 210.0), "b": (300.0, 200.0 + k)} for k in range(30)]
    tracks = follow(before + nobody + back, Eyes())
    assert tracks[-1]["a"] == 1 and tracks[-1]["b"] > 1


def test_who_has_a_double_is_not_guessed() -> None:
    before: Scene = [{"a": (200.0, 200.0), "b": (400.0, 200.0)}] * 30
    back: Scene = [{"a": (300.0, 200.0)}] * 10
    tracks = follow(before + [{}] * 30 + back, Eyes(alike={"b": "a"}))
    assert tracks[-1]["a"] > 2


@pytest.mark.parametrize(
    ("seconds", "x"), [(REMEMBERED + 2, 230.0), (2.0, 1500.0)], ids=["too long ago", "farther than anybody walks"]
)
def test_who_is_beyond_memory_or_reach_begins_anew(seconds: float, x: float) -> None:
    before: Scene = [{"a": (200.0, 200.0)}] * 20
    tracks = follow(before + [{}] * round(seconds * RATE) + [{"a": (x, 200.0)}] * 5, Eyes())
    assert tracks[-1]["a"] == 2


def test_at_one_frame_a_second_people_are_followed_by_their_look() -> None:
    scene = [{"a": (100.0 + 70 * k, 200.0), "b": (800.0 - 70 * k, 230.0)} for k in range(10)]
    tracks = follow(scene, Eyes(), rate=1.0)
    assert tracks[-1] == tracks[1] == {"a": 1, "b": 2}


def test_a_weak_box_that_shows_another_keeps_no_track_alive() -> None:
    """Somebody hidden behind the one whose box is strong: two boxes at one place, of one look."""
    eyes = Eyes()
    tracker = AppearanceTracker()
    for k in range(14):
        step(tracker, eyes, k / RATE, {"a": (200 + 5 * k, 200), "b": (300, 200)})
    tracks = step(tracker, eyes, 14 / RATE, {"a": (270, 200), "c": (300, 200)}, {"c": 0.3})  # c's box would fit b
    assert tracks == {"a": 1}


def test_without_eyes_it_says_so_and_stays_as_it_was() -> None:
    tracker = AppearanceTracker()
    with pytest.raises(ValueError, match="give it their embeddings"):
        tracker.update(0.0, Detections.empty())
    assert tracker.state()["clock"][0] == 0 and np.isnan(tracker.state()["clock"][1])


def test_what_it_remembers_of_a_dropped_track_is_gone() -> None:
    eyes = Eyes()
    tracker = AppearanceTracker()
    for k in range(5):
        step(tracker, eyes, k / RATE, {"a": (100, 200), "b": (300, 200)})
    memory = tracker.state()["memory"]
    assert memory.shape == (2, 26)
    tracker.drop([1])
    assert np.array_equal(tracker.state()["memory"], memory[1:])
