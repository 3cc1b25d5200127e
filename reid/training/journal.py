"""What a training tells as it goes: the mean losses, `log.jsonl`, TensorBoard's files, its progress and its clock."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reid.progress import Progress
from reid.training.checkpoint import State
from reid.training.errors import Diverged
from reid.training.ranks import rank
from reid.whole_file import write_whole

log = logging.getLogger("sightline")

LINE_SECONDS = 30.0  # between two lines of losses in the log


class Stopwatch:
    """Seconds from one press to the next."""

    def __init__(self) -> None:
        self.pressed = time.monotonic()

    @property
    def running(self) -> float:
        """Seconds since the last press."""
        return time.monotonic() - self.pressed

    def lap(self) -> float:
        """Seconds since the last press, which this is from now on."""
        before, self.pressed = self.pressed, time.monotonic()
        return self.pressed - before


class Losses:
    """The sum of each loss since the last look, on the device, so that a step waits for nothing."""

    def __init__(self, step: int, steps_an_epoch: int) -> None:
        """step: how many steps are done."""
        self.sums: dict[str, Tensor] = {}
        self.looked_at, self.steps_an_epoch = step, steps_an_epoch

    def add(self, parts: dict[str, Tensor], accumulate: int) -> None:
        """The losses () of one of the parts in which a batch is computed."""
        for name, value in parts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach() / accumulate

    def look(self, state: State) -> None:
        """Takes them into `state.losses`, the epoch's mean. Only here the device is waited for.

        Raises:
            Diverged: One of them is no number.
        """
        values = dict(zip(self.sums, torch.stack(list(self.sums.values())).tolist()))
        if not math.isfinite(sum(values.values())):
            raise Diverged(
                f"the loss is no number any more before step {state.step}: lower recipe.learning_rate with --set, and "
                "give another --out; the last good state is in this one's checkpoint.pt"
            )
        done = (state.step - 1) % self.steps_an_epoch + 1  # steps of this epoch
        before = done - (state.step - self.looked_at)
        for name, value in values.items():
            state.losses[name] = (state.losses.get(name, 0.0) * before + value) / done
        self.sums.clear()
        self.looked_at = state.step


class Journal:
    """`log.jsonl`, TensorBoard's files, a line of losses in the log now and then, and progress.

    Only the first of several ranks tells anything.
    """

    def __init__(self, folder: Path, step: int, steps: int, progress: Progress) -> None:
        """Forgets what was told after `step`: it will be done, and told, again. steps: of the whole run."""
        self.first = rank() == 0
        self.path = folder / "log.jsonl"
        self.board: Any = None
        self.steps, self.progress = steps, progress
        self.next_line = time.monotonic() + LINE_SECONDS
        if not self.first:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines() if step and self.path.is_file() else []
        kept = [line for line in lines if line.endswith("}") and json.loads(line)["step"] <= step]
        write_whole(self.path, "".join(line + "\n" for line in kept))
        with contextlib.suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        if self.board is not None:
            self.board.close()

    def show(self, step: int) -> None:
        """So many steps are done. What `progress` raises ends the run. It goes on from the last checkpoint."""
        if self.first:
            self.progress("training steps", step, self.steps)

    def write(self, state: State, figures: dict[str, float]) -> None:
        """A line: how far the run is, its losses, and other figures."""
        if not self.first:
            return
        speed = state.images / max(state.training, 1e-9)
        told = {**figures, **{f"loss/{name}": value for name, value in state.losses.items()}}
        line = {"step": state.step, "seconds": round(state.seconds, 2), "images_per_second": round(speed, 1), **told}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self.board is not None:
            for name, value in told.items():
                self.board.add_scalar(name, value, state.step)
        if time.monotonic() >= self.next_line:
            self.next_line = time.monotonic() + LINE_SECONDS
            loss, steps = sum(state.losses.values()), f"{state.step:,} of {self.steps:,}"
            log.info("step %s: loss %.3f, %.0f images/s", steps, loss, speed)
