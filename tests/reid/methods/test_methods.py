"""What holds for every method: order, resuming, precision, and no value read back within a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from reid.methods import Bank, Batch, LearningMethod, Tracklets, config_named, new_method
from reid.methods.utal import UTALConfig
from tests.reid.methods import scenes

NAMES = ["utal", "uga", "eea", "ssl", "dal", "single-task", "supervised"]
UNSUPERVISED = NAMES[:5]
EPOCHS = 4


def settings(name: str, preset: str) -> Any:
    config = config_named(name)
    chosen: Any = config.practical() if preset == "practical" else config()
    if name == "ssl":
        chosen = replace(chosen, dropout=0.0)
    if name == "eea" and preset == "faithful":
        chosen = replace(chosen, threshold="fixed", fixed=0.0)
    return chosen


def build(name: str, of: Tracklets, preset: str, identity: Tensor) -> LearningMethod:
    return new_method(settings(name, preset), of, scenes.WIDTH, EPOCHS, 3, identity)


def bank_for(method: LearningMethod, of: Tracklets) -> Bank:
    return scenes.bank(of, images=method.bank_unit == "image")


def run(method: LearningMethod, of: Tracklets, epochs: range, steps: int = 3) -> Iterator[Tensor]:
    """The loss of each step, with plain gradient descent on what the method itself learns."""
    for epoch in epochs:
        method.start_epoch(epoch, lambda: bank_for(method, of))
        for number in range(steps):
            step = scenes.batch(of, seed=100 * epoch + number)
            loss = torch.stack(list(method.losses(step).values())).sum()
            yield loss.detach()
            method.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in method.parameters():
                    if parameter.grad is not None:
                        parameter -= 0.1 * parameter.grad
            method.after_step(step)


@pytest.mark.parametrize("preset", ["faithful", "practical"])
@pytest.mark.parametrize("name", NAMES)
def test_resumes_identically(name: str, preset: str) -> None:
    of = scenes.tracklets()
    identity = torch.arange(len(of)) // 3
    whole = build(name, of, preset, identity)
    losses = list(run(whole, of, range(EPOCHS)))
    for stop in range(1, EPOCHS):
        stopped = build(name, of, preset, identity)
        list(run(stopped, of, range(stop)))
        other = build(name, of, preset, identity)
        other.load_state_dict(stopped.state_dict())
        assert other.epoch == stop - 1
        assert torch.equal(other.associations(), stopped.associations())
        assert torch.equal(torch.stack(list(run(other, of, range(stop, EPOCHS)))), torch.stack(losses[3 * stop :]))
    state = other.state_dict()
    for key, value in whole.state_dict().items():
        assert torch.equal(value, state[key]) if isinstance(value, Tensor) else value == state[key]


@pytest.mark.parametrize("preset", ["faithful", "practical"])
@pytest.mark.parametrize("name", UNSUPERVISED)
def test_order_of_tracklets_does_not_matter(name: str, preset: str) -> None:
    """The same tracklets under other numbers, from the same first weights, give the same losses and associations."""
    of = scenes.tracklets()
    order = torch.from_numpy(np.random.default_rng(6).permutation(len(of)))  # new number → old
    number = order.argsort()
    shuffled = Tracklets(of.camera[order], of.cameras, number[of.image_tracklet], number[of.cannot_link])
    nothing = torch.empty(0, dtype=torch.int64)
    original, other = build(name, of, preset, nothing), build(name, shuffled, preset, nothing)
    with torch.no_grad():
        for parameter, other_parameter in zip(original.parameters(), other.parameters()):
            other_parameter.copy_(parameter[order])
    for epoch in range(EPOCHS):
        bank = bank_for(original, of)
        rows = slice(None) if original.bank_unit == "image" else order
        moved = Bank(bank.embedding[rows], None if bank.stripes is None else bank.stripes[rows])
        curves = (
            original.start_epoch(epoch, lambda bank=bank: bank),
            other.start_epoch(epoch, lambda moved=moved: moved),
        )
        assert curves[0] == pytest.approx(curves[1], abs=1e-4)
        for turn in range(2):
            step = scenes.batch(of, seed=50 * epoch + turn)
            renamed = replace(step, tracklet=number[step.tracklet])
            losses = [method.losses(b) for method, b in ((original, step), (other, renamed))]
            assert losses[0].keys() == losses[1].keys()
            for part, value in losses[0].items():
                torch.testing.assert_close(value, losses[1][part], atol=1e-4, rtol=1e-4)
            original.after_step(step)
            other.after_step(renamed)
        pairs = order[other.associations()].sort(1).values
        assert {tuple(p) for p in pairs.tolist()} == {tuple(p) for p in original.associations().tolist()}


@pytest.mark.parametrize("name", NAMES)
def test_full_precision_under_autocast(name: str) -> None:
    of = scenes.tracklets()
    identity = torch.arange(len(of)) // 3
    method, other = build(name, of, "faithful", identity), build(name, of, "faithful", identity)
    for epoch in range(3):
        method.start_epoch(epoch, lambda: bank_for(method, of))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            other.start_epoch(epoch, lambda: bank_for(other, of))
            step = scenes.batch(of, seed=epoch)
            step = replace(step, embedding=step.embedding.detach().bfloat16())
            autocast = other.losses(step)
            other.after_step(step)
        exact = method.losses(replace(step, embedding=step.embedding.float()))
        method.after_step(replace(step, embedding=step.embedding.float()))
        for part, value in exact.items():
            assert autocast[part].dtype == torch.float32
            torch.testing.assert_close(autocast[part], value, atol=0, rtol=0)


@pytest.mark.parametrize("preset", ["faithful", "practical"])
@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_read_back_in_a_step(name: str, preset: str) -> None:
    """All runs on a device that holds no values, where reading one, or a size that depends on one, is an error."""
    of = scenes.tracklets()
    method = build(name, of, preset, torch.arange(len(of)) // 3)
    method.start_epoch(0, lambda: bank_for(method, of))
    method.epoch = EPOCHS - 1  # all parts on
    method.to("meta")
    step = Batch(
        torch.empty((12, scenes.WIDTH), device="meta", requires_grad=True),
        *(torch.empty(12, dtype=torch.int64, device="meta") for _ in range(3)),
    )
    # `losses` and `after_step` add autocast's switch, which knows no such device.
    torch.stack(list(method.parts(step).values())).sum().backward()
    with torch.no_grad():
        method.remember(step)
    assert step.embedding.grad is not None


def test_baseline_and_upper_bound_learn() -> None:
    scene = scenes.world()
    for name in ("single-task", "supervised"):
        config = config_named(name).practical()
        start, final, _ = scenes.learn(new_method(config, scene.tracklets, 24, 8, 0, scene.identity), scene)
        assert final > start + 0.3


def test_identities_reach_only_what_says_that_it_needs_them() -> None:
    kinds = {name: config_named(name) for name in NAMES}
    needing = [name for name, kind in kinds.items() if kind().needs_identities or kind.practical().needs_identities]
    assert needing == ["supervised"]
    of = scenes.tracklets()
    with pytest.raises(ValueError, match="supervised: these settings need identities"):
        new_method(config_named("supervised")(), of, scenes.WIDTH, EPOCHS, 3)
    weak = new_method(UTALConfig(weakly_supervised=True), of, scenes.WIDTH, EPOCHS, 3, torch.zeros(len(of)).long())
    assert len(weak.state_dict()["memory"]) == 3  # one identity, three cameras


def test_supervised_losses() -> None:
    """Batch-hard: the farthest of the same identity against the nearest of another."""
    of = scenes.tracklets()
    identity = 10 * (torch.arange(len(of)) % 5)
    method = build("supervised", of, "faithful", identity)
    step = scenes.batch(of)
    x = torch.nn.functional.normalize(step.embedding.detach()).numpy()
    who = identity[step.tracklet].tolist()
    expected = 0.0
    for i in range(len(x)):
        d = [float(np.linalg.norm(x[i] - x[j])) for j in range(len(x))]
        farthest = max(d[j] for j in range(len(x)) if who[j] == who[i])
        nearest = min(d[j] for j in range(len(x)) if who[j] != who[i])
        expected += max(0.0, farthest - nearest + 0.3) / len(x)
    assert method.losses(step)["triplet"].item() == pytest.approx(expected, rel=1e-3)


def test_same_seed_same_start() -> None:
    of = scenes.tracklets()
    nothing = torch.empty(0, dtype=torch.int64)
    state, other = (build("eea", of, "faithful", nothing).state_dict() for _ in range(2))
    assert all(torch.equal(state[key], other[key]) for key in state if isinstance(state[key], Tensor))
