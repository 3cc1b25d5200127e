"""Training on several ranks, processes that share each batch.

Each rank embeds its share of a batch's tracklets. Embeddings are put together, so every rank has the loss of the whole
batch, of which it takes its part. Gradients then sum over the ranks to what one rank would have.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

log = logging.getLogger("sightline")

PATIENCE = timedelta(hours=6)  # one rank may test, or write crops, for long


@contextmanager
def ranks_of_torchrun() -> Iterator[None]:
    """Joins the other ranks where torchrun started this process, else does nothing. Only the first rank logs."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    with joined_ranks():
        yield


@contextmanager
def joined_ranks(**meeting: Any) -> Iterator[None]:
    """Joins the other ranks. Only the first rank logs. Where it fails, the process shall end.

    meeting: `store`, `rank` and `world_size`, as `init_process_group` takes them. Without, torchrun's variables say it.
    """
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE, **meeting)
    if rank():
        log.setLevel(logging.ERROR)
    yield
    distributed.destroy_process_group()  # never after a failure: NCCL would wait for ranks that are gone


def device_of_this_rank() -> torch.device:
    """A CUDA device of its own, or the CPU where there is no CUDA."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def rank() -> int:
    """This process's number, 0 the first, and 0 too where it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """How many processes share each batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


class _Sum(torch.autograd.Function):
    """The sum over ranks. What each rank's loss asks of it is summed on the way back."""

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


def in_batch_order(embedding: Tensor, frames: int) -> Tensor:
    """The batch's embeddings, of those of this rank's share, with gradient.

    Args:
        embedding: (P / ranks · K, D): the ranks take turns in the P tracklets.
        frames: K, crops of a tracklet.

    Returns:
        (P · K, D) float32, or `embedding` itself where there is one rank.
    """
    if ranks() == 1:
        return embedding
    by_rank = from_all_ranks(embedding.float()).unflatten(1, (-1, frames))  # ranks × tracklets × frames × D
    return by_rank.transpose(0, 1).flatten(0, 2)


class RankNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over the batches of all ranks, which are equally large. SyncBatchNorm runs on CUDA only."""

    def _check_input_dim(self, input: Tensor) -> None: ...

    def forward(self, input: Tensor) -> Tensor:
        """(N, C) or (N, C, H, W), of this rank."""
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
        """(N, …) of this rank."""
        if not self.training or not self.p:
            return input
        whole = (len(input) // self.frames, ranks(), self.frames, *input.shape[1:])
        mask = torch.empty(whole, device=input.device).bernoulli_(1 - self.p)[:, rank()].flatten(0, 1)
        return input * mask.to(input.dtype) / (1 - self.p)


def over_ranks(module: nn.Module, frames: int) -> nn.Module:
    """The same with batch normalisation and dropout of the whole batch. Ghost groups stay as they are, in a rank."""
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
    """Over ranks, in one piece. Nothing happens where there is one rank."""
    if ranks() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, piece in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(piece.view_as(gradient))


def number_of_first_rank(number: float) -> float:
    """The first rank's, for all. Each rank gives its own."""
    if ranks() == 1:
        return number
    shared = torch.tensor(number, dtype=torch.float64)
    distributed.broadcast(shared, 0)
    return float(shared)


def bytes_of_first_rank(data: bytes) -> bytes:
    """The first rank's, for all. What others give is not looked at."""
    if ranks() == 1:
        return data
    shared = torch.zeros(int(number_of_first_rank(len(data))), dtype=torch.uint8)
    if rank() == 0:
        shared.numpy()[:] = np.frombuffer(data, np.uint8)
    distributed.broadcast(shared, 0)
    return shared.numpy().tobytes()


def same_on_all_ranks(module: nn.Module) -> None:
    """Gives all ranks the first one's parameters and buffers: a near tie must not fall differently on another rank."""
    if ranks() > 1:
        for tensor in (*module.parameters(), *module.buffers()):
            distributed.broadcast(tensor.detach(), 0)


def wait_for_ranks() -> None:
    """Returns when all ranks have come here."""
    if ranks() > 1:
        distributed.barrier()
