"""Tiny encoders, and crops for them."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from reid.encoder import Encoder, EncoderConfig

TINY = EncoderConfig(channels=(4, 8, 8, 8, 8), blocks=(1, 1, 1, 1), stripes=2, dimensions=16, height=64, width=32)


def tiny(head: str, **others: Any) -> EncoderConfig:
    """TINY with another head, of the dimensions that this has by itself."""
    return dataclasses.replace(TINY, head=head, dimensions=0, **others)  # type: ignore[arg-type]


def random_crops(count: int, config: EncoderConfig) -> torch.Tensor:
    shape = (count, config.height, config.width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def lived_in(encoder: Encoder) -> Encoder:
    """With other statistics than those of the start."""
    encoder.train()
    for _ in range(5):
        encoder(random_crops(8, encoder.config))
    return encoder.eval()
