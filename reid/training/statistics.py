"""The statistics of batch normalisations that have seen nothing yet, from one pass over some of the data.

A new layer says mean 0 and variance 1. In evaluation mode an encoder of such layers gives nearly the same for every
crop. From random weights the first bank's rows have a mean cosine of 0.94. Memories that are filled with it are of no
use.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from reid.encoder import Encoder
from reid.tracklets import TrackletDataset
from reid.training.optimiser import random_seed
from reid.training.precision import Precision

BATCHES, AT_ONCE = 16, 128  # crops


@torch.no_grad()
def settle_statistics(encoder: Encoder, dataset: TrackletDataset, precision: Precision, seed: int) -> None:
    """Gives new batch normalisations the mean statistics of some batches. Those that have learned keep theirs.

    Args:
        encoder: Comes back in training mode.
        dataset: Crops are drawn from it.
        precision: In which the encoder computes.
        seed: Of which crops are drawn.
    """
    new = [layer for layer in encoder.modules() if isinstance(layer, _BatchNorm) and not layer.num_batches_tracked]
    momenta = [layer.momentum for layer in new]
    encoder.eval()
    for layer in new:
        layer.train()
    device = next(encoder.parameters()).device
    order = np.random.default_rng(random_seed(seed, 4)).permutation(len(dataset.crops))[: BATCHES * AT_ONCE]
    batches = [order[k : k + AT_ONCE] for k in range(0, len(order), AT_ONCE) if len(order[k : k + AT_ONCE]) > 1]
    for number, rows in enumerate(batches if new else [], 1):
        for layer in new:
            layer.momentum = 1 / number  # the mean over all batches, also where a batch counts as several groups
        with precision.autocast():
            encoder(dataset.gather(rows).permute(0, 2, 3, 1).to(device))
    for layer, momentum in zip(new, momenta):
        layer.momentum = momentum
    encoder.train()
