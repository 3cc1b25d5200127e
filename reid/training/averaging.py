"""The moving average of an encoder's weights, which is tested and kept in its place."""

from __future__ import annotations

import copy

import torch

from reid.encoder import Encoder


class WeightAverage:
    """An encoder whose weights and statistics follow those of another one that learns."""

    def __init__(self, encoder: Encoder, decay: float) -> None:
        """It starts as `encoder`. decay: how much of the average stays at each step, once it is old."""
        self.encoder = copy.deepcopy(encoder)
        self.decay = decay

    @torch.no_grad()
    def follow(self, encoder: Encoder, step: int) -> None:
        """Takes the weights in. The decay starts low, as TensorFlow's does: else a short run's average stands still.

        Args:
            encoder: The one that learns, after a step.
            step: How many steps came before that one.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        for average, weight in zip(self.encoder.state_dict().values(), encoder.state_dict().values()):
            if average.is_floating_point():
                average.lerp_(weight, 1 - decay)
