"""Which crops a method sees in which step, and what it may know of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reid.methods import Batch, Method, Recipe
from reid.samplers import Sampler
from reid.tracklets import TrackletDataset

AHEAD = 3  # batches that are read while the device works


class Batches:
    """Which crops a method sees in which step, and as what number."""

    def __init__(self, dataset: TrackletDataset, method: Method, recipe: Recipe, seed: int, people: Tensor | None):
        cameras = len(dataset.camera_names)
        self.dataset = dataset
        self.order: NDArray[np.int64] | None = None
        tracklets = max(1, recipe.batch // recipe.frames)
        # An "image" with company is one of a random tracklet's: what a batch mean needs.
        if method.sampler == "camera-even":
            sampler = Sampler.camera_even(dataset, max(1, tracklets // cameras), recipe.frames, seed=seed)
        elif method.sampler == "identity":
            assert people is not None
            sampler = self._by_identity(people.numpy(), tracklets, recipe.frames, seed)
        elif method.sampler == "image" and recipe.frames == 1:
            sampler = Sampler.by_image(dataset, recipe.batch, seed=seed)
        else:
            sampler = Sampler.by_tracklet(dataset, tracklets, recipe.frames, seed=seed)
        smallest = np.bincount(dataset.tracklet_camera, minlength=cameras)
        steps = {
            "images": len(dataset.crops) // sampler.batch,
            "tracklets": len(dataset) * recipe.frames // sampler.batch,
            "smallest-camera": int(smallest[smallest > 0].min()) * cameras * recipe.frames // sampler.batch,
        }[recipe.epoch]
        self.sampler = replace(sampler, steps=max(1, steps))
        self.steps = self.sampler.steps
        self.groups = len(sampler.groups)
        self.tracklets = self.groups * sampler.per_group

    def _by_identity(self, people: NDArray[np.int64], batch: int, frames: int, seed: int) -> Sampler:
        """An identity counts as one tracklet, whatever its cameras."""
        who = people[self.dataset.tracklet]
        self.order = np.argsort(who, kind="stable")
        length = np.unique(who, return_counts=True)[1]
        identities = replace(
            self.dataset,
            start=np.cumsum(length) - length,
            length=length,
            tracklet_camera=np.zeros(len(length), np.int64),
            source_tracklet=np.arange(len(length)),
            cannot_link=np.zeros((0, 2), np.int64),
        )
        return Sampler.by_tracklet(identities, min(batch, len(length)), frames, seed=seed)

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """From step `first` on: rows (P, K) of the dataset, K of each of P tracklets, and crops (P · K, H, W, 3)."""
        rows = self.sampler.epoch(epoch)
        if self.order is not None:
            rows = self.order[rows]
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(1) as pool:
            for step in range(first, len(rows)):
                while len(waiting) < AHEAD and step + len(waiting) < len(rows):
                    waiting.append(pool.submit(self.crops, rows[step + len(waiting)].ravel()))
                yield rows[step], waiting.popleft().result()

    def crops(self, rows: NDArray[np.int64]) -> Tensor:
        """(B, H, W, 3) uint8 of rows (B,), from where a device can fetch them by itself."""
        crops = self.dataset.gather(rows).permute(0, 2, 3, 1)
        return crops.pin_memory() if torch.cuda.is_available() else crops


def labelled(embedding: Tensor, rows: NDArray[np.int64], dataset: TrackletDataset, number: NDArray[np.int64]) -> Batch:
    """Embeddings (B, D) of crops `rows` (B,) with what the methods may know of them."""
    device = embedding.device
    tracklet = dataset.tracklet[rows]
    camera = dataset.tracklet_camera[tracklet]
    return Batch(embedding, _to(device, tracklet), _to(device, camera), _to(device, number[rows]))


def _to(device: torch.device, values: NDArray[np.int64]) -> Tensor:
    """Onto the device without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
