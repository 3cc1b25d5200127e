"""Threads between decoding and following: order, bounds, errors, ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
import pytest

from app.engine.pipeline import CAMERAS_AT_ONCE, Decoded, Source, detections
from deploy.detectors import Frame
from trackers.detections import Detections

PATIENCE = 20.0  # seconds until what should happen counts as missing. Only a failing test waits so long


class Detector:
    """Finds one box a frame whose corner tells the camera and the frame."""

    name = "test"
    sha256: str | None = None

    def __init__(self, batch: int = 4, fails_at: int | None = None) -> None:
        self.batch, self.calls, self.fails_at = batch, 1, fails_at
        self.batches: list[list[tuple[str, int]]] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.batches.append([(frame.camera, frame.index) for frame in frames])
        if self.fails_at is not None and len(self.batches) > self.fails_at:
            raise RuntimeError("the detector fell over")
        return [
            Detections(np.array([[int(f.camera), f.index, 5e3, 5e3]], np.float32), np.ones(1, np.float32))
            for f in frames
        ]


def frame(camera: int, index: int) -> Frame:
    return Frame(str(camera), index, index / 25, np.zeros((2, 2, 3), np.uint8))


def camera(number: int, frames: int, footage: int = 1) -> Source:
    """Footage ids are `10 · number`, `10 · number + 1`…, each with as many frames and an end."""

    def source() -> Iterator[Decoded]:
        for part in range(footage):
            for index in range(frames):
                yield Decoded(10 * number + part, frame(number, index))
            yield Decoded(10 * number + part, None, problems=("end",))

    return source


def no_threads_left(before: set[threading.Thread]) -> bool:
    return not [thread for thread in threading.enumerate() if thread not in before]


@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("cameras", [1, 3, CAMERAS_AT_ONCE + 5])
def test_each_cameras_frames_come_in_order_with_their_own_detections(batch: int, cameras: int) -> None:
    before = set(threading.enumerate())
    seen: dict[int, list[int | None]] = {}
    for item, people in detections([camera(k, 7 + k, footage=2) for k in range(cameras)], Detector(batch)):
        seen.setdefault(item.footage, []).append(item.frame.index if item.frame is not None else None)
        if item.frame is not None:
            assert people.boxes[0, :2].tolist() == [item.footage // 10, item.frame.index]
        else:
            assert len(people) == 0 and item.problems == ("end",)
    assert seen == {10 * k + part: [*range(7 + k), None] for k in range(cameras) for part in range(2)}
    assert no_threads_left(before)


def test_a_cameras_footage_comes_one_after_the_other() -> None:
    order = [item.footage for item, _ in detections([camera(1, 5, footage=3)], Detector())]
    assert order == sorted(order) and set(order) == {10, 11, 12}


def test_nothing_to_do_ends_at_once() -> None:
    assert list(detections([], Detector())) == []
    assert list(detections([lambda: iter(())], Detector())) == []


def test_batches_mix_cameras_and_are_never_larger_than_asked() -> None:
    gate, plenty = threading.Barrier(3), threading.Event()

    def together(number: int) -> Source:
        def source() -> Iterator[Decoded]:
            for index in range(20):
                gate.wait(PATIENCE)  # side by side
                if index == 3:
                    plenty.set()  # three frames of each camera are waiting
                yield Decoded(number, frame(number, index))
            yield Decoded(number, None)

        return source

    class LateDetector(Detector):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            assert plenty.wait(PATIENCE)
            return super().detect(frames)

    detector = LateDetector(batch=6)
    assert len(list(detections([together(k) for k in range(3)], detector))) == 63
    assert max(map(len, detector.batches)) <= 6
    assert any(len({name for name, _ in batch}) > 1 for batch in detector.batches)
    assert sorted(pair for batch in detector.batches for pair in batch) == [
        (str(k), index) for k in range(3) for index in range(20)
    ]


def test_a_detector_is_not_asked_about_ends() -> None:
    detector = Detector(batch=2)
    list(detections([camera(1, 0, footage=4)], detector))
    assert detector.batches == []


def test_an_error_in_a_source_is_raised_here_and_stops_all() -> None:
    before = set(threading.enumerate())

    def broken() -> Iterator[Decoded]:
        yield Decoded(1, frame(1, 0))
        raise OSError("the disk fell over")

    def endless() -> Iterator[Decoded]:
        index = 0
        while True:
            yield Decoded(2, frame(2, index))
            index += 1

    with pytest.raises(OSError, match="the disk fell over"):
        for _ in detections([endless, broken], Detector()):
            pass
    assert no_threads_left(before)


def test_an_error_in_the_detector_is_raised_here_and_stops_all() -> None:
    before = set(threading.enumerate())
    stream = detections([camera(k, 100_000) for k in range(3)], Detector(batch=4, fails_at=3))
    seen: list[object] = []
    with pytest.raises(RuntimeError, match="the detector fell over"):
        seen.extend(stream)
    assert 1 <= len(seen) <= 3 * 4
    assert no_threads_left(before)


def test_closing_stops_the_threads_and_the_sources() -> None:
    before = set(threading.enumerate())
    stream = detections([camera(k, 100_000) for k in range(CAMERAS_AT_ONCE + 2)], Detector())
    with closing(stream):
        for _ in range(10):
            next(stream)
        assert not no_threads_left(before)
    assert no_threads_left(before)


def test_an_error_of_the_caller_stops_the_threads() -> None:
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), closing(detections([camera(1, 100_000)], Detector())) as stream:
        1 / len(next(stream)[0].problems)
    assert no_threads_left(before)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_source_is_never_far_ahead_of_the_caller(batch: int) -> None:
    decoded = 0

    def source() -> Iterator[Decoded]:
        nonlocal decoded
        for index in range(500):
            decoded += 1
            yield Decoded(1, frame(1, index))

    # Two batches wait for the detector and one is in it. Two more and the one being yielded wait for the caller.
    # One frame is in the hands of the decoding thread.
    most = 6 * batch + 1
    with closing(detections([source], Detector(batch))) as stream:
        for taken in range(1, 60):
            next(stream)
            if taken % 10 == 0:
                time.sleep(0.05)  # it may run ahead as far as it can
            assert decoded - taken <= most
        assert decoded > 0


def test_no_more_cameras_are_open_than_allowed() -> None:
    lock, opened, most = threading.Lock(), 0, 0

    def counted(number: int) -> Source:
        def source() -> Iterator[Decoded]:
            nonlocal opened, most
            with lock:
                opened += 1
                most = max(most, opened)
            for index in range(30):
                yield Decoded(number, frame(number, index))
            yield Decoded(number, None)
            with lock:
                opened -= 1

        return source

    cameras = 3 * CAMERAS_AT_ONCE
    ends = [item.footage for item, _ in detections([counted(k) for k in range(cameras)], Detector()) if not item.frame]
    assert sorted(ends) == list(range(cameras))
    assert 1 <= most <= CAMERAS_AT_ONCE and opened == 0
