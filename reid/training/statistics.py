"""The statistics of batch normalisations, from one pass over some pictures.

A new layer says mean 0 and variance 1. In evaluation mode an encoder of such layers gives nearly the same for every
crop. From random weights the first bank's rows have a mean cosine of 0.94. Memories that are filled with it are of no
use.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from reid.encoder import Encoder
from reid.tracklets import TrackletDataset
from reid.training.optimiser import random_seed
from reid.training.precision import Precision

BATCHES, AT_ONCE = 16, 128  # crops


def settle_statistics(encoder: Encoder, dataset: TrackletDataset, precision: Precision, seed: int) -> None:
    """Gives new batch normalisations the mean statistics of some batches. Those that have learned keep theirs.

    Args:
        encoder: Comes back in training mode.
        dataset: Crops are drawn from it.
        precision: In which the encoder computes.
        seed: Of which crops are drawn.
    """
    new = [layer for layer in batch_norms(encoder) if not layer.num_batches_tracked]
    device = next(encoder.parameters()).device
    order = np.random.default_rng(random_seed(seed, 4)).permutation(len(dataset.crops))[: BATCHES * AT_ONCE]
    batches = [order[k : k + AT_ONCE] for k in range(0, len(order), AT_ONCE) if len(order[k : k + AT_ONCE]) > 1]
    with precision.autocast():
        take_statistics(encoder, new, (dataset.gather(rows).permute(0, 2, 3, 1).to(device) for rows in batches if new))
    encoder.train()


def batch_norms(encoder: Encoder) -> list[_BatchNorm]:
    """All its batch normalisations."""
    return [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm)]


@torch.no_grad()
def take_statistics(encoder: Encoder, layers: Sequence[_BatchNorm], batches: Iterable[Tensor]) -> None:
    """Gives some batch normalisations the mean statistics of some batches.

    Args:
        encoder: Comes back in evaluation mode.
        layers: Of the encoder. They see each batch by its own statistics, the others by theirs.
        batches: (N, height, width, 3) crops each, on the encoder's device.
    """
    momenta = [layer.momentum for layer in layers]
    encoder.eval()
    for layer in layers:
        layer.train()
    for number, crops in enumerate(batches, 1):
        for layer in layers:
            layer.momentum = 1 / number  # the mean over all batches, also where a batch counts as several groups
        encoder(crops)
    for layer, momentum in zip(layers, momenta):
        layer.momentum = momentum
    encoder.eval()
