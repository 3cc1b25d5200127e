"""Settings and the lines that change them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from reid.benchmarks.noise import Noise
from reid.methods.eea import EEAConfig
from reid.methods.merged import MergedConfig
from reid.training import Changes, Settings, TrainingError, pixels, preset

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def test_presets() -> None:
    assert preset("eea") == EEAConfig.practical() and preset("eea", "faithful") == EEAConfig()
    assert isinstance(preset("merged"), MergedConfig)
    with pytest.raises(TrainingError, match="no method is called 'udal'; there are utal, uga"):
        preset("udal")
    assert preset("eea", "faithful-mars") == EEAConfig(warm_up=30 / 80)
    with pytest.raises(TrainingError, match="utal has no preset 'faithful-mars'; it has practical, faithful"):
        preset("utal", "faithful-mars")


def test_practical_settings_depend_on_what_is_known_before() -> None:
    nothing = Changes.parse([])

    def eea(**known: Any) -> EEAConfig:
        config = Settings.of("eea", "practical", nothing, data="data", **known).config
        assert isinstance(config, EEAConfig)
        return config

    assert (eea().threshold, eea(init="random").threshold) == ("dynamic", "quantile")
    assert eea().neighbours > eea(protocol="oracle-tracklets").neighbours == eea(protocol="sparse-tracklets").neighbours


def test_a_faithful_preset_has_its_papers_head_width_and_size() -> None:
    settings = Settings.of("eea", "faithful", Changes.parse(["encoder.ghost=16"]), data="data")
    assert (settings.head, settings.size) == ("embedding-l2", (256, 128))
    assert settings.encoder == {"dimensions": 0, "ghost": 16}
    chosen = Settings.of("eea", "faithful", Changes.parse([]), data="data", head="pooled", size=(64, 32))
    assert (chosen.head, chosen.size) == ("pooled", (64, 32))
    practical = Settings.of("eea", "practical", Changes.parse([]), data="data")
    assert (practical.head, practical.size, practical.encoder) == (None, None, {})


def test_noise_is_a_setting() -> None:
    settings = Settings.of("eea", "practical", Changes.parse(["noise.mislabelled=0.5"]), data="data")
    assert settings.noise == Noise(mislabelled=0.5)


def test_changes_reach_method_recipe_and_encoder() -> None:
    lines = ["scale=8", "recipe.batch=24", "recipe.size=(64, 32)", "encoder.ghost=16", "threshold=fixed", "scale=9.5"]
    changes = Changes.parse(lines)
    config = changes.applied_to(preset("eea"))
    assert isinstance(config, EEAConfig)
    assert (config.scale, config.threshold, config.recipe.batch, config.recipe.size) == (9.5, "fixed", 24, (64, 32))
    assert changes.encoder == {"ghost": 16}
    unchanged = replace(config, scale=16.0, threshold="dynamic", recipe=preset("eea").recipe)
    assert unchanged == preset("eea")


def test_none_and_numbers_take_each_others_place() -> None:
    config = Changes.parse(["scale=None", "recipe.clip_value=2"]).applied_to(preset("single-task"))
    assert vars(config)["scale"] is None and config.recipe.clip_value == 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("scale", "'scale' is not NAME=VALUE"),
        ("head.scale=1", "'head.scale' is no setting: it is NAME, recipe.NAME, encoder.NAME or noise.NAME"),
        ("noise.loud=1", "there is no setting 'noise.loud'; there are duplicated, mislabelled"),
        ("recipe=3", "there is no setting 'recipe'"),
        ("inter=1", "inter is True by default and can't be 1"),
        ("scale=True", "scale is 16.0 by default and can't be True"),
        ("recipe.epochs=3.5", "recipe.epochs is 80 by default and can't be 3.5"),
        ("recipe.head=neck", "recipe.head is 'embedding-l2' by default and can't be 'neck'; it is one of stripes"),
        ("encoder.widths=3", "there is no setting 'encoder.widths'; there are channels"),
        ("encoder.pooling=max", "can't be 'max'; it is one of mean, gem"),
    ],
)
def test_a_wrong_change_is_told(line: str, said: str) -> None:
    with pytest.raises(TrainingError) as error:
        Changes.parse([line]).applied_to(preset("eea"))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("wanted", "device", "precision"),
    [("auto", CPU, "fp32"), ("auto", CUDA, "bf16"), ("fp16", CPU, "fp16"), ("fp32", CUDA, "fp32")],
)
def test_epochs_and_precision_are_named_before_the_start(wanted: Any, device: torch.device, precision: str) -> None:
    settings = Settings(preset("eea"), "data", precision=wanted).resolved(device)
    assert (settings.precision, settings.epochs) == (precision, 80)
    assert replace(settings, epochs=3).resolved(device).epochs == 3


def test_what_can_not_be_trained_is_refused() -> None:
    settings = Settings(preset("eea"), "data")
    for wrong in (replace(settings, epochs=0), replace(settings, accumulate=0)):
        with pytest.raises(TrainingError, match="at least 1"):
            wrong.resolved(CPU)
    slow = Changes.parse(["recipe.optimiser=rmsprop"]).applied_to(settings.config)
    with pytest.raises(TrainingError, match="use --precision bf16"):
        replace(settings, config=slow, precision="fp16").resolved(CPU)


def test_plain_settings_are_json_with_the_methods_name() -> None:
    plain = json.loads(json.dumps(Settings(preset("dal"), "data", size=(64, 32)).plain()))
    assert (plain["method"], plain["size"], plain["config"]["recipe"]["clip_value"]) == ("dal", [64, 32], 2.0)


def test_pixels() -> None:
    assert pixels("256x128") == (256, 128)
    for wrong in ("256", "256x", "axb"):
        with pytest.raises(TrainingError, match="is not HEIGHTxWIDTH"):
            pixels(wrong)
    for wrong in ("8x64", "2048x64"):
        with pytest.raises(TrainingError, match="16 to 1024 px"):
            pixels(wrong)
