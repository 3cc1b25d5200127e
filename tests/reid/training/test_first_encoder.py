"""The encoder that a training begins with: its weights, its shape, and shipped encoders by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from deploy.models import BASE, shipped
from reid.encoder import EncoderError, load_encoder
from reid.training import Settings, TrainingError, first_encoder, preset
from reid.training.first_encoder import weights_named

FIRST = first_encoder.first_encoder
SETTINGS = Settings(preset("eea"), "data")


def test_a_shipped_encoder_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert weights_named(BASE) == shipped("base.safetensors")
    encoder, base = FIRST(SETTINGS), load_encoder(shipped("base.safetensors"))
    assert encoder.config == base.config
    assert all(torch.equal(a, b) for a, b in zip(encoder.state_dict().values(), base.state_dict().values()))


def test_without_the_box_files_are_still_found(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_encoder, "BOX", "nowhere.models")
    assert weights_named(str(data_folder / "tiny.safetensors")) == data_folder / "tiny.safetensors"
    with pytest.raises(TrainingError, match=r"--init base: there is no such file.*python -m deploy\.models\.base"):
        weights_named(BASE)


def test_random_weights_have_the_recipes_shape_and_the_seed_decides() -> None:
    settings = replace(SETTINGS, init="random", encoder={"channels": (4, 4, 4, 4, 8)})
    encoder = FIRST(settings)
    assert (encoder.config.head, encoder.size, encoder.config.dimensions) == ("embedding-l2", (256, 128), 1024)
    again, other = FIRST(settings), FIRST(replace(settings, seed=1))
    assert torch.equal(next(again.parameters()), next(encoder.parameters()))
    assert not torch.equal(next(other.parameters()), next(encoder.parameters()))


def test_weights_keep_their_shape_unless_another_is_named(data_folder: Path) -> None:
    settings = replace(SETTINGS, init=str(data_folder / "tiny.safetensors"))
    given = load_encoder(data_folder / "tiny.safetensors")
    assert FIRST(settings).config == given.config
    assert FIRST(replace(settings, size=(96, 48))).size == (96, 48)
    other = FIRST(replace(settings, head="fc"))
    assert (other.config.head, other.config.dimensions) == ("fc", 2048)
    assert torch.equal(next(other.backbone.parameters()), next(given.backbone.parameters()))
    changed = FIRST(replace(settings, head="embedding", encoder={"dropout": 0.1, "dimensions": 32, "ghost": 4}))
    assert (changed.config.dropout, changed.config.dimensions, changed.config.ghost) == (0.1, 32, 4)


def test_what_there_is_not_is_told(data_folder: Path) -> None:
    weights = str(data_folder / "tiny.safetensors")
    with pytest.raises(TrainingError, match="crops of 100x40 px don't go through"):
        FIRST(replace(SETTINGS, init=weights, size=(100, 40)))
    with pytest.raises(EncoderError, match="has the backbone light"):
        FIRST(replace(SETTINGS, init=weights, backbone="resnet18"))
    with pytest.raises(EncoderError, match="no ImageNet weights for light"):
        FIRST(replace(SETTINGS, init="imagenet"))
