"""Small worlds of feature vectors for the methods' tests: no pictures, and encoders of one linear layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reid.methods import Bank, Batch, LearningMethod, Tracklets

WIDTH = 6
CAMERAS = 4  # camera 2 is always empty


def tracklets(count: int = 17, *, images_each: int = 3, seed: int = 0) -> Tracklets:
    rng = np.random.default_rng([seed, count])
    camera = np.concatenate([[0, 1, 3], rng.choice([0, 1, 3], count - 3)])
    same = np.argwhere((camera[:, None] == camera) & (np.arange(count)[:, None] < np.arange(count)))
    return Tracklets(
        camera=torch.from_numpy(camera).long(),
        cameras=CAMERAS,
        image_tracklet=torch.from_numpy(rng.permutation(np.repeat(np.arange(count), images_each))).long(),
        cannot_link=torch.from_numpy(rng.permutation(same)[:4]).long(),
    )


def rows(count: int, width: int = WIDTH, *, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng([seed, count]).normal(0.3, 1, (count, width)).astype(np.float32))


def batch(of: Tracklets, size: int = 13, *, seed: int = 0) -> Batch:
    """Random images with random embeddings, some tracklets several times. The embedding wants a gradient."""
    rng = np.random.default_rng([seed, size])
    image = torch.from_numpy(rng.choice(len(of.image_tracklet), size, replace=False))
    tracklet = of.image_tracklet[image]
    return Batch(rows(size, seed=seed + 1).requires_grad_(), tracklet, of.camera[tracklet], image)


def bank(of: Tracklets, *, images: bool = False, seed: int = 5) -> Bank:
    count = len(of.image_tracklet) if images else len(of)
    stripes = rows(count, 8 * 5, seed=seed + 1).view(count, 8, 5)
    return Bank(rows(count, seed=seed), stripes)


def never() -> Bank:
    raise AssertionError("nothing needs the encoder here")


@dataclass
class World:
    """People as points: 8 coordinates tell who, 16 differ between frames, 4 between tracklets, 4 between cameras."""

    frames: Tensor  # (I, 32)
    tracklets: Tracklets
    identity: Tensor  # (T,)
    test: Tensor
    test_identity: Tensor
    test_camera: Tensor


def world(*, people: int = 24, pieces: int = 1, frames: int = 8, seed: int = 0) -> World:
    rng = np.random.default_rng([seed, people, pieces])
    shift = rng.normal(0, 1.5, (3, 4))

    def shoot(who: np.ndarray, camera: np.ndarray, each: int) -> np.ndarray:
        """`each` frames of every tracklet."""
        tracklet = np.concatenate([who, rng.normal(0, 0.5, (len(who), 4)), shift[camera]], 1)
        stable = np.repeat(tracklet, each, 0) + rng.normal(0, 0.2, (len(who) * each, 16))
        return np.concatenate([stable, rng.normal(0, 2.2, (len(stable), 16))], 1).astype(np.float32)

    who = rng.normal(0, 1, (2 * people, 8))
    identity = np.repeat(np.arange(people), 3 * pieces)
    camera = np.tile(np.repeat(np.arange(3), pieces), people)
    order = rng.permutation(len(identity))
    identity, camera = identity[order], camera[order]
    new = np.repeat(np.arange(people, 2 * people), 3)
    new_camera = np.tile(np.arange(3), people)
    return World(
        torch.from_numpy(shoot(who[identity], camera, frames)),
        Tracklets(
            torch.from_numpy(camera),
            3,
            torch.arange(len(identity)).repeat_interleave(frames),
            torch.empty((0, 2), dtype=torch.int64),
        ),
        torch.from_numpy(identity),
        torch.from_numpy(shoot(who[new], new_camera, 2)),
        torch.from_numpy(new).repeat_interleave(2),
        torch.from_numpy(new_camera).repeat_interleave(2),
    )


def mean_average_precision(features: Tensor, identity: Tensor, camera: Tensor) -> float:
    """Of unseen people. Matches of the query's own camera do not count."""
    x = functional.normalize(features)
    similarity = (x @ x.T).masked_fill(camera[:, None] == camera, -2)
    order = similarity.argsort(1, descending=True)
    right = (identity[order] == identity[:, None]) & (similarity.gather(1, order) > -2)
    precision = right.cumsum(1) / torch.arange(1, len(x) + 1)
    return float(((precision * right).sum(1) / right.sum(1)).mean())


def learn(
    method: LearningMethod, scene: World, *, rate: float = 0.01, seed: int = 0
) -> tuple[float, float, list[dict[str, float]]]:
    """Trains a linear encoder. Returns mAP on unseen people before and after, and each epoch's curves."""
    rng = np.random.default_rng([seed, 7])
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Linear(32, 24, bias=False), nn.BatchNorm1d(24, affine=False))
    optimiser = torch.optim.Adam([*encoder.parameters(), *method.parameters()], rate)
    of = scene.tracklets
    members = [torch.nonzero(of.camera[of.image_tracklet] == c)[:, 0].numpy() for c in range(of.cameras)]

    @torch.no_grad()
    def score() -> float:
        encoder.eval()
        value = mean_average_precision(encoder(scene.test), scene.test_identity, scene.test_camera)
        encoder.train()
        return value

    def encode() -> Bank:
        encoder.eval()
        images = encoder(scene.frames)
        encoder.train()
        if method.bank_unit == "image":
            return Bank(images, images.view(-1, 8, 3))
        mean = torch.zeros(len(of), 24).index_add_(0, of.image_tracklet, images)
        mean /= of.image_tracklet.bincount()[:, None]
        return Bank(mean, mean.view(-1, 8, 3))

    start, curves = score(), []
    for epoch in range(method.epochs):
        curves.append(method.start_epoch(epoch, encode))
        for _ in range(len(scene.frames) // 72):
            image = torch.from_numpy(np.concatenate([rng.choice(m, 24, replace=False) for m in members]))
            tracklet = of.image_tracklet[image]
            frames = scene.frames[image]
            frames = torch.cat([frames[:, :16], frames[:, 16:] + torch.randn(len(frames), 16)], 1)  # augmentation
            step = Batch(encoder(frames), tracklet, of.camera[tracklet], image)
            optimiser.zero_grad()
            torch.stack(list(method.losses(step).values())).sum().backward()
            optimiser.step()
            method.after_step(step)
    return start, score(), curves
