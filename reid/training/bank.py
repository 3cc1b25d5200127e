"""Features of all data by the encoder as it now is.

With them a method associates at the start of an epoch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from reid.encoder import Encoder
from reid.methods import Bank, LearningMethod
from reid.tracklets import TrackletDataset
from reid.training.precision import Precision
from reid.training.ranks import rank, ranks

BYTES = 4 * 2**30  # a larger bank lies in main memory, in half precision
AT_ONCE = 256  # crops
STRIPES = 8  # of the map, for the methods that compare parts


@torch.no_grad()
def encode_all(
    encoder: Encoder,
    dataset: TrackletDataset,
    method: LearningMethod,
    numbers: NDArray[np.int64],
    precision: Precision,
) -> Bank:
    """Features of all crops as the method wants them. The ranks share the work.

    Args:
        encoder: Left in training mode.
        dataset: Of I crops and T tracklets.
        method: Says whether rows are images or tracklets, and whether it needs stripes.
        numbers: (I,) the method's numbers of the crops, in which rows of images stand.
        precision: In which the encoder computes.
    """
    encoder.eval()
    device = method.camera.device
    images = method.bank_unit == "image"
    row_of_crop = numbers if images else dataset.tracklet
    rows = len(dataset.crops) if images else len(dataset)
    sums: list[Tensor] = []  # embeddings and, where they are wanted, stripes
    share = np.array_split(np.arange(len(dataset.crops)), ranks())[rank()]
    for start in range(0, max(1, len(share)), AT_ONCE):  # once even with nothing, to know the shapes
        part = share[start : start + AT_ONCE]
        with precision.autocast():
            crops = dataset.gather(part).permute(0, 2, 3, 1).to(device)
            features = encoder.features(crops, STRIPES if method.needs_stripes else None)
        wanted = [values for values in (features.embedding, features.stripes) if values is not None]
        if not sums:
            large = rows * sum(values[0].numel() for values in wanted) * 4 > BYTES
            kind, home = (torch.float16, torch.device("cpu")) if large else (torch.float32, device)
            sums = [torch.zeros((rows, *values.shape[1:]), dtype=kind, device=home) for values in wanted]
        for total, values in zip(sums, wanted):
            total.index_add_(0, torch.from_numpy(row_of_crop[part]).to(total.device), values.to(total))
    for total in sums:
        if ranks() > 1:
            distributed.all_reduce(total)
        if not images:
            total /= torch.from_numpy(dataset.length).to(total).view(-1, *[1] * (total.ndim - 1))
    encoder.train()
    return Bank(*sums)
