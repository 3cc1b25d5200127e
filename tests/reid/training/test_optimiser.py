"""The optimiser of a recipe, its rates, and seeds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from reid.encoder import EncoderConfig, new_encoder
from reid.methods import Recipe, new_method
from reid.methods.eea import EEAConfig
from reid.training.optimiser import new_optimiser, random_seed, set_rate
from tests.reid.methods import scenes

RECIPE = Recipe(epochs=10, learning_rate=0.1, weight_decay=0.01, backbone_rate=0.5)
ENCODER = new_encoder(EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=1, dimensions=6, height=32, width=16), seed=0)
METHOD = new_method(EEAConfig(), scenes.tracklets(), 6, 10, 0)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("adam", torch.optim.Adam, {"betas": (0.9, 0.999)}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        ("rmsprop", torch.optim.RMSprop, {"momentum": 0.9, "alpha": 0.9, "eps": 1.0}),
    ],
)
def test_each_optimiser_has_the_papers_constants(name: str, kind: type, options: dict[str, object]) -> None:
    optimiser = new_optimiser(ENCODER, METHOD, replace(RECIPE, optimiser=name, nesterov=True))  # type: ignore[arg-type]
    assert type(optimiser) is kind
    for group in optimiser.param_groups:
        assert options.items() <= group.items() and group["weight_decay"] == 0.01
    learned = {id(parameter) for module in (ENCODER, METHOD) for parameter in module.parameters()}
    assert {id(p) for group in optimiser.param_groups for p in group["params"]} == learned


def test_the_backbone_has_its_share_of_the_rate() -> None:
    optimiser = new_optimiser(ENCODER, METHOD, RECIPE)
    set_rate(optimiser, 0.3)
    assert [group["lr"] for group in optimiser.param_groups] == [0.15, 0.3]
    assert len(optimiser.param_groups[0]["params"]) == len(list(ENCODER.backbone.parameters()))


def test_seeds_differ_by_what_they_are_for() -> None:
    assert random_seed(0, 5, 2) == random_seed(0, 5, 2)
    assert len({random_seed(seed, step, use) for seed in (0, 1) for step in (0, 1) for use in (2, 3)}) == 8
