"""The baseline: all tracklets of all cameras under one softmax (UTAL §4.3, "Single-Task Classification").

What one person left in two cameras is pushed apart as if it were two people.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from reid.methods import Batch, LearningMethod, MethodConfig, Recipe, Situation, Tracklets
from reid.methods.classifier import CameraClassifier

RECIPE = Recipe(epochs=80, batch=60, frames=1, head="embedding")  # as UGA and EEA, to compare with


@dataclass(frozen=True)
class SingleTaskConfig(MethodConfig):
    """Settings of the baseline."""

    method = "single-task"

    recipe: Recipe = RECIPE
    scale: float | None = None
    """None: logits are Wᵀx; else so many times the cosine."""

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> SingleTaskConfig:
        """With a cosine, as the other methods have it."""
        return cls(scale=16.0)


class SingleTask(LearningMethod):
    """One classifier of all tracklets."""

    sampling = "camera-even"

    def __init__(self, tracklets: Tracklets, width: int, config: SingleTaskConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        together = torch.zeros(len(tracklets), dtype=torch.int64)
        self.classifier = CameraClassifier(together, 1, width, config.scale, seed)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the tracklets."""
        return {"entropy": functional.cross_entropy(self.classifier(batch.embedding), batch.tracklet)}
