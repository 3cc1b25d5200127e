"""The models that the project ships, their cards, and the commands that make them. This folder is the box."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

BOX = Path(__file__).parent
BASE = "base"  # the encoder with which every site begins


class OtherRunError(ValueError):
    """A run's folder holds what another recipe or seed began. The message says what to do."""


class MakingError(RuntimeError):
    """A model could not be made to its end. The message says why."""


def shipped(file: str) -> Path:
    """Where a file of the box is, or would be, as `base.onnx`."""
    return BOX / file


def install(files: Iterable[Path]) -> None:
    """Puts new models and cards into the box."""
    for file in files:
        shutil.copyfile(file, shipped(file.name))
