"""Batches follow the method's sampling, go on within an epoch, and carry the numbers that a method knows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from reid.methods import Batch, LearningMethod, Recipe
from reid.tracklets import TrackletDataset
from reid.training import Settings, preset
from reid.training.batches import Batches, image_numbers, labelled, sharers, unlabelled

PEOPLE = np.array([5, 5, 5, 7, 7, 7, 7, 9, 9, 9, 9, 9, 9])


class Sampled(LearningMethod):
    def parts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {}


def batches(
    dataset: TrackletDataset, sampling: Any, *, batch: int = 12, frames: int = 2, seed: int = 0, **recipe: Any
) -> Batches:
    method = Sampled(unlabelled(dataset, image_numbers(dataset, 0)), 1)
    method.sampling = sampling
    identity = torch.from_numpy(PEOPLE) if sampling == "identity" else None
    return Batches(dataset, method, Recipe(epochs=1, batch=batch, frames=frames, **recipe), seed, identity)


def rows_of(made: Batches, epoch: int = 0, first: int = 0) -> list[np.ndarray]:
    return [rows for rows, _ in made.epoch(epoch, first)]


def test_camera_even_batches_hold_as_many_tracklets_of_each_camera(dataset: TrackletDataset) -> None:
    made = batches(dataset, "camera-even", camera_by_camera=True)
    assert (made.tracklets, made.groups, made.steps) == (6, 3, len(dataset.crops) // 12)
    for rows in rows_of(made):
        assert rows.shape == (6, 2)
        assert dataset.camera[rows].tolist() == [[camera] * 2 for camera in (0, 0, 1, 1, 2, 2)]
        assert (dataset.tracklet[rows[:, 0]] == dataset.tracklet[rows[:, 1]]).all()
    assert batches(dataset, "camera-even").groups == 1  # the whole batch is normalised together


def test_tracklet_batches_hold_each_once_an_epoch(dataset: TrackletDataset) -> None:
    made = batches(dataset, "tracklet", batch=8, epoch="tracklets")
    assert (made.tracklets, made.steps) == (4, 13 * 2 // 8)
    tracklets = np.concatenate([dataset.tracklet[rows[:, 0]] for rows in rows_of(made)])
    assert len(set(tracklets.tolist())) == len(tracklets) == 12


def test_image_batches_hold_single_crops(dataset: TrackletDataset) -> None:
    rows = np.concatenate(rows_of(batches(dataset, "image", batch=10, frames=1)))
    assert rows.shape == (len(dataset.crops) // 10 * 10, 1)
    assert len(np.unique(rows)) == rows.size
    company = batches(dataset, "image", batch=10)  # with company: of a random tracklet
    assert rows_of(company)[0].shape == (5, 2)


def test_identity_batches_hold_crops_of_a_person_of_any_camera(dataset: TrackletDataset) -> None:
    made = batches(dataset, "identity", batch=12, frames=4)
    assert made.tracklets == 3  # all people: an identity counts as one tracklet
    cameras = set()
    for rows in rows_of(made):
        shown = PEOPLE[dataset.tracklet[rows]]
        assert (shown == shown[:, :1]).all() and sorted(shown[:, 0].tolist()) == [5, 7, 9]
        cameras |= {tuple(sorted(set(camera))) for camera in dataset.camera[rows].tolist()}
    assert any(len(camera) > 1 for camera in cameras)


def test_an_epoch_may_be_what_the_smallest_camera_has(dataset: TrackletDataset) -> None:
    made = batches(dataset, "camera-even", epoch="smallest-camera")
    assert made.steps == 3 * 3 * 2 // 12  # three tracklets, in three cameras, of two frames


@pytest.mark.parametrize("sampling", ["camera-even", "tracklet", "image", "identity"])
def test_the_middle_of_an_epoch_is_the_same_again(dataset: TrackletDataset, sampling: str) -> None:
    whole = list(batches(dataset, sampling, batch=6).epoch(3, 0))
    assert len(whole) >= 5
    for first in (1, 4):
        rest = list(batches(dataset, sampling, batch=6).epoch(3, first))
        assert len(rest) == len(whole) - first
        for (rows, crops), (again, crops_again) in zip(whole[first:], rest):
            np.testing.assert_array_equal(rows, again)
            assert torch.equal(crops, crops_again)
    other = rows_of(batches(dataset, sampling, batch=6, seed=1), 3)
    assert any(not np.array_equal(rows, again) for (rows, _), again in zip(whole, other))


def test_crops_are_those_of_the_rows(dataset: TrackletDataset) -> None:
    for rows, crops in batches(dataset, "tracklet").epoch(0, 0):
        assert crops.dtype == torch.uint8
        np.testing.assert_array_equal(crops.numpy(), dataset.crops[rows.ravel()])


def test_labelled_embeddings_carry_a_methods_numbers(dataset: TrackletDataset) -> None:
    numbers = image_numbers(dataset, 4)
    assert sorted(numbers) == list(range(len(dataset.crops))) and not np.array_equal(numbers, np.sort(numbers))
    rows = np.array([0, 11, 3, 40, 3])
    batch = labelled(torch.rand(5, 2), rows, dataset, numbers)
    assert batch.tracklet.tolist() == dataset.tracklet[rows].tolist()
    assert batch.camera.tolist() == dataset.camera[rows].tolist()
    assert batch.image.tolist() == numbers[rows].tolist()
    told = unlabelled(dataset, numbers)  # says the same of these images
    assert told.image_tracklet[batch.image].tolist() == batch.tracklet.tolist()
    assert told.camera[batch.tracklet].tolist() == batch.camera.tolist()
    assert told.image_time is not None and told.image_time[batch.image].tolist() == dataset.time[rows].tolist()
    assert (told.cameras, told.cannot_link.tolist()) == (3, [[0, 3], [4, 7]])


@pytest.mark.parametrize(("frames", "accumulate", "ranks"), [(2, 1, 4), (2, 2, 3), (4, 1, 3), (8, 2, 1)])
def test_as_many_ranks_as_divide_a_batch(dataset: TrackletDataset, frames: int, accumulate: int, ranks: int) -> None:
    config = preset("merged")
    config = replace(config, recipe=replace(config.recipe, batch=24, frames=frames))
    settings = Settings(config, "a site", epochs=1, accumulate=accumulate)
    assert sharers(dataset, settings, 5) == ranks
    assert sharers(dataset, settings, 1) == 1
