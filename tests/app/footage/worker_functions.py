"""What a worker may be told to do. The module is light, as each worker imports it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import FootageError
from app.footage import decode
from app.footage.apart import WithPicture
from app.footage.discover import Footage

decoded = decode._decoded


def add(first: int, second: int) -> int:
    return first + second


def pid() -> int:
    return os.getpid()


def crash(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(*_: object) -> None:
    time.sleep(1000)


def read_for_ever() -> None:
    while True:
        with Path("/dev/zero").open("rb") as file:
            file.read(2**26)


def swell(*_: object) -> None:
    held = []
    while True:
        held.append(np.ones(4_000_000))
        time.sleep(0.02)


def fail() -> None:
    raise LookupError("no such thing")


def refuse() -> None:
    raise FootageError("film.mp4 is empty")


def pictures(sizes: list[int]) -> Iterator[Any]:
    for size in sizes:
        yield WithPicture(np.full((size, 2, 3), size % 256, np.uint8), size)
    yield "end"


def asked_for(count: int) -> Iterator[Any]:
    for number in range(count):
        yield WithPicture(np.full((number + 1, 2, 3), number, np.uint8), time.monotonic())


def leave_a_trace(path: Path) -> Iterator[Any]:
    path.touch()
    yield None


def crashing(footage: Footage, number: int, chunk: int, thinning: dict[str, Any]) -> Iterator[Any]:
    """Decodes, but for the third frame of the gate's film."""
    for count, answer in enumerate(decoded(footage, number, chunk, thinning)):
        if footage.camera == "gate" and count == 3:
            crash()
        yield answer


def here() -> Path:
    return Path.cwd()
