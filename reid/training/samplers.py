"""Which crops make which batch. An epoch's whole order is one array.

It follows from the seed and the epoch alone. So a run may go on in the middle of an epoch, or on another number of
ranks. It sees the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reid.tracklets import TrackletDataset

_ORDER, _FRAMES = 1, 2  # two independent streams of random numbers of one seed


@dataclass(frozen=True, eq=False)
class Sampler:
    """Batches of the same number of tracklets from each group, `frames` crops of each.

    Every group is gone through in a random order again and again, from one epoch into the next. Each round leaves out
    the remainder of fewer than `per_group`, a different one each time. But for that, after any number of epochs its
    tracklets have come equally often (±1). No tracklet is twice in a batch, except those of a group that has fewer than
    `per_group`.
    """

    dataset: TrackletDataset
    groups: tuple[NDArray[np.int64], ...]  # tracklets, one array a group, none empty
    per_group: int  # tracklets a batch and group
    frames: int  # crops a tracklet and batch, with repeats only where it has fewer
    seed: int
    steps: int  # batches an epoch

    @classmethod
    def camera_even(cls, dataset: TrackletDataset, per_camera: int, frames: int, *, seed: int = 0) -> Self:
        """The same number of tracklets of each camera (UTAL, UGA, EEA), C · per_camera · frames crops.

        An epoch draws as many tracklets as there are. Those of a small camera come more often than those of a large
        one.
        """
        cameras = range(len(dataset.camera_names))
        groups = tuple(np.flatnonzero(dataset.tracklet_camera == camera) for camera in cameras)
        return cls._of(dataset, tuple(group for group in groups if len(group)), per_camera, frames, seed)

    @classmethod
    def by_tracklet(cls, dataset: TrackletDataset, tracklets: int, frames: int, *, seed: int = 0) -> Self:
        """Tracklets whatever their camera, each once an epoch but for the remainder of a batch (DAL, SSL)."""
        return cls._of(dataset, (np.arange(len(dataset)),), tracklets, frames, seed)

    @classmethod
    def by_image(cls, dataset: TrackletDataset, crops: int, *, seed: int = 0) -> Self:
        """Crops whatever their tracklet, each once an epoch but for the remainder of a batch."""
        return cls.by_tracklet(dataset.as_images(), crops, 1, seed=seed)

    @classmethod
    def _of(
        cls, dataset: TrackletDataset, groups: tuple[NDArray[np.int64], ...], per_group: int, frames: int, seed: int
    ) -> Self:
        if per_group < 1 or frames < 1:
            raise ValueError(f"a batch of {per_group} tracklets with {frames} crops each has no crops")
        steps = max(1, len(dataset) // (per_group * len(groups)))
        return cls(dataset, groups, per_group, frames, seed, steps)

    @property
    def batch(self) -> int:
        """Crops in a batch, all ranks together."""
        return len(self.groups) * self.per_group * self.frames

    def epoch(self, epoch: int, *, rank: int = 0, ranks: int = 1) -> NDArray[np.int64]:
        """`(steps, tracklets, frames)` rows of the dataset: batch by batch what this rank trains on.

        A tracklet's crops lie together, and a group's tracklets, so groups of ghost batch norm hold whole tracklets.
        The ranks' parts are disjoint, together the batch of one rank, and as even over the groups as numbers allow.
        """
        if len(self.groups) * self.per_group % ranks:
            raise ValueError(f"{len(self.groups) * self.per_group} tracklets a batch can't be shared by {ranks} ranks")
        rows = range(epoch * self.steps, (epoch + 1) * self.steps)
        tracklets = np.concatenate(
            [
                group[_rounds(len(group), self.per_group, rows, (self.seed, _ORDER, i))]
                for i, group in enumerate(self.groups)
            ],
            axis=1,
        )
        # All ranks draw for all tracklets, so that a tracklet's crops do not depend on how many ranks there are.
        rng = np.random.default_rng([self.seed, _FRAMES, epoch])
        return self.dataset.draw(tracklets, self.frames, rng)[:, rank::ranks]


def _rounds(count: int, width: int, rows: range, seed: tuple[int, int, int]) -> NDArray[np.int64]:
    """`(len(rows), width)` rows of an endless table of 0 … count - 1.

    They are random orders of all, one below the other. A row never holds a number twice unless `count` < `width`. Then
    it holds all of them in every `count` places.
    """
    high = max(1, count // width)  # rows an order fills
    orders = -(-width // count)  # orders that a row needs
    first, last = rows.start // high, (rows.stop - 1) // high
    table = []
    for number in range(first, last + 1):
        rng = np.random.default_rng([*seed, number])
        order = np.concatenate([rng.permutation(count) for _ in range(orders)])
        table.append(order[: high * width].reshape(high, width))
    return np.concatenate(table)[rows.start - first * high : rows.stop - first * high]
