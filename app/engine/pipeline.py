"""Decoding, detecting and following overlap.

A thread a camera takes frames from the process that decodes it, and one detects over all cameras in batches. The
calling thread follows people and writes the record. Queues between them are short, so memory does not grow with the
length of the footage. Each camera's frames stay in order, so the result does not depend on who was faster.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from app.footage import Resume
from app.remarks import Remark
from deploy.detectors import Detector, Frame
from trackers.detections import Detections

CAMERAS_AT_ONCE = 8  # decoded at the same time, more wait their turn
_WAITING_BATCHES = 2  # decoded frames that may wait, in batches, and the same again after detection


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame, or the end of a footage (frame None), on its way."""

    footage: int  # id in the record
    frame: Frame | None
    resume: Resume | None = None  # set where a checkpoint is due
    # Of the footage so far, set at checkpoints and at the end:
    problems: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    failed: bool = False  # the footage could not be opened, and problems says why


Source = Callable[[], Iterator[Decoded]]  # all footage of one camera in order, ending each with a frame of None


class _Stopped(Exception):
    """Another thread failed or the user interrupted."""


def detections(sources: Sequence[Source], detector: Detector) -> Generator[tuple[Decoded, Detections], None, None]:
    """Decodes all cameras and detects people, several frames a detector call.

    Yields each camera's frames in order. An error in a thread is raised here. Closing the iterator stops the threads.
    """
    stop = threading.Event()
    ready: queue.Queue[Decoded | BaseException | None] = queue.Queue(_WAITING_BATCHES * detector.batch)
    detected: queue.Queue[list[tuple[Decoded, Detections]] | BaseException | None] = queue.Queue(_WAITING_BATCHES)
    waiting: queue.SimpleQueue[Source] = queue.SimpleQueue()
    for source in sources:
        waiting.put(source)
    workers = min(len(sources), CAMERAS_AT_ONCE)

    def decode() -> None:
        try:
            while True:
                try:
                    source = waiting.get_nowait()
                except queue.Empty:
                    break
                for item in source():
                    _put(ready, item, stop)
            _put(ready, None, stop)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            _hand_over(ready, error, stop)

    def detect() -> None:
        try:
            with ThreadPoolExecutor(detector.calls, thread_name_prefix="detect") as pool:
                under_way: deque[tuple[list[Decoded], Future[list[Detections]] | None]] = deque()

                def hand_on() -> None:
                    batch, answer = under_way.popleft()
                    results = iter(answer.result() if answer is not None else [])
                    _put(
                        detected,
                        [(item, next(results) if item.frame is not None else Detections.empty()) for item in batch],
                        stop,
                    )

                for batch in _batches(ready, detector.batch, workers, stop):
                    frames = [item.frame for item in batch if item.frame is not None]
                    under_way.append((batch, pool.submit(detector.detect, frames) if frames else None))
                    if len(under_way) == detector.calls:
                        hand_on()
                while under_way:
                    hand_on()
            _put(detected, None, stop)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - as in decode
            _hand_over(detected, error, stop)

    threads = [threading.Thread(target=decode, name=f"decode-{k}", daemon=True) for k in range(workers)]
    threads.append(threading.Thread(target=detect, name="detect", daemon=True))
    for thread in threads:
        thread.start()
    try:
        while (batch := detected.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield from batch
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _batches(
    ready: queue.Queue[Decoded | BaseException | None], size: int, workers: int, stop: threading.Event
) -> Iterator[list[Decoded]]:
    """What is ready, up to `size` items. It waits for the first of each batch only."""
    while workers:
        batch: list[Decoded] = []
        while workers and len(batch) < size:
            try:
                item = ready.get(timeout=0.1) if not batch else ready.get_nowait()
            except queue.Empty:
                if stop.is_set():
                    raise _Stopped from None
                if batch:
                    break
                continue
            if isinstance(item, BaseException):
                raise item
            if item is None:
                workers -= 1
            else:
                batch.append(item)
        if batch:
            yield batch


def _put(target: queue.Queue[Any], item: Any, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            return target.put(item, timeout=0.1)
        except queue.Full:
            continue
    raise _Stopped


def _hand_over(target: queue.Queue[Any], error: BaseException, stop: threading.Event) -> None:
    with contextlib.suppress(_Stopped):
        _put(target, error, stop)
