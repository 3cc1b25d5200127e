"""The folder of a training run: what it was asked for, its checkpoint, and what it tells as it goes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from reid.progress import Progress
from reid.ranks import rank
from reid.tracklets import TrackletDataset
from reid.whole_file import whole_file, write_whole

log = logging.getLogger("sightline")

LINE_SECONDS = 30.0  # between two lines of losses in the log


class TrainingError(ValueError):
    """A run that can't start as asked; the message says why and what to do."""


class Diverged(ArithmeticError):
    """The loss is no number any more."""


@dataclass
class State:
    """How far a run is; with the weights, all that a checkpoint holds."""

    step: int = 0
    unread: int = 0
    """Steps whose losses are still on the device."""
    images: int = 0
    seconds: float = 0.0
    training: float = 0.0
    """Seconds of the steps alone."""
    start: dict[str, float] | None = None
    final: dict[str, float] | None = None
    curves: dict[str, float] = field(default_factory=dict)
    """Of this epoch: what the method told at its start."""
    losses: dict[str, float] = field(default_factory=dict)
    """Of this epoch, the mean up to this step."""


def digest(dataset: TrackletDataset) -> str:
    """Changes with the tracklets, their crops' number, size and times."""
    found = hashlib.sha256(str((dataset.crops.shape, dataset.camera_names)).encode())
    for part in (dataset.time, dataset.start, dataset.length, dataset.tracklet_camera, dataset.cannot_link):
        found.update(np.ascontiguousarray(part).tobytes())
    return found.hexdigest()[:16]


def claim(out: Path, settings: dict[str, Any]) -> None:
    """Makes `out` the folder of a run with these settings. Raises TrainingError where it is of another."""
    path = out / "settings.json"
    wanted = json.loads(json.dumps(settings))
    try:
        if path.is_file():
            have = json.loads(path.read_text(encoding="utf-8"))
            for name, value in wanted.items():
                if name not in have or have[name] != value:
                    raise TrainingError(
                        f"{out} is of another run: {name} is {have.get(name)!r} there and {value!r} here; give another "
                        "--out, or remove it"
                    )
        elif rank() == 0:
            out.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(wanted, indent=2) + "\n")
    except (OSError, json.JSONDecodeError) as error:
        raise TrainingError(f"{path} can't be read or written ({error})") from error


def save_checkpoint(out: Path, parts: dict[str, Any], state: State) -> None:
    """All that the next step needs, whole or not at all; never weights that are no numbers."""
    if rank():
        return
    weights = [p for part in parts.values() if isinstance(part, nn.Module) for p in part.parameters()]
    if not bool(torch.stack([weight.isfinite().all() for weight in weights]).all()):
        raise Diverged(f"weights are no numbers any more at step {state.step}: lower recipe.learning_rate with --set")
    written = {name: part.state_dict() for name, part in parts.items()}
    with whole_file(out / "checkpoint.pt") as part, part.open("wb") as file:
        torch.save({**written, "state": dataclasses.asdict(state)}, file)
        file.flush()
        os.fsync(file.fileno())


def load_checkpoint(out: Path, parts: dict[str, Any], state: State, device: torch.device) -> None:
    """Puts what was saved into `parts` and `state`; leaves them where nothing was."""
    path = out / "checkpoint.pt"
    if not path.is_file():
        return
    written = torch.load(path, weights_only=True, map_location=device)
    for name, part in parts.items():
        part.load_state_dict(written[name])
    for name, value in written["state"].items():
        setattr(state, name, value)
    log.info("going on at step %s", f"{state.step:,}")


class Journal:
    """What a run tells as it goes: `log.jsonl`, TensorBoard's files, a line of losses now and then, and its progress.

    Only the first of several ranks tells anything.
    """

    def __init__(self, out: Path, step: int, steps: int, progress: Progress) -> None:
        self.first = rank() == 0
        self.path = out / "log.jsonl"
        self.board: Any = None
        self.steps, self.progress = steps, progress
        self.next_line = time.monotonic() + LINE_SECONDS
        if not self.first:
            return
        # What was told after the checkpoint will be done, and told, again.
        lines = self.path.read_text(encoding="utf-8").splitlines() if step and self.path.is_file() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        write_whole(self.path, "".join(line + "\n" for line in kept))
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def show(self, step: int) -> None:
        """So many steps are done. What `progress` raises ends the run; it goes on from the last checkpoint."""
        if self.first:
            self.progress("training steps", step, self.steps)

    def write(self, state: State, values: dict[str, Any]) -> None:
        if not self.first:
            return
        speed = state.images / max(state.training, 1e-9)
        flat = {name: value for name, value in values.items() if name != "losses"}
        flat |= {f"loss/{name}": value for name, value in values["losses"].items()}
        line = {"step": state.step, "seconds": round(state.seconds, 2), "images_per_second": round(speed, 1), **flat}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            for name, value in flat.items():
                self.board.add_scalar(name, value, state.step)
        if time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + LINE_SECONDS
            loss, steps = sum(values["losses"].values()), f"{state.step:,} of {self.steps:,}"
            log.info("step %s: loss %.3f, %.0f images/s", steps, loss, speed)
