"""Miniature benchmarks are made of pictures of one colour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes pictures, all alike unless a colour is given, into a folder beneath the test's own."""

    def write(folder: str, *names: str, colour: int = 128) -> Path:
        for name in names:
            path = tmp_path / folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((8, 4, 3), colour, np.uint8))
        return tmp_path / folder

    return write
