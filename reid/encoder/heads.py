"""From a backbone's map to an embedding: what each method's paper has there."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LEAST = 1e-4  # under the root of the generalised mean, whose gradient has no bound at 0


class Mean(nn.Module):
    """Global average pooling: (N, C, h, w) → (N, C)."""

    def forward(self, mapped: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C)."""
        return mapped.float().mean((2, 3))


class GeneralisedMean(nn.Module):
    """GeM pooling (Radenović et al., 2018), for maps that have nothing below 0: (N, C, h, w) → (N, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(3.0))  # 1: the mean, ∞: the maximum

    def forward(self, mapped: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C)."""
        return mapped.float().clamp(min=LEAST).pow(self.power).mean((2, 3)).pow(1.0 / self.power)


class PooledHead(nn.Module):
    """A pooled map, and layers on it: none, UTAL's or UGA's. For EEA rows have length 1 (`normalises`)."""

    def __init__(self, pool: nn.Module, layers: nn.Module, *, normalises: bool) -> None:
        super().__init__()
        self.pool = pool
        self.layers = layers
        self.normalises = normalises

    def forward(self, mapped: Tensor, pooled: Tensor | None = None) -> Tensor:
        """(N, C, h, w) → (N, D). `pooled`: what `pool` made of the map, where it is at hand."""
        out: Tensor = self.layers(self.pool(mapped) if pooled is None else pooled)
        return functional.normalize(out.float()) if self.normalises else out


class StripeHead(nn.Module):
    """The whole map averaged and each horizontal stripe of it pooled by a generalised mean, projected, normalised.

    Stripes keep what is worn where. The batch normalisation at the end is the neck of Luo et al. (2019).
    """

    normalises = True

    def __init__(self, inputs: int, stripes: int, dimensions: int) -> None:
        super().__init__()
        self.stripes = stripes
        self.pool = Mean()
        self.power = nn.Parameter(torch.tensor(3.0))  # of the generalised mean: 1 the mean, ∞ the maximum
        self.project = nn.Linear(inputs * (stripes + 1), dimensions, bias=False)
        self.neck = nn.BatchNorm1d(dimensions)

    def forward(self, mapped: Tensor, pooled: Tensor | None = None) -> Tensor:
        """(N, C, h, w), h a multiple of the stripes → (N, dimensions), rows of length 1."""
        parts = mapped.float().clamp(min=LEAST).unflatten(2, (self.stripes, -1))  # N C stripes rows w
        stripes = parts.pow(self.power).mean((3, 4)).pow(1.0 / self.power).flatten(1)
        whole = self.pool(mapped) if pooled is None else pooled
        return functional.normalize(self.neck(self.project(torch.cat([whole, stripes], 1))))


def fc(inputs: int, dimensions: int) -> nn.Sequential:
    """UTAL's camera-shared layer, 2,048-D (§5).

    Its predecessor's code puts batch normalisation and ReLU behind it.
    """
    return nn.Sequential(nn.Linear(inputs, dimensions), nn.BatchNorm1d(dimensions), nn.ReLU(inplace=True))


def embedding_block(inputs: int, dimensions: int, dropout: float) -> nn.Sequential:
    """UGA's and EEA's embedding block: BN–Dropout–FC 1024–BN (UGA §4.1, EEA Figure 2)."""
    return nn.Sequential(
        nn.BatchNorm1d(inputs), nn.Dropout(dropout), nn.Linear(inputs, dimensions), nn.BatchNorm1d(dimensions)
    )
