"""Speed of other people's trackers on the streams of `bench/trackers.py`, which runs this in their environment.

`python -I peers.py STREAMS.npz REPEATS` prints one JSON object: peer → people → frames/s. Peers that are not installed
are left out. Each peer gets its own kind of detections. Making them from arrays is part of using it and is counted.
Parameters are each library's own. The environment has neither Typer nor this repository.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

Frame = tuple[NDArray[np.float32], NDArray[np.float32]]  # boxes (N, 4) x1 y1 x2 y2, scores (N,)
Update = Callable[[Frame], object]


def roboflow(name: str) -> Update:
    """A tracker of Roboflow's `trackers`, by its class."""
    import supervision

    import trackers  # Roboflow's, not this repository's

    tracker = getattr(trackers, name)()

    def update(frame: Frame) -> object:
        return tracker.update(supervision.Detections(xyxy=frame[0], confidence=frame[1]))

    return update


def original_sort() -> Update:
    """SORT as Alex Bewley published it."""
    from sort_tracker import Sort  # the package sort-tracker-py

    tracker = Sort()

    def update(frame: Frame) -> object:
        return tracker.update(np.column_stack(frame))

    return update


def norfair_iou() -> Update:
    """Norfair on boxes."""
    import norfair

    tracker = norfair.Tracker(distance_function="iou", distance_threshold=0.7)

    def update(frame: Frame) -> object:
        detections = [norfair.Detection(box.reshape(2, 2), np.repeat(score, 2)) for box, score in zip(*frame)]
        return tracker.update(detections)

    return update


class UltralyticsBoxes:
    """As much of `ultralytics.engine.results.Boxes` as its tracker reads."""

    def __init__(self, xyxy: NDArray, conf: NDArray) -> None:
        self.xyxy, self.conf, self.cls = xyxy, conf, np.zeros(len(conf), np.float32)
        self.xywh = np.concatenate(((xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]), axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, mask: NDArray) -> UltralyticsBoxes:
        return UltralyticsBoxes(self.xyxy[mask], self.conf[mask])


def ultralytics_bytetrack() -> Update:
    """Ultralytics' ByteTrack with its own settings."""
    from ultralytics.trackers.byte_tracker import BYTETracker

    options = SimpleNamespace(
        track_high_thresh=0.25,
        track_low_thresh=0.1,
        new_track_thresh=0.25,
        track_buffer=30,
        match_thresh=0.8,
        fuse_score=True,
    )
    tracker = BYTETracker(options)

    def update(frame: Frame) -> object:
        return tracker.update(UltralyticsBoxes(*frame))

    return update


PEERS: dict[str, Callable[[], Update]] = {
    "SORT, its author's program": original_sort,
    "roboflow SORTTracker": lambda: roboflow("SORTTracker"),
    "roboflow ByteTrackTracker": lambda: roboflow("ByteTrackTracker"),
    "norfair (IoU)": norfair_iou,
    "ultralytics BYTETracker": ultralytics_bytetrack,
}


def frames_a_second(make: Callable[[], Update], stream: list[Frame], repeats: int) -> float:
    """The best of several runs, each with a new tracker."""
    best = np.inf
    for _ in range(repeats):
        update = make()
        start = time.perf_counter()
        for frame in stream:
            update(frame)
        best = min(best, time.perf_counter() - start)
    return len(stream) / best


def main(path: str, repeats: int) -> None:
    """Measures all peers that are installed."""
    arrays = np.load(path)
    speeds: dict[str, dict[str, float]] = {name: {} for name in PEERS}
    absent = set()
    for people in arrays["people"]:
        cuts = np.cumsum(arrays[f"counts{people}"])[:-1]
        boxes, scores = np.split(arrays[f"boxes{people}"], cuts), np.split(arrays[f"scores{people}"], cuts)
        for name, make in PEERS.items():
            try:
                speeds[name][str(people)] = frames_a_second(make, list(zip(boxes, scores)), repeats)
            except ImportError as error:
                absent.add(f"{name} is left out: {error}")
    print("\n".join(sorted(absent)), file=sys.stderr)
    print(json.dumps({name: speed for name, speed in speeds.items() if speed}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
