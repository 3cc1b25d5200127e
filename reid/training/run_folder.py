"""The folder of a training: whose run it holds, and what came of it."""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reid.tracklets import TrackletDataset
from reid.training.errors import TrainingError
from reid.training.ranks import bytes_of_first_rank, rank
from reid.whole_file import sweep, write_whole

log = logging.getLogger("sightline")


@dataclass(frozen=True)
class Result:
    """What a run came to."""

    method: str
    protocol: str
    epochs: int
    steps: int
    images: int
    """That it trained on, in all steps."""
    seconds: float
    """Training with all that it needs, without tests; over all interruptions."""
    images_per_second: float
    """Of the training steps alone."""
    start: dict[str, float] | None
    """Scores before the first step; None: the data has nothing to test with."""
    final: dict[str, float] | None
    model: str
    """The file."""
    completed: float = 1.0
    """Share of all steps that its time allowed."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Nobody else trains into the folder meanwhile, which is made where it is missing. The lock dies with its process.

    Raises:
        TrainingError: Somebody does.
    """
    if rank():  # the first of several ranks holds it for all
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise TrainingError(f"{folder} can't be written ({error.strerror}): give another --out") from error
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TrainingError(f"another process trains in {folder}: wait for its end, or give another --out") from error
    except OSError as error:
        log.warning("%s is on a file system without locks (%s): train into it once at a time", folder, error.strerror)


def keep_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Writes a run's settings into its folder, and removes what killed writers left half there.

    Raises:
        TrainingError: The folder is of a run with other settings.
    """
    path = folder / "settings.json"
    wanted = json.loads(json.dumps(settings))
    try:
        if path.is_file():
            there = dict(_leaves(json.loads(path.read_text(encoding="utf-8"))))
            for name, value in _leaves(wanted):
                if name not in there or there[name] != value:
                    raise TrainingError(
                        f"{folder} is of another run: {name} is {there.get(name)!r} there and {value!r} here; give "
                        "another --out, or remove it"
                    )
        elif rank() == 0:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(wanted, indent=2) + "\n")
    except (OSError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path} can't be read or written ({error})") from error
    if rank() == 0 and folder.is_dir():
        sweep(folder)


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Names and values of nested settings: `config.recipe.batch`."""
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def digest(dataset: TrackletDataset) -> str:
    """Changes with the tracklets, their crops' number, size and times."""
    total = hashlib.sha256(str((dataset.crops.shape, dataset.camera_names)).encode())
    pairs = (dataset.cannot_link, dataset.must_link)
    for part in (dataset.time, dataset.start, dataset.length, dataset.tracklet_camera, *pairs):
        total.update(np.ascontiguousarray(part).tobytes())
    return total.hexdigest()[:16]


def finished(folder: Path) -> Result | None:
    """What the folder's run came to, where it came to its end. The first rank's folder counts."""
    path = folder / "result.json"
    data = bytes_of_first_rank(path.read_bytes() if rank() == 0 and path.is_file() else b"")
    return Result(**json.loads(data)) if data else None


def finish(folder: Path, result: Result) -> None:
    """Writes what the run came to: from now on it is done."""
    write_whole(folder / "result.json", json.dumps(dataclasses.asdict(result), indent=2) + "\n")
