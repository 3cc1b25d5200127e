"""Footage for the tests of how it is found and read, and short ways to read it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import FootageError
from app.footage import Footage
from app.footage.decode import Decoder, open_footage
from deploy.detectors import Frame
from tests.clips import read_number

START = 1_790_000_000.0


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[arg-type, misc]


MOMENT = utc(2026, 11, 20, 14, 30, 5)


def touch(path: Path, content: bytes = b"x", modified: float = MOMENT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (modified, modified))
    return path


def footage_of(path: Path, start: float = START) -> Footage:
    return Footage("hall", path, path.name, start, "given", 0, "")


def decode(path: Path, **options: Any) -> list[Frame]:
    """All frames of a film that must be without problems."""
    with open_footage(footage_of(path), **options) as decoder:
        frames = list(decoder)
    assert decoder.problems == []
    return frames


def problems_of(path: Path) -> tuple[list[Frame], list[str]]:
    decoder: Decoder = open_footage(footage_of(path))
    return list(decoder), decoder.problems


def refusal(path: Path) -> str:
    with pytest.raises(FootageError) as error:
        open_footage(footage_of(path))
    assert str(path) in str(error.value)
    return str(error.value)


def numbers(frames: Iterable[Frame]) -> list[int]:
    return [read_number(frame.image) for frame in frames]


def seconds(frames: Iterable[Frame]) -> list[float]:
    return [frame.time - START for frame in frames]


def assert_same(frame: Frame, expected: Frame) -> None:
    assert frame[:3] == expected[:3]
    np.testing.assert_array_equal(frame.image, expected.image)
