"""Batches: who is in them, and that nothing but seed and epoch decides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reid.tracklets import TrackletDataset
from reid.training.samplers import Sampler

LENGTHS = np.concatenate([np.arange(1, 41) % 7 + 1, np.arange(1, 14) % 5 + 1, [2, 9, 4]])
CAMERA = np.repeat([0, 1, 2], [40, 13, 3])


@pytest.fixture
def data() -> TrackletDataset:
    """40, 13 and 3 tracklets of three cameras, numbered at random, without pictures."""
    order = np.random.default_rng(0).permutation(len(LENGTHS))
    count = int(LENGTHS.sum())
    return TrackletDataset(
        crops=np.zeros((count, 4, 2, 3), np.uint8),
        time=np.arange(count, dtype=float),
        start=(np.cumsum(LENGTHS) - LENGTHS)[order],
        length=LENGTHS[order],
        tracklet_camera=CAMERA[order],
        source_tracklet=order,
        cannot_link=np.zeros((0, 2), np.int64),
        camera_names=("a", "b", "c"),
    )


def test_camera_even_batches(data: TrackletDataset) -> None:
    sampler = Sampler.camera_even(data, per_camera=5, frames=4, seed=1)
    rows = sampler.epoch(0)
    assert rows.shape == (56 // 15, 15, 4) == (sampler.steps, sampler.batch // 4, 4)
    tracklets = data.tracklet[rows]
    assert (tracklets == tracklets[..., :1]).all()  # a tracklet's crops lie together
    np.testing.assert_array_equal(data.tracklet_camera[tracklets[..., 0]], np.tile(np.repeat([0, 1, 2], 5), (3, 1)))
    for batch in tracklets[..., 0]:
        assert len(set(batch[:10])) == 10  # nobody twice where a camera has enough
        assert set(batch[10:]) == set(np.flatnonzero(data.tracklet_camera == 2))  # nobody missing where it has not
    repeated = (np.diff(np.sort(rows, axis=-1)) == 0).any(-1)
    np.testing.assert_array_equal(repeated, data.length[tracklets[..., 0]] < 4)


def test_every_tracklet_of_a_camera_comes_equally_often(data: TrackletDataset) -> None:
    sampler = Sampler.camera_even(data, per_camera=5, frames=1, seed=1)
    tracklets = np.concatenate([data.tracklet[sampler.epoch(epoch)[..., 0]] for epoch in range(40)])
    counts = np.bincount(tracklets.ravel(), minlength=len(data))
    assert np.ptp(counts[data.tracklet_camera == 0]) <= 1  # 40 is a multiple of 5: exactly by turns
    camera_counts = counts[data.tracklet_camera == 1]  # 3 of 13 sit out each round: 46.2 on average
    assert camera_counts.min() > 36 and camera_counts.max() < 56
    assert counts[data.tracklet_camera == 2].sum() == 40 * 3 * 5
    first = tracklets[:8, :5].ravel()
    np.testing.assert_array_equal(np.sort(first), np.flatnonzero(data.tracklet_camera == 0))  # across epochs


def test_cameras_of_one_size_are_gone_through_independently(data: TrackletDataset) -> None:
    sampler = Sampler.camera_even(data, per_camera=5, frames=1, seed=1)
    same = replace(sampler, groups=(np.arange(20), np.arange(20)))
    first, second = np.split(data.tracklet[same.epoch(0)[..., 0]], 2, axis=1)
    assert (first == second).mean() < 0.3


def test_by_tracklet_and_by_image(data: TrackletDataset) -> None:
    sampler = Sampler.by_tracklet(data, 8, 2, seed=0)
    rows = sampler.epoch(4)
    assert rows.shape == (7, 8, 2)
    np.testing.assert_array_equal(np.sort(data.tracklet[rows[..., 0]].ravel()), np.arange(56))
    sampler = Sampler.by_image(data, 16, seed=0)
    rows = sampler.epoch(2)
    count = int(LENGTHS.sum())
    assert rows.shape == (count // 16, 16, 1)
    assert len(np.unique(rows)) == rows.size
    assert (np.diff(rows[..., 0].ravel()) == 1).mean() < 0.05
    everything = {int(row) for epoch in range(6) for row in sampler.epoch(epoch).ravel()}
    assert everything == set(range(count))  # each round's remainder is another one
    few = Sampler.by_tracklet(data, 100, 1, seed=0).epoch(0)  # more than there are
    assert few.shape == (1, 100, 1)
    assert np.bincount(data.tracklet[few].ravel()).tolist().count(0) == 0


def test_seed_and_epoch_decide_and_nothing_else(data: TrackletDataset) -> None:
    sampler = Sampler.camera_even(data, per_camera=4, frames=3, seed=5)
    sampler.epoch(0)
    np.testing.assert_array_equal(sampler.epoch(7), Sampler.camera_even(data, 4, 3, seed=5).epoch(7))
    others = [sampler.epoch(8), Sampler.camera_even(data, 4, 3, seed=6).epoch(7)]
    assert all((other != sampler.epoch(7)).mean() > 0.5 for other in others)


@pytest.mark.parametrize("ranks", [2, 3, 6])
def test_ranks_share_each_batch(data: TrackletDataset, ranks: int) -> None:
    sampler = Sampler.camera_even(data, per_camera=6, frames=4, seed=0)
    whole = sampler.epoch(3)
    parts = [sampler.epoch(3, rank=rank, ranks=ranks) for rank in range(ranks)]
    for step in range(sampler.steps):
        together = sorted(map(tuple, np.concatenate([part[step] for part in parts]).tolist()))
        assert together == sorted(map(tuple, whole[step].tolist()))
    for part in parts:
        assert part.shape == (sampler.steps, 18 // ranks, 4)
        cameras = data.camera[part[0, :, 0]]
        assert np.bincount(cameras, minlength=3).tolist() == [6 // ranks] * 3
    with pytest.raises(ValueError, match="can't be shared by 4 ranks"):
        sampler.epoch(0, ranks=4)


def test_who_is_drawn_does_not_depend_on_how_tracklets_are_numbered(data: TrackletDataset) -> None:
    """Neighbouring numbers are no more often in one batch than others: the source's order leaves no trace."""
    sampler = Sampler.by_tracklet(data, 8, 1, seed=0)
    together = np.zeros((56, 56))
    for epoch in range(60):
        for batch in data.tracklet[sampler.epoch(epoch)[..., 0]]:
            together[np.ix_(batch, batch)] += 1
    neighbours = np.diagonal(together, 1).mean()
    assert neighbours == pytest.approx(together[~np.eye(56, dtype=bool)].mean(), rel=0.12)


def test_refuses_empty_batches(data: TrackletDataset) -> None:
    with pytest.raises(ValueError, match="has no crops"):
        Sampler.camera_even(data, 0, 4)
    with pytest.raises(ValueError, match="has no crops"):
        Sampler.by_tracklet(data, 4, 0)
