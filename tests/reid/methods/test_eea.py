"""EEA's graph, losses and threshold against loops, and the gradient of its exemplars."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from reid.methods.eea import EEA, EEAConfig
from tests.reid.methods import scenes

OF = scenes.tracklets()
CAMERA = OF.camera.numpy()
MEMBERS = [np.flatnonzero(c == CAMERA) for c in range(OF.cameras)]
LOOSE = EEAConfig(threshold="fixed", fixed=0.3, exemplars="features")


def warmed_up(config: EEAConfig, *, epoch: int = 2) -> EEA:
    method = EEA(OF, scenes.WIDTH, config, 16, seed=2)
    method.start_epoch(0, lambda: scenes.bank(OF))
    method.start_epoch(epoch, scenes.never)
    return method


def adjacency(e: np.ndarray, threshold: float) -> np.ndarray:
    """Eq. 6 and 7, rows of unit length."""
    cos = e @ e.T
    a = np.eye(len(e))
    for i in range(len(e)):
        for j in range(len(e)):
            if CAMERA[i] != CAMERA[j]:
                mutual = (
                    max(MEMBERS[CAMERA[j]], key=lambda k, i=i: cos[i, k]) == j
                    and max(MEMBERS[CAMERA[i]], key=lambda k, j=j: cos[k, j]) == i
                )
                if mutual and cos[i, j] > threshold:
                    a[i, j] = cos[i, j]
    return a


def probabilities(e: np.ndarray, x: np.ndarray, camera: int, scale: float) -> dict[int, float]:
    logit = {j: math.exp(scale * float(e[j] @ x) / np.linalg.norm(x)) for j in MEMBERS[camera]}
    return {j: v / sum(logit.values()) for j, v in logit.items()}


@pytest.mark.parametrize("scale", [1.0, 16.0])
def test_losses(scale: float) -> None:
    method = warmed_up(EEAConfig(threshold="fixed", fixed=0.3, exemplars="features", scale=scale))
    e = method.exemplars.detach().numpy().astype(float)
    np.testing.assert_allclose(np.linalg.norm(e, axis=1), 1, atol=1e-6)
    a = adjacency(e, 0.3)
    assert 10 < np.count_nonzero(a) - len(e) < 40
    step = scenes.batch(OF)
    x = step.embedding.detach().numpy().astype(float)
    intra = inter = 0.0
    for k, t in enumerate(step.tracklet.tolist()):
        intra -= math.log(probabilities(e, x[k], CAMERA[t], scale)[t]) / len(x)  # Eq. 1, 5
        for j in np.flatnonzero(a[t]):  # Eq. 9
            if j != t:
                inter -= a[t, j] * math.log(probabilities(e, x[k], CAMERA[j], scale)[j]) / len(x)
    parts = method.losses(step)
    assert parts["intra"].item() == pytest.approx(intra, rel=1e-4)
    assert parts["inter"].item() == pytest.approx(inter, rel=1e-4)  # the sum is Eq. 10
    expected = {tuple(sorted(p)) for p in np.argwhere(np.triu(a, 1)).tolist()}
    assert {tuple(p) for p in method.associations().tolist()} == expected


def test_gradient_of_the_exemplars() -> None:
    """∂L/∂E_j = −scale/N Σ A (1[j = ŷ] − p_j) φ, less what points off the sphere (Eq. 2: ‖E‖ = 1)."""
    scale = 5.0
    method = warmed_up(EEAConfig(threshold="fixed", fixed=0.3, exemplars="features", scale=scale))
    step = scenes.batch(OF)
    loss = torch.stack(list(method.losses(step).values())).sum()
    (gradient,) = torch.autograd.grad(loss, method.exemplars)
    e, x = method.exemplars.detach().numpy().astype(float), step.embedding.detach().numpy().astype(float)
    a, expected = adjacency(e, 0.3), np.zeros_like(e)
    for k, t in enumerate(step.tracklet.tolist()):
        for y in np.flatnonzero(a[t]):
            for j, p in probabilities(e, x[k], CAMERA[y], scale).items():
                expected[j] -= scale * a[t, y] * (float(j == y) - p) * x[k] / np.linalg.norm(x[k]) / len(x)
    expected -= (expected * e).sum(1, keepdims=True) * e
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_exemplars_come_back_onto_the_sphere() -> None:
    method = warmed_up(LOOSE)
    step = scenes.batch(OF)
    optimiser = torch.optim.SGD(method.parameters(), 5.0)
    torch.stack(list(method.losses(step).values())).sum().backward()
    optimiser.step()
    moved = method.exemplars.detach().clone()
    method.after_step(step)
    torch.testing.assert_close(method.exemplars.detach(), torch.nn.functional.normalize(moved))
    assert (moved.norm(dim=1) - 1).abs().max() > 1e-3


def test_warm_up_and_switches() -> None:
    step = scenes.batch(OF)
    assert set(warmed_up(LOOSE, epoch=1).losses(step)) == {"intra"}
    assert set(warmed_up(LOOSE).losses(step)) == {"intra", "inter"}
    alone = EEAConfig(threshold="fixed", fixed=0.3, exemplars="features", intra=False)
    assert set(warmed_up(alone, epoch=1).losses(step)) == {"intra"}  # exemplars must become something first
    assert set(warmed_up(alone).losses(step)) == {"inter"}
    assert set(warmed_up(EEAConfig(inter=False, exemplars="features")).losses(step)) == {"intra"}


def test_thresholds() -> None:
    """Eq. 11 from the end of the warm-up. A quantile is that of the reciprocal pairs, and its share of them passes."""
    method = EEA(OF, scenes.WIDTH, EEAConfig(), 80, seed=2)
    for epoch, expected in [(0, 0.5), (10, 0.5), (45, 0.625), (79, 0.75 - 0.25 / 70)]:
        method.epoch = epoch
        assert method.threshold(torch.empty(0)) == pytest.approx(expected)
    everything = len(warmed_up(EEAConfig(threshold="fixed", fixed=0.0, exemplars="features")).associations())
    config = EEAConfig(threshold="quantile", quantiles=(0.6, 0.6), exemplars="features")
    method = warmed_up(config)
    assert len(method.associations()) == pytest.approx(0.4 * everything, abs=1.5)


def test_soft_labels_of_fragments() -> None:
    method = warmed_up(EEAConfig(neighbours=3, exemplars="features"))
    torch.testing.assert_close(method.soft.weight.sum(1), torch.ones(len(OF)))
    assert ((method.soft.weight > 0).sum(1) == 4).any()
    assert (OF.camera[method.soft.classes] == OF.camera[:, None]).all()


def test_learns() -> None:
    # The practical preset's soft labels are for tracklets that are broken.
    for config, pieces in ((EEAConfig(), 1), (EEAConfig.practical(), 2)):
        scene = scenes.world(pieces=pieces)
        start, final, curves = scenes.learn(EEA(scene.tracklets, 24, config, 10, seed=0), scene)
        assert final > start + 0.3
        assert curves[-1]["associations"] > 10
