"""UTAL's equations against loops, and its gradient through the memory."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.merging import joined
from reid.methods import Situation
from reid.methods.utal import CCTA_WEIGHT, UTAL, UTALConfig
from tests.reid.methods import scenes

OF = scenes.tracklets()


def started(config: UTALConfig, *, epoch: int = 5, identity: torch.Tensor | None = None) -> UTAL:
    method = UTAL(OF, scenes.WIDTH, config, 10, seed=3, identity=identity)
    method.start_epoch(0, lambda: scenes.bank(OF))
    if epoch:
        method.start_epoch(epoch, scenes.never)
    return method


def length_1(x: np.ndarray, config: UTALConfig) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True) if config.normalise else x


def followed(method: UTAL, x: np.ndarray, tracklet: np.ndarray, config: UTALConfig) -> dict[int, np.ndarray]:
    """Eq. 3."""
    s = method.memory.numpy().astype(float)
    new = {}
    for t in set(tracklet.tolist()):
        mean = sum(length_1(x[k], config) for k in range(len(x)) if tracklet[k] == t) / (tracklet == t).sum()
        new[t] = length_1((s[t] + config.alpha * mean) / (1 + config.alpha), config)
    return new


@pytest.mark.parametrize("config", [UTALConfig(), UTALConfig(alpha=0.5, neighbours=2), UTALConfig.practical()])
def test_losses_and_memory(config: UTALConfig) -> None:
    method = started(config)
    step = scenes.batch(OF)
    x, tracklet = step.embedding.detach().numpy().astype(float), step.tracklet.numpy()
    w, s, camera = method.classifier.weight.detach().numpy().astype(float), method.memory.numpy(), OF.camera.numpy()
    members = [np.flatnonzero(camera == c) for c in range(OF.cameras)]

    # Eq. 4 to 6, with s itself beside its neighbours.
    apart = {tuple(p) for p in OF.cannot_link.tolist()} if config.cannot_link else set()
    squared = ((s[:, None] - s) ** 2).sum(2).astype(float)
    near: dict[int, list[int]] = {}
    for i in range(len(OF)):
        others = [j for j in members[camera[i]] if j != i and not {(i, j), (j, i)} & apart]
        near[i] = sorted(others, key=lambda j, i=i: squared[i, j])[: config.neighbours]
    label = np.zeros((len(OF), len(OF)))
    for m in members:
        distances = [squared[i, j] for i in m for j in near[i]]
        for i in m:
            label[i, i] = 1
            for j in near[i]:
                label[i, j] = math.exp(-squared[i, j] / (sum(distances) / len(distances)))
    label /= label.sum(1, keepdims=True)

    # Eq. 7, 8.
    pctd = 0.0
    for k, t in enumerate(tracklet):
        m = members[camera[t]]
        logit = {j: w[j] @ x[k] for j in m}
        if config.scale is not None:
            logit = {j: config.scale * v / np.linalg.norm(w[j]) / np.linalg.norm(x[k]) for j, v in logit.items()}
        total = sum(math.exp(logit[j]) for j in m)
        pctd -= sum(label[t, j] * math.log(math.exp(logit[j]) / total) for j in m) / len(x)

    # Eq. 9 to 11: partners from the memory as it was when the epoch began.
    def nearest(i: int) -> int:
        return min((j for j in range(len(OF)) if camera[j] != camera[i]), key=lambda j: squared[i, j])

    new = followed(method, x, tracklet, config)
    matched = [t for t in new if nearest(nearest(t)) == t]
    assert matched
    ccta = sum(np.linalg.norm(new[t] - s[nearest(t)]) for t in matched) / len(new)

    parts = method.losses(step)
    assert parts["pctd"].item() == pytest.approx(pctd, rel=1e-4)
    assert parts["ccta"].item() == pytest.approx(CCTA_WEIGHT * ccta, rel=1e-4)
    expected = {(min(i, nearest(i)), max(i, nearest(i))) for i in range(len(OF)) if nearest(nearest(i)) == i}
    assert {tuple(p) for p in method.associations().tolist()} == expected

    method.after_step(step)
    for t in range(len(OF)):
        np.testing.assert_allclose(method.memory[t], new.get(t, s[t]), atol=1e-5)


def test_gradient_through_the_memory() -> None:
    """For a matched tracklet's n frames ∂L/∂x_k = λ/N · α / ((1 + α) n) · (s − r) / ‖s − r‖. It is 0 for others."""
    config = UTALConfig(alpha=0.7)
    method = started(config)
    step = scenes.batch(OF)
    (gradient,) = torch.autograd.grad(method.losses(step)["ccta"], step.embedding)
    x, tracklet = step.embedding.detach().numpy().astype(float), step.tracklet.numpy()
    new = followed(method, x, tracklet, config)
    partner = method.partner.max(1).values.tolist()
    assert any(partner[t] >= 0 for t in new) and any(partner[t] < 0 for t in new)
    for k, t in enumerate(tracklet):
        expected = np.zeros(scenes.WIDTH)
        if partner[t] >= 0:
            away = new[t] - method.memory[partner[t]].numpy()
            share = config.alpha / ((1 + config.alpha) * (tracklet == t).sum())
            expected = CCTA_WEIGHT / len(new) * share * away / np.linalg.norm(away)
        np.testing.assert_allclose(gradient[k], expected, atol=1e-5)


def test_association_waits_for_the_second_half() -> None:
    method = started(UTALConfig(), epoch=4)
    assert set(method.losses(scenes.batch(OF))) == {"pctd"} and not len(method.associations())
    assert "associations" in method.start_epoch(5, scenes.never)
    assert set(method.losses(scenes.batch(OF))) == {"pctd", "ccta"}
    assert set(started(UTALConfig(ccta=False)).losses(scenes.batch(OF))) == {"pctd"}


@pytest.mark.parametrize(
    "config",
    [
        UTALConfig(matches="one-way"),
        UTALConfig(match_neighbours=5),
        UTALConfig(match_scope="pairwise"),
        UTALConfig(match_scope="pairwise", matches="one-way"),
    ],
)
def test_variants_of_table_9(config: UTALConfig) -> None:
    method = started(config)
    s, camera = method.memory.numpy().astype(float), OF.camera.tolist()

    def near(i: int) -> set[int]:
        others = [j for j in range(len(OF)) if camera[j] != camera[i]]
        groups = (
            [[j for j in others if camera[j] == c] for c in set(camera)]
            if config.match_scope == "pairwise"
            else [others]
        )
        ranked = [sorted(group, key=lambda j: float(np.square(s[i] - s[j]).sum())) for group in groups]
        return {j for group in ranked for j in group[: config.match_neighbours]}

    expected = {i: {j for j in near(i) if config.matches == "one-way" or i in near(j)} for i in range(len(OF))}
    assert {i: {j for j in row if j >= 0} for i, row in enumerate(method.partner.tolist())} == expected
    assert any(expected.values())
    step = scenes.batch(OF)
    x, tracklet = step.embedding.detach().numpy().astype(float), step.tracklet.numpy()
    new = followed(method, x, tracklet, config)
    ccta = sum(float(np.linalg.norm(new[t] - s[j])) for t in new for j in expected[t]) / len(new)  # Eq. 10, 11
    assert method.losses(step)["ccta"].item() == pytest.approx(CCTA_WEIGHT * ccta, rel=1e-4)


def test_several_neighbours_of_each_camera_are_refused() -> None:
    with pytest.raises(ValueError, match="match_scope=pooled"):
        started(UTALConfig(match_scope="pairwise", match_neighbours=5))


def test_whole_tracklets_have_hard_labels() -> None:
    assert UTALConfig.practical(Situation(fragmented=False)).neighbours == 0 < UTALConfig.practical().neighbours


def test_hard_labels_are_equation_1() -> None:
    method = started(UTALConfig(neighbours=0), epoch=0)
    step = scenes.batch(OF)
    logits = step.embedding @ method.classifier.weight.T
    logits = logits.masked_fill(OF.camera != step.camera[:, None], -torch.inf)
    expected = torch.nn.functional.cross_entropy(logits, step.tracklet)
    torch.testing.assert_close(method.losses(step)["pctd"], expected)


def test_weakly_supervised() -> None:
    """Tracklets of an identity in a camera are one class. The same number in two cameras means nothing."""
    identity = torch.arange(len(OF)) % 5
    method = started(UTALConfig(weakly_supervised=True), identity=identity)
    assert method.neighbours == 0
    for i in range(len(OF)):
        for j in range(len(OF)):
            same = bool(OF.camera[i] == OF.camera[j]) and bool(identity[i] == identity[j])
            assert bool(method.class_of[i] == method.class_of[j]) == same
    features = scenes.bank(OF).embedding
    fresh = started(UTALConfig(weakly_supervised=True), epoch=0, identity=identity)
    for number in range(len(fresh.memory)):
        torch.testing.assert_close(fresh.memory[number], features[method.class_of == number].mean(0))
    step = scenes.batch(OF)
    classes = method.class_of[step.tracklet]
    logits = (step.embedding @ method.classifier.weight.T).masked_fill(
        method.class_camera != step.camera[:, None], -torch.inf
    )
    torch.testing.assert_close(method.losses(step)["pctd"], torch.nn.functional.cross_entropy(logits, classes))
    with pytest.raises(ValueError, match="weakly supervised mode"):
        started(UTALConfig(), identity=identity)
    pairs = method.associations()
    assert len(pairs) and (OF.camera[pairs[:, 0]] != OF.camera[pairs[:, 1]]).all()


def test_trajectories_and_label_similarity() -> None:
    """Fragments of one person, close together, become one trajectory. Other people stay by themselves."""
    camera = torch.zeros(12, dtype=torch.int64)
    of = replace(OF, camera=camera, cameras=1, image_tracklet=torch.arange(12), cannot_link=OF.cannot_link[:0])
    person = np.arange(12) // 3
    embedding = 10 * np.eye(4)[person] + np.random.default_rng(1).normal(0, 0.1, (12, 4))
    method = UTAL(of, 4, UTALConfig(), 10, seed=0)
    method.start_epoch(0, lambda: scenes.Bank(torch.from_numpy(embedding).float()))
    same = joined(method.labels).numpy()
    assert ((same[:, None] == same) == (person[:, None] == person)).all()
    assert method.pairwise_similarity(torch.tensor([[0, 1], [3, 5]])) > 0.9
    assert method.pairwise_similarity(torch.tensor([[0, 3], [5, 9]])) < 0.5


def test_learns() -> None:
    # The practical preset's soft labels are for tracklets that are broken.
    for config, pieces in ((UTALConfig(), 1), (UTALConfig.practical(), 2)):
        scene = scenes.world(pieces=pieces)
        start, final, curves = scenes.learn(UTAL(scene.tracklets, 24, config, 10, seed=0), scene)
        assert final > start + 0.3
        assert curves[-1]["associations"] > 10
