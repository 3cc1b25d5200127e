"""What is done to a trained encoder, or with it, when other cameras are searched."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bench import after_training
from bench.after_training import Pictures, at, by_camera, matched, mixed, ranked_by_places, read_pictures, ways
from bench.encoder import LabelledCrops
from reid.encoder import EncoderConfig, new_encoder
from reid.training.statistics import batch_norms

ENCODER = new_encoder(EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=2, height=64, width=32), seed=0)


def crops(count: int, seed: int, brightness: int = 255) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, brightness, (count, 64, 32, 3), np.uint8))


def test_a_share_of_the_statistics_is_the_cameras_own() -> None:
    own = crops(20, 1)
    before, half, whole = (mixed(ENCODER, own, share) for share in (0.0, 0.5, 1.0))
    for layers in zip(*map(batch_norms, (ENCODER, before, half, whole)), strict=True):
        of_encoder, old, between, new = (layer.running_var for layer in layers)
        assert of_encoder is not None and old is not None and between is not None and new is not None
        assert torch.equal(of_encoder, old)
        torch.testing.assert_close(between, (old + new) / 2)
    assert torch.equal(ENCODER.embed(own), before.embed(own))
    assert not torch.equal(before.embed(own), half.embed(own))


def test_statistics_of_each_camera_are_of_its_own_pictures() -> None:
    cameras = np.array([1, 1, 1, 2, 2, 2])
    images = torch.cat([crops(3, 1), crops(3, 2, 60)])
    side = LabelledCrops(list(images.numpy()), [1, 2, 3, 1, 2, 3], cameras.tolist())
    query, gallery, _ = by_camera(ENCODER, Pictures(side, side, side), 1.0)
    for camera, where in ((1, slice(0, 3)), (2, slice(3, 6))):
        expected = mixed(ENCODER, images[cameras == camera], 1.0).embed(images[where])
        assert torch.equal(query[where], expected) and torch.equal(gallery[where], expected)


def test_places_look_for_their_like_anywhere() -> None:
    places = functional.normalize(torch.randn(3, 8, 16, generator=torch.Generator().manual_seed(0)), dim=2)
    moved = places.flip(1)
    pairs = matched(places, torch.stack([moved, places.roll(1, 0)], 1))
    torch.testing.assert_close(pairs[:, 0], torch.ones(3))
    assert (pairs[:, 1] < 0.9).all()


def test_only_the_best_are_ranked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_training, "BEST", 2)
    generator = torch.Generator().manual_seed(0)
    query = torch.rand(1, 2, 2, 8, generator=generator)
    gallery = torch.cat([torch.rand(1, 2, 2, 8, generator=generator), query.flip(2), query])
    affinity = ranked_by_places(torch.tensor([[0.9, 0.8, 0.1]]), query, gallery, 1.0)
    assert affinity[0].argsort(descending=True).tolist() == [1, 0, 2]


def test_all_ways_of_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("query", "bounding_box_test", "bounding_box_train"):
        (tmp_path / folder).mkdir()
        for person in (1, 2, 3):
            for camera in (1, 2):
                picture = rng.integers(0, 60, (64, 32, 3), np.uint8) + np.uint8(40 * person)
                cv2.imwrite(str(tmp_path / folder / f"{person:04d}_c{camera}s1_000001_01.jpg"), picture)
    pictures = read_pictures(tmp_path)
    assert len(pictures.query.people) == 6 and at(pictures.own, (32, 16)).shape == (6, 32, 16, 3)
    report = {way: pictures.scores(affinity) for way, affinity in ways(ENCODER, ENCODER, pictures)}
    assert report["similarities of both averaged"] == report["as it is"] == report["the other alone"]
    assert {"statistics of all cameras: 0.5", "statistics of each camera: 0.5", "best 100 by places: 0.5"} <= set(
        report
    )
    assert all(scores.queries == 6 for scores in report.values())
