"""SSL's labels, dissimilarity and table against loops, for images and tracklets."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.methods import Unit
from reid.methods.ssl import SSL, SSLConfig
from tests.reid.methods import scenes

OF = scenes.tracklets()
VIDEO_SETTINGS = SSLConfig.presets()["faithful-video"]
assert isinstance(VIDEO_SETTINGS, SSLConfig)
IMAGES, VIDEO = SSLConfig(dropout=0.0), replace(VIDEO_SETTINGS, dropout=0.0)


def unit_length(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def in_rounds(config: SSLConfig) -> SSL:
    """One epoch of one-hot labels, then rounds. V is as it is in the middle of things."""
    method = SSL(OF, scenes.WIDTH, replace(config, first_phase=0.1), 10, seed=1)
    method.start_epoch(0, lambda: scenes.bank(OF, images=config.unit == "image"))
    method.start_epoch(1, lambda: scenes.bank(OF, images=config.unit == "image"))
    method.table.copy_(torch.nn.functional.normalize(scenes.rows(len(method.table), seed=9)))
    return method


def most_alike(config: SSLConfig) -> list[list[int]]:
    """Eq. 5 to 7."""
    images = config.unit == "image"
    bank = scenes.bank(OF, images=images)
    assert bank.stripes is not None
    whole, stripes = unit_length(bank.embedding.numpy().astype(float)), unit_length(bank.stripes.numpy().astype(float))
    tracklet = OF.image_tracklet.numpy() if images else np.arange(len(OF))
    camera = OF.camera.numpy()[tracklet]
    apart = {tuple(p) for p in OF.cannot_link.tolist()} if config.cannot_link else set()
    alike = []
    for a in range(len(whole)):
        d = {}
        for b in range(len(whole)):
            if b == a or {(tracklet[a], tracklet[b]), (tracklet[b], tracklet[a])} & apart:
                continue
            part = sum(np.linalg.norm(stripes[a, i] - stripes[b, i]) for i in range(8)) / 8
            d[b] = (1 - config.part_weight) * np.linalg.norm(whole[a] - whole[b]) + config.part_weight * part
            d[b] += config.same_camera if camera[a] == camera[b] else 0
        alike.append(sorted(d, key=lambda b, d=d: d[b])[: config.reliable])
    return alike


@pytest.mark.parametrize(
    "config",
    [
        IMAGES,
        VIDEO,
        replace(IMAGES, cannot_link=True, reliable=6),
        replace(VIDEO, cannot_link=True, same_camera=0.5),
        replace(VIDEO, part_weight=0.0, same_camera=0.0),
    ],
)
def test_most_alike(config: SSLConfig) -> None:
    method = in_rounds(config)
    assert method.alike.tolist() == most_alike(config)
    assert method.needs_stripes == (config.part_weight > 0)
    assert method.bank_unit == method.sampling == config.unit
    for a, b in method.associations().tolist():
        assert OF.camera[a] != OF.camera[b]
        assert a < b


@pytest.mark.parametrize("config", [IMAGES, VIDEO])
def test_softened_loss_and_table(config: SSLConfig) -> None:
    method = in_rounds(config)
    step = scenes.batch(OF)
    x, v = step.embedding.detach().numpy().astype(float), method.table.numpy().astype(float)
    tracklet = step.tracklet.numpy()
    own = step.image.numpy() if config.unit == "image" else tracklet
    hard = soft = 0.0
    feature = {}
    for k, y in enumerate(own):
        f = x[k] if config.unit == "image" else x[tracklet == tracklet[k]].mean(0)
        feature[int(y)] = unit_length(f)
        logit = v @ unit_length(f) / config.temperature  # Eq. 1
        log_p = logit - math.log(np.exp(logit).sum())
        hard -= config.own * log_p[y] / len(x)  # Eq. 4
        soft -= (1 - config.own) / config.reliable * sum(log_p[j] for j in method.alike[y].tolist()) / len(x)
    parts = method.losses(step)
    assert parts["own"].item() == pytest.approx(hard, rel=1e-4)
    assert parts["alike"].item() == pytest.approx(soft, rel=1e-4)

    method.after_step(step)
    for y in range(len(v)):
        expected = unit_length((v[y] + feature[y]) / 2) if y in feature else v[y]
        np.testing.assert_allclose(method.table[y], expected, atol=1e-5)


@pytest.mark.parametrize("unit", ["image", "tracklet"])
def test_one_hot_labels_first(unit: Unit) -> None:
    method = SSL(OF, scenes.WIDTH, replace(IMAGES, unit=unit), 10, seed=1)
    assert method.start_epoch(0, scenes.never) == {}
    assert not method.table.any()  # as in BUC: a class is zero until it was seen
    step = scenes.batch(OF)
    parts = method.losses(step)
    assert parts["own"].item() == pytest.approx(math.log(len(method.table)), rel=1e-5)
    assert parts["alike"].item() == 0
    method.after_step(step)
    seen = step.image if unit == "image" else step.tracklet
    torch.testing.assert_close(method.table[seen].norm(dim=1), torch.ones(len(seen)))


def test_dropout_in_training_only() -> None:
    method = in_rounds(replace(IMAGES, dropout=0.5))
    step = scenes.batch(OF)
    torch.manual_seed(0)
    first_loss, other_loss = (method.losses(step)["own"].item() for _ in range(2))
    method.eval()
    same = {method.losses(step)["own"].item() for _ in range(2)}
    assert first_loss != other_loss and len(same) == 1


def test_rounds() -> None:
    """25 + 16 × 2 epochs as printed. Shorter runs keep the proportions, one epoch a round at least."""
    assert sorted(SSL(OF, 2, SSLConfig(), 57, seed=0).round_starts) == list(range(25, 57, 2))
    assert sorted(SSL(OF, 2, VIDEO_SETTINGS, 110, seed=0).round_starts) == list(range(30, 110, 5))
    assert sorted(SSL(OF, 2, SSLConfig(), 12, seed=0).round_starts) == list(range(5, 12))
    assert not SSL(OF, 2, replace(SSLConfig(), first_phase=1.0), 5, seed=0).round_starts


def test_learns() -> None:
    scene = scenes.world()
    for config, gain in ((SSLConfig(), 0.15), (SSLConfig.practical(), 0.3), (VIDEO_SETTINGS, 0.3)):
        start, final, curves = scenes.learn(SSL(scene.tracklets, 24, config, 10, seed=0), scene)
        assert final > start + gain
        assert curves[-1]["associations"] > 10
