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

from reid.methods import Batch, LearningMethod, Recipe, Tracklets, new_method
from reid.tracklets import TrackletDataset, no_pairs
from reid.training.samplers import Sampler
from reid.training.settings import Settings

AHEAD = 3  # batches that are read while the device works


def image_numbers(dataset: TrackletDataset, seed: int) -> NDArray[np.int64]:
    """(I,) the number under which a method knows each crop.

    Random, as the tracklets' own numbers are: in the dataset's order files of one person follow each other.
    """
    return np.random.default_rng([seed, len(dataset.crops)]).permutation(len(dataset.crops))


def unlabelled(dataset: TrackletDataset, numbers: NDArray[np.int64]) -> Tracklets:
    """What a method may know of the dataset: no identities. numbers (I,): those of the crops."""
    image_tracklet = np.empty(len(numbers), np.int64)
    image_tracklet[numbers] = dataset.tracklet
    image_time = np.empty(len(numbers))
    image_time[numbers] = dataset.time
    return Tracklets(
        torch.from_numpy(dataset.tracklet_camera),
        len(dataset.camera_names),
        torch.from_numpy(image_tracklet),
        torch.from_numpy(dataset.cannot_link),
        torch.from_numpy(image_time),
        torch.from_numpy(dataset.must_link),
    )


class Batches:
    """The batches of every epoch, as the method's `sampling` and the recipe want them."""

    def __init__(
        self, dataset: TrackletDataset, method: LearningMethod, recipe: Recipe, seed: int, identity: Tensor | None
    ) -> None:
        """The batches of a run.

        Args:
            dataset: T tracklets.
            method: It says how to sample.
            recipe: It says how much.
            seed: Of the order.
            identity: (T,) for the method that samples by it, else None.
        """
        cameras = len(dataset.camera_names)
        self.dataset = dataset
        self.row_order: NDArray[np.int64] | None = None
        tracklets = max(1, recipe.batch // recipe.frames)
        # An "image" with company is one of a random tracklet's: what a batch mean needs.
        if method.sampling == "camera-even":
            sampler = Sampler.camera_even(dataset, max(1, tracklets // cameras), recipe.frames, seed=seed)
        elif method.sampling == "identity":
            assert identity is not None
            sampler = self._by_identity(identity.numpy(), tracklets, recipe.frames, seed)
        elif method.sampling == "image" and recipe.frames == 1:
            sampler = Sampler.by_image(dataset, recipe.batch, seed=seed)
        else:
            sampler = Sampler.by_tracklet(dataset, tracklets, recipe.frames, seed=seed)
        camera_tracklets = np.bincount(dataset.tracklet_camera, minlength=cameras)
        smallest_camera = int(camera_tracklets[camera_tracklets > 0].min())
        steps = {
            "images": len(dataset.crops) // sampler.batch,
            "tracklets": len(dataset) * recipe.frames // sampler.batch,
            "smallest-camera": smallest_camera * cameras * recipe.frames // sampler.batch,
        }[recipe.epoch]
        self.sampler = replace(sampler, steps=max(1, steps))
        self.steps = self.sampler.steps
        """Of an epoch."""
        self.groups = len(sampler.groups) if recipe.camera_by_camera else 1
        """Parts of a batch that are batch normalised by themselves."""
        self.tracklets = len(sampler.groups) * sampler.per_group
        """In a batch."""

    def _by_identity(self, people: NDArray[np.int64], batch: int, frames: int, seed: int) -> Sampler:
        """An identity counts as one tracklet, whatever its cameras."""
        person_of_row = people[self.dataset.tracklet]
        self.row_order = np.argsort(person_of_row, kind="stable")
        length = np.unique(person_of_row, return_counts=True)[1]
        identities = replace(
            self.dataset,
            start=np.cumsum(length) - length,
            length=length,
            tracklet_camera=np.zeros(len(length), np.int64),
            source_tracklet=np.arange(len(length)),
            cannot_link=no_pairs(),
            must_link=no_pairs(),
        )
        return Sampler.by_tracklet(identities, min(batch, len(length)), frames, seed=seed)

    def epoch(self, epoch: int, first: int) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
        """The batches of an epoch from step `first` on.

        Yields:
            Rows (P, K) of the dataset, K of each of P tracklets. With them come their crops (P · K, H, W, 3) uint8.
        """
        rows = self.sampler.epoch(epoch)
        if self.row_order is not None:
            rows = self.row_order[rows]
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


def labelled(embedding: Tensor, rows: NDArray[np.int64], dataset: TrackletDataset, numbers: NDArray[np.int64]) -> Batch:
    """Embeddings (B, D) of crops `rows` (B,) with what the methods may know of them. numbers (I,): see `unlabelled`."""
    device = embedding.device
    tracklet = dataset.tracklet[rows]
    camera = dataset.tracklet_camera[tracklet]
    return Batch(embedding, _to(device, tracklet), _to(device, camera), _to(device, numbers[rows]))


def sharers(dataset: TrackletDataset, settings: Settings, most: int) -> int:
    """How many ranks, of `most`, can share each batch equally, in whole tracklets. 1 where no more can."""
    known, epochs = unlabelled(dataset, image_numbers(dataset, settings.seed)), settings.epochs or 1
    method = new_method(settings.config, known, 1, epochs, settings.seed)  # of any width: only its sampling counts
    batches = Batches(dataset, method, settings.config.recipe, settings.seed, None)
    whole = batches.tracklets // batches.groups
    return max((n for n in range(1, most + 1) if whole % (settings.accumulate * n) == 0), default=1)


def _to(device: torch.device, values: NDArray[np.int64]) -> Tensor:
    """Onto the device without waiting for it."""
    tensor = torch.from_numpy(np.ascontiguousarray(values))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
