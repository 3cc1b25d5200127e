"""How far a training is, in memory and on disk: all that the next step needs."""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reid.training.errors import Diverged
from reid.training.ranks import bytes_of_first_rank, rank
from reid.whole_file import whole_file

log = logging.getLogger("sightline")

CHECKPOINT_SECONDS = 60.0


@dataclass
class State:
    """How far a run is. With the weights it is all that a checkpoint holds."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    """Of training with all that it needs, without tests."""
    training: float = 0.0
    """Seconds of the steps alone."""
    refresh: float = 0.0
    """Seconds that the latest epoch took to begin."""
    start: dict[str, float] | None = None
    """Scores before the first step."""
    final: dict[str, float] | None = None
    """Scores of the last test."""
    curves: dict[str, float] = field(default_factory=dict)
    """Of this epoch: what the method told at its start."""
    losses: dict[str, float] = field(default_factory=dict)
    """Of this epoch, the mean up to this step."""


class Checkpoint:
    """`checkpoint.pt` in a run's folder."""

    def __init__(self, folder: Path, state: State, parts: dict[str, Any]) -> None:
        """parts: what has a state of its own, by name, as the encoder and the optimiser."""
        self.path = folder / "checkpoint.pt"
        self.state, self.parts = state, parts
        self.saved = time.monotonic()

    def load(self, device: torch.device) -> None:
        """Puts what the first rank saved into state and parts. It leaves them where nothing was."""
        data = bytes_of_first_rank(self.path.read_bytes() if rank() == 0 and self.path.is_file() else b"")
        if not data:
            return
        written = torch.load(io.BytesIO(data), weights_only=True, map_location=device)
        for name, part in self.parts.items():
            part.load_state_dict(written[name])
        for name, value in written["state"].items():
            setattr(self.state, name, value)
        log.info("going on at step %s", f"{self.state.step:,}")

    @property
    def due(self) -> bool:
        """Whether the last one is old."""
        return time.monotonic() - self.saved > CHECKPOINT_SECONDS

    def save(self) -> None:
        """Writes all, whole or not at all, on the first rank. Raises Diverged where weights are no numbers."""
        if rank() == 0:
            modules = [part for part in self.parts.values() if isinstance(part, nn.Module)]
            weights = [weight for module in modules for weight in module.parameters()]
            if not bool(torch.stack([weight.isfinite().all() for weight in weights]).all()):
                raise Diverged(
                    f"weights are no numbers any more at step {self.state.step}: lower recipe.learning_rate with --set"
                )
            written = {name: part.state_dict() for name, part in self.parts.items()}
            with whole_file(self.path) as part, part.open("wb") as file:
                try:
                    torch.save({**written, "state": dataclasses.asdict(self.state)}, file)
                except RuntimeError as error:  # torch makes this of a disk that takes no more
                    if isinstance(error.__context__, OSError):
                        raise error.__context__ from None
                    raise
                file.flush()
                os.fsync(file.fileno())
        self.saved = time.monotonic()
