"""DAL's anchors, cyclic ranking and two losses against loops, in both readings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from reid.association import Scope
from reid.methods import Batch
from reid.methods.dal import DAL, RATE, DALConfig
from tests.reid.methods import scenes

OF = scenes.tracklets()
CAMERA = OF.camera.numpy()


def l2(x: np.ndarray) -> np.ndarray:
    return x / max(float(np.linalg.norm(x)), 1e-12)


def started(config: DALConfig) -> DAL:
    method = DAL(OF, scenes.WIDTH, config, 10, seed=0)
    method.start_epoch(0, lambda: scenes.bank(OF))
    return method


def partner(x: np.ndarray, i: int, ranking: Scope) -> int | None:
    """Eq. 4: the nearest in another camera that ranks i first in i's own. Of several, the nearest."""

    def apart(a: int, b: int) -> float:
        return float(np.linalg.norm(l2(x[a]) - l2(x[b])))

    others = [j for j in range(len(x)) if CAMERA[j] != CAMERA[i]]
    if ranking == "pooled":
        first = [min(others, key=lambda j: apart(i, j))]
    else:
        cameras = {int(CAMERA[j]) for j in others}
        first = [min((j for j in others if CAMERA[j] == c), key=lambda j: apart(i, j)) for c in cameras]
    own = [j for j in range(len(x)) if CAMERA[j] == CAMERA[i]]
    consistent = [t for t in first if min(own, key=lambda j, t=t: apart(t, j)) == i]
    return min(consistent, key=lambda j: apart(i, j)) if consistent else None


READINGS = [
    DALConfig(),
    DALConfig(squared=True),
    DALConfig(ranking="pooled"),
    DALConfig(update="averaged"),
]


@pytest.mark.parametrize("reading", READINGS)
def test_two_steps(reading: DALConfig) -> None:
    config = replace(reading, cross_weight=0.7, margin=0.4)
    ranking, squared = config.ranking, config.squared
    method = started(config)
    x = scenes.bank(OF).embedding.numpy().astype(float)
    a = x.copy()
    merged = 0
    for turn in range(2):
        step = scenes.batch(OF, seed=10 * turn)
        f, tracklet = step.embedding.detach().numpy().astype(float), step.tracklet.tolist()

        def apart(k: int, anchor: np.ndarray, f: np.ndarray = f) -> float:
            d = float(np.linalg.norm(l2(f[k]) - l2(anchor)))
            return d * d if squared else d

        first, to_first = [], []
        for k, t in enumerate(tracklet):  # Eq. 2
            ranked = sorted((apart(k, x[j]), j) for j in range(len(x)) if CAMERA[j] == CAMERA[t])
            to_first.append(ranked[0][0])
            first.append(ranked[0][1])
        intra = cross = 0.0
        for k, t in enumerate(tracklet):  # Eq. 3, 6
            same = [to_first[m] for m, u in enumerate(tracklet) if CAMERA[u] == CAMERA[t]]
            negative = sum(same) / len(same) if first[k] == t else to_first[k]
            intra += max(0.0, apart(k, x[t]) - negative + config.margin) / len(f)
            cross += max(0.0, apart(k, a[t]) - negative + config.margin) / len(f)
        assert 0 < sum(first[k] == t for k, t in enumerate(tracklet)) < len(tracklet) or turn == 0
        parts = method.losses(step)
        assert parts["intra"].item() == pytest.approx(intra, rel=1e-4)
        assert parts["cross"].item() == pytest.approx(0.7 * cross, rel=1e-4)  # Eq. 7
        parts["cross"].backward()
        assert torch.isfinite(step.embedding.grad).all()

        method.after_step(step)
        for t in set(tracklet):  # Eq. 1
            if config.update == "averaged":
                x[t] = l2(x[t])
            x[t] = x[t] - RATE * (l2(x[t]) - np.mean([l2(f[k]) for k, u in enumerate(tracklet) if u == t], 0))
        np.testing.assert_allclose(method.anchor, x, atol=1e-5)
        for t in set(tracklet):  # Eq. 5
            other = partner(x, t, ranking)
            assert int(method.partner[t]) == (-1 if other is None else other)
            a[t] = x[t] if other is None else (l2(x[t]) + l2(x[other])) / 2
            merged += other is not None
        np.testing.assert_allclose(method.cross_anchor, a, atol=1e-5)
    assert merged > 2
    pairs = method.associations()
    assert len(pairs) and (OF.camera[pairs[:, 0]] != OF.camera[pairs[:, 1]]).all()


def test_anchors_from_zero() -> None:
    """As the authors' code has it: no NaN, and every class of a camera is as near."""
    method = DAL(OF, scenes.WIDTH, DALConfig(anchors="zero"), 10, seed=0)
    method.start_epoch(0, scenes.never)
    step = scenes.batch(OF)
    loss = torch.stack(list(method.losses(step).values())).sum()
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(step.embedding.grad).all()
    method.after_step(step)
    assert method.anchor[step.tracklet].abs().sum() > 0


def test_an_averaged_anchor_remembers() -> None:
    """Frames about a true mean: Eq. 1 as printed ends at the last batch, the average nearer to the truth."""
    rng = np.random.default_rng(0)
    truth = l2(rng.normal(0, 1, scenes.WIDTH))
    nearness = {}
    for config in (DALConfig(), DALConfig(update="averaged")):
        method = started(config)
        frames = torch.from_numpy(truth + rng.normal(0, 0.35, (40, scenes.WIDTH))).float()
        seen = []
        for frame in frames:
            one = torch.zeros(1, dtype=torch.int64)
            method.after_step(Batch(frame[None], one, OF.camera[one], one))
            seen.append(float(method.anchor[0].numpy() @ truth / method.anchor[0].norm()))
        nearness[config.update] = float(np.mean(seen[5:]))
    assert nearness["averaged"] > nearness["printed"] + 0.03


def test_switches() -> None:
    step = scenes.batch(OF)
    assert set(started(DALConfig(cross=False)).losses(step)) == {"intra"}
    assert set(started(DALConfig(intra=False)).losses(step)) == {"cross"}
    waiting = started(DALConfig(cross_start=0.2))
    waiting.after_step(step)
    assert not len(waiting.associations())
    torch.testing.assert_close(waiting.cross_anchor, waiting.anchor)
    waiting.start_epoch(2, scenes.never)
    waiting.after_step(step)
    assert len(waiting.associations())


def test_learns() -> None:
    scene = scenes.world()
    for config in (DALConfig(), DALConfig.practical(), replace(DALConfig(), intra=False)):
        start, final, curves = scenes.learn(DAL(scene.tracklets, 24, config, 8, seed=0), scene)
        assert final > start + 0.3
        assert curves[-1]["associations"] > 10
