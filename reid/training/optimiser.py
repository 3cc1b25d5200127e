"""The optimiser, its learning rate at each step, and the seeds of what is random."""

from __future__ import annotations

import numpy as np
import torch

from reid.encoder import Encoder
from reid.methods import LearningMethod, Recipe

MOMENTUM = 0.9  # of sgd and rmsprop


def new_optimiser(encoder: Encoder, method: LearningMethod, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over what the encoder and the method learn.

    Its groups have a `share` of the learning rate. It is fused on CUDA, where fp16 then needs no look at the device.
    """
    backbone = list(encoder.backbone.parameters())
    others = [*encoder.head.parameters(), *method.parameters()]
    groups = [
        {"params": backbone, "share": recipe.backbone_rate},
        {"params": others, "share": 1.0},
    ]
    rate, decay, fused = recipe.learning_rate, recipe.weight_decay, backbone[0].is_cuda
    if recipe.optimiser == "adam":
        return torch.optim.Adam(groups, rate, weight_decay=decay, fused=fused)
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(groups, rate, MOMENTUM, weight_decay=decay, nesterov=recipe.nesterov, fused=fused)
    # The constants of TF-Slim, on which DAL's authors trained: 0.045 is a rate for an ε of 1.
    return torch.optim.RMSprop(groups, rate, alpha=0.9, eps=1.0, weight_decay=decay, momentum=MOMENTUM)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Gives each group its share of the learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


def random_seed(*numbers: int) -> int:
    """One seed of several numbers: a run's seed, the step, and what it is for."""
    return int(np.random.default_rng(numbers).integers(2**62))
