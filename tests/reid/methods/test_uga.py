"""UGA's graph and losses against loops, and the gradient of its nodes (Eq. 10 to 12)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.methods.uga import UGA, UGAConfig
from tests.reid.methods import scenes

OF = scenes.tracklets()
MEMBERS = [np.flatnonzero(OF.camera.numpy() == c) for c in range(OF.cameras)]


def in_stage_two(config: UGAConfig) -> UGA:
    method = UGA(OF, scenes.WIDTH, config, 4, seed=2)
    method.start_epoch(2, lambda: scenes.bank(OF))
    return method


def graph(c: np.ndarray, threshold: float) -> dict[tuple[int, int], float]:
    """Eq. 4 and 5, both directions."""
    camera, cos = OF.camera.numpy(), c @ c.T / np.linalg.norm(c, axis=1) / np.linalg.norm(c, axis=1)[:, None]

    def nearest(i: int, m: int) -> int:
        return int(max(MEMBERS[m], key=lambda j: cos[i, j]))

    edges = {}
    for i in range(len(OF)):
        for m in range(OF.cameras):
            if m != camera[i] and len(MEMBERS[m]):
                a = nearest(i, m)
                if cos[i, a] > threshold and nearest(a, camera[i]) == i:
                    edges[i, a] = float(cos[i, a])
    return edges


@pytest.mark.parametrize("config", [UGAConfig(threshold=0.5), UGAConfig(threshold=0.5, self_term=False, scale=8.0)])
def test_stage_two(config: UGAConfig) -> None:
    method = in_stage_two(config)
    c = method.classifier.weight.detach().numpy().astype(float)
    means = scenes.bank(OF).embedding
    torch.testing.assert_close(  # Eq. 3
        method.classifier.weight.detach(), means if config.scale is None else torch.nn.functional.normalize(means)
    )
    edges = graph(c, config.threshold)
    assert 4 < len(edges) < 40
    assert {tuple(p) for p in method.associations().tolist()} == {tuple(sorted(p)) for p in edges}

    step = scenes.batch(OF)
    x, camera = step.embedding.detach().numpy().astype(float), OF.camera.numpy()

    def entropy(k: int, a: int) -> float:
        """l_ce(I_k, s_a), Eq. 7."""
        logit = {j: float(c[j] @ x[k]) for j in MEMBERS[camera[a]]}
        if config.scale:
            logit = {j: config.scale * v / np.linalg.norm(c[j]) / np.linalg.norm(x[k]) for j, v in logit.items()}
        return math.log(sum(math.exp(v) for v in logit.values())) - logit[a]

    inter = own = 0.0
    for k, t in enumerate(step.tracklet.tolist()):  # Eq. 8, 9
        own += entropy(k, t) / len(x)
        inter += sum(e * entropy(k, a) for (i, a), e in edges.items() if i == t) / len(x)
    parts = method.losses(step)
    assert parts["inter"].item() == pytest.approx(inter, rel=1e-4)
    if config.self_term:
        assert parts["self"].item() == pytest.approx(own, rel=1e-4)
    assert set(parts) == ({"inter", "self"} if config.self_term else {"inter"})


def test_gradient_of_the_nodes() -> None:
    """Eq. 10 and 11: ∂l/∂c = −Σ err(I) e(c, c') φ(I) / N, the edge's weight a constant."""
    method = in_stage_two(UGAConfig(threshold=0.5, self_term=False))
    step = scenes.batch(OF)
    (gradient,) = torch.autograd.grad(method.losses(step)["inter"], method.classifier.weight)
    c, x = method.classifier.weight.detach().numpy().astype(float), step.embedding.detach().numpy().astype(float)
    edges, expected = graph(c, 0.5), np.zeros_like(c)
    for k, t in enumerate(step.tracklet.tolist()):
        for (i, a), e in edges.items():
            if i != t:
                continue
            members = MEMBERS[int(OF.camera[a])]
            p = np.exp(c[members] @ x[k])
            for j, share in zip(members, p / p.sum()):
                expected[j] -= (float(j == a) - share) * e * x[k] / len(x)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_stage_one_is_each_cameras_own() -> None:
    method = UGA(OF, scenes.WIDTH, UGAConfig(), 4, seed=2)
    assert method.start_epoch(1, scenes.never) == {}
    step = scenes.batch(OF)
    logits = (step.embedding @ method.classifier.weight.T).masked_fill(OF.camera != step.camera[:, None], -torch.inf)
    parts = method.losses(step)
    torch.testing.assert_close(parts["intra"], torch.nn.functional.cross_entropy(logits, step.tracklet))
    assert set(parts) == {"intra"} and not len(method.associations())


@pytest.mark.parametrize(("epochs", "starts"), [(160, {80}), (5, {2}), (1, set())])
def test_the_optimiser_starts_afresh_with_stage_two(epochs: int, starts: set[int]) -> None:
    """Its moments are of the rows that stage two replaces."""
    method = UGA(OF, scenes.WIDTH, UGAConfig(), epochs, seed=2)
    assert method.restarts == starts
    assert not starts or method.first_of_stage_two in starts


def test_graph_follows_the_nodes() -> None:
    method = in_stage_two(UGAConfig(threshold=0.3))
    with torch.no_grad():
        method.classifier.weight.copy_(scenes.rows(len(OF), seed=44))
    curves = method.start_epoch(3, scenes.never)
    edges = graph(method.classifier.weight.detach().numpy().astype(float), 0.3)
    assert {tuple(p) for p in method.associations().tolist()} == {tuple(sorted(p)) for p in edges}
    assert curves == {"associations": len(edges) / 2, "threshold": 0.3}


def test_calibrated_threshold_keeps_its_share() -> None:
    everything = len(in_stage_two(UGAConfig(threshold=0.0)).associations())
    method = in_stage_two(UGAConfig(calibration="quantile", quantile=0.5))
    assert len(method.associations()) == pytest.approx(everything / 2, abs=1.5)


def test_learns() -> None:
    scene = scenes.world()
    for config in (UGAConfig(), UGAConfig.practical()):
        start, final, curves = scenes.learn(UGA(scene.tracklets, 24, config, 10, seed=0), scene)
        assert final > start + 0.3
        assert curves[-1]["associations"] > 10
    without_graph = scenes.learn(UGA(scene.tracklets, 24, replace(UGAConfig(), stage_one=1.0), 10, seed=0), scene)
    assert without_graph[2][-1] == {}
