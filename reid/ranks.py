"""Training on several ranks. Each sees its share of a batch's tracklets; embeddings are put together, so every rank has
the loss of the whole batch, of which it takes its part: gradients then sum over the ranks to what one rank would have.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


def rank() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


class _Sum(torch.autograd.Function):
    """The sum over ranks; what each rank's loss asks of it is summed on the way back."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        x = x.clone()
        distributed.all_reduce(x)
        return x

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient


def from_all_ranks(x: Tensor) -> Tensor:
    """(…) of each rank → (ranks, …), with gradient."""
    everything = torch.zeros((ranks(), *x.shape), dtype=x.dtype, device=x.device)
    everything[rank()] = x  # a copy that autograd follows
    gathered: Tensor = _Sum.apply(everything)
    return gathered


class RankNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over the batches of all ranks, which are equally large. (SyncBatchNorm runs on CUDA only.)"""

    def _check_input_dim(self, input: Tensor) -> None: ...

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        x = input.float()
        over, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
        means, variances = from_all_ranks(torch.stack([x.mean(over), x.var(over, correction=0)])).unbind(1)
        mean = means.mean(0)
        variance = (variances + (means - mean).square()).mean(0)
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            count = x.numel() / x.shape[1] * ranks()
            momentum = 0.1 if self.momentum is None else self.momentum
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * (count / max(1.0, count - 1)), momentum)
        x = (x - mean.view(shape)) * (variance.view(shape) + self.eps).rsqrt()
        if self.affine:
            x = x * self.weight.view(shape) + self.bias.view(shape)
        return x.to(input.dtype)


class RankDropout(nn.Dropout):
    """Draws the mask of the whole batch, as one rank would, and takes this rank's rows."""

    def __init__(self, p: float, frames: int) -> None:
        super().__init__(p)
        self.frames = frames

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or not self.p:
            return input
        every = (len(input) // self.frames, ranks(), self.frames, *input.shape[1:])
        mask = torch.empty(every, device=input.device).bernoulli_(1 - self.p)[:, rank()].flatten(0, 1)
        return input * mask.to(input.dtype) / (1 - self.p)


def over_ranks(module: nn.Module, frames: int) -> nn.Module:
    """The same with batch normalisation and dropout of the whole batch; ghost groups stay as they are, in a rank."""
    for name, child in module.named_children():
        if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d) and ranks() > 1:
            new: nn.Module = RankNorm(child.num_features, child.eps, child.momentum, child.affine)  # type: ignore[arg-type]
            new.load_state_dict(child.state_dict())
        elif type(child) is nn.Dropout:
            new = RankDropout(child.p, frames)
        else:
            new = over_ranks(child, frames)
        setattr(module, name, new)
    return module


def sum_gradients(parameters: list[nn.Parameter]) -> None:
    """Over ranks, in one piece."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, piece in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(piece.view_as(gradient))


def wait_for_ranks() -> None:
    if ranks() > 1:
        distributed.barrier()
