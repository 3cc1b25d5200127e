"""The per-camera softmax against loops, and what all methods share: groups, schedules, the registry."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.association import SoftLabels
from reid.methods import Recipe, Tracklets, config_named, distance, group_mean
from reid.methods.classifier import CameraClassifier
from reid.methods.dal import RATE
from reid.methods.eea import LOWER, UPPER
from reid.methods.utal import CCTA_WEIGHT
from tests.reid.methods import scenes


@pytest.mark.parametrize("scale", [None, 16.0])
def test_cross_entropies(scale: float | None) -> None:
    """UTAL Eq. 7 in each row's own camera, and −log p of a class in every camera."""
    of = scenes.tracklets()
    step = scenes.batch(of)
    classifier = CameraClassifier(of.camera, of.cameras, scenes.WIDTH, scale, seed=1)
    rng = np.random.default_rng(4)
    members = [np.flatnonzero(of.camera.numpy() == c) for c in range(of.cameras)]
    column = np.array([rng.choice(members[c], 3) for c in of.camera.numpy()])
    weight = rng.dirichlet([1, 1, 1], len(of))
    target = np.array([[rng.choice(m) if len(m) and rng.random() < 0.6 else -1 for m in members] for _ in range(13)])

    labels = SoftLabels(torch.from_numpy(column), torch.from_numpy(weight).float(), torch.ones(len(of), 3))
    logits = classifier(step.embedding)
    own = classifier.soft_cross_entropy(logits, step.tracklet, step.camera, labels)
    across = classifier.cross_entropy_per_camera(logits, torch.from_numpy(target))

    w, x = classifier.weight.detach().numpy().astype(float), step.embedding.detach().numpy().astype(float)
    for i in range(13):
        logit = [w[j] @ x[i] for j in range(len(of))]
        if scale is not None:
            logit = [scale * v / np.linalg.norm(w[j]) / np.linalg.norm(x[i]) for j, v in enumerate(logit)]
        log_p = [
            {j: logit[j] - math.log(sum(math.exp(logit[k]) for k in m)) for j in m} if len(m) else {} for m in members
        ]
        c, t = int(step.camera[i]), int(step.tracklet[i])
        expected = -sum(weight[t, s] * log_p[c][column[t, s]] for s in range(3))
        assert own[i].item() == pytest.approx(expected, abs=1e-4)
        for m in range(of.cameras):
            expected = -log_p[m][target[i, m]] if target[i, m] >= 0 else 0.0
            assert across[i, m].item() == pytest.approx(expected, abs=1e-4)
    (own.sum() + across.sum()).backward()
    assert torch.isfinite(classifier.weight.grad).all()  # an empty camera makes no NaN


def test_group_mean() -> None:
    group = torch.tensor([3, 1, 3, 7, 1, 3])
    values = scenes.rows(6)
    mean, first = group_mean(values, group)
    assert first.tolist() == [0, 1, 0, 3, 1, 0]
    for i in range(6):
        torch.testing.assert_close(mean[i], values[group == group[i]].mean(0))


def test_distance_has_a_gradient_where_points_meet() -> None:
    a = torch.zeros(2, 3, requires_grad=True)
    distance(a, torch.tensor([[0.0, 0, 0], [3, 0, 4]])).sum().backward()
    torch.testing.assert_close(a.grad, torch.tensor([[0.0, 0, 0], [-0.6, 0, -0.8]]))


def test_schedules() -> None:
    stage = Recipe(epochs=160, drops=(40 / 80, 60 / 80))
    for epoch, share in [
        (0, 1),
        (39, 1),
        (40, 0.1),
        (60, 0.01),
        (79, 0.01),
    ]:
        assert stage.rate(epoch / 80) == pytest.approx(3.5e-4 * share)
    tail = Recipe(epochs=200, tail=0.001)
    assert [tail.rate(p) / 3.5e-4 for p in (0, 0.5, 0.75, 1)] == pytest.approx([1, 1, 0.001**0.5, 0.001])


def test_papers_numbers_are_the_defaults() -> None:
    utal, uga, eea, ssl, dal = (config_named(name)() for name in ("utal", "uga", "eea", "ssl", "dal"))
    assert (utal.alpha, utal.neighbours, CCTA_WEIGHT, utal.recipe.batch, utal.recipe.epochs) == (
        1,
        4,
        10,
        384,
        200,
    )
    assert (uga.threshold, uga.recipe.batch, uga.recipe.epochs, uga.stage_one) == (0.65, 60, 160, 0.5)
    assert (LOWER, UPPER, eea.recipe.epochs, eea.warm_up * 80, eea.scale) == (0.5, 0.75, 80, 10, 1)
    assert (ssl.temperature, ssl.own, ssl.reliable, ssl.part_weight, ssl.same_camera) == (0.1, 0.6, 4, 0.5, 0.02)
    assert [ssl.recipe.rate(e / 57) for e in (14, 15)] == pytest.approx([0.1, 0.01])
    assert config_named("eea").presets()["faithful-mars"] == replace(eea, warm_up=30 / 80)
    small = config_named("dal").presets()["faithful-small"].recipe
    assert (small.optimiser, small.rate(1.9 / 60), small.rate(2 / 60)) == ("rmsprop", 0.045, 0.045 * 0.94)
    assert small.rate(59 / 60) == pytest.approx(0.045 * 0.94**29)
    assert (dal.margin, RATE, dal.cross_weight, dal.recipe.batch, dal.squared) == (0.2, 0.5, 1, 64, False)


def test_wrong_tracklets_are_refused() -> None:
    camera = torch.tensor([0, 1])
    nothing = torch.empty((0, 2), dtype=torch.int64)
    with pytest.raises(ValueError, match="cameras must be 0 … 0"):
        Tracklets(camera, 1, camera, nothing)
    with pytest.raises(ValueError, match="image_tracklet"):
        Tracklets(camera, 2, torch.tensor([0, 2]), nothing)
    with pytest.raises(ValueError, match="cannot_link"):
        Tracklets(camera, 2, camera, torch.tensor([[0, -1]]))
    with pytest.raises(ValueError, match=r"no method is called 'x'.*utal"):
        config_named("x")
