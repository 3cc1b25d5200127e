"""Ghost batch normalisation: statistics of groups of a batch (Hoffer et al., "Train longer, generalize better", 2017).

The size of the group that is normalised together decides results when one large GPU takes the whole batch. The noise of
small groups is what made the same recipe work on several small ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


class GhostNorm(_BatchNorm):
    """Batch normalisation in contiguous groups of `group` images or a little more. In evaluation it is as ever.

    Give it batches whose groups are whole people or tracklets. Their length should divide `group`, and `group` the
    batch. Running statistics take one step a group.
    """

    def __init__(self, features: int, eps: float, momentum: float | None, group: int) -> None:
        super().__init__(features, eps, momentum)
        self.group = group

    def _check_input_dim(self, input: Tensor) -> None: ...

    def forward(self, input: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W)."""
        if not self.training:  # asked first: an export must not look at the number of images
            return super().forward(input)
        groups = max(1, len(input) // self.group)
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked.add_(groups)
        parts = [
            functional.batch_norm(
                part, self.running_mean, self.running_var, self.weight, self.bias, True, self.momentum, self.eps
            )
            for part in input.tensor_split(groups)
        ]
        return torch.cat(parts)


def with_ghost_norm(module: nn.Module, group: int) -> nn.Module:
    """The same module with its batch normalisations, one and two dimensional, in groups of `group` images."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
            ghost = GhostNorm(child.num_features, child.eps, child.momentum, group)
            ghost.load_state_dict(child.state_dict())
            setattr(module, name, ghost)
        else:
            with_ghost_norm(child, group)
    return module
