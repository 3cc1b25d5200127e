"""Backbones that take pictures as ImageNet's do."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from urllib.error import URLError

import pytest
import torch

from reid.encoder import (
    Backbone,
    EncoderConfig,
    EncoderError,
    new_encoder,
)
from tests.reid.encoder.encoders import TINY, random_crops

PARAMETERS = {  # of the backbone alone
    "light": 890688,
    "resnet50": 23_508_032,
    "resnet18": 11_176_512,
    "densenet121": 6_953_856,
    "mobilenet_v2": 3_504_872 - 1_281_000,  # without the classifier
    "mobilenet_v3_small": 927_008,
    "efficientnet_lite0": 4_652_008 - 1_281_000,
    "osnet_x1_0": 2_169_508 - 263_680,  # the paper's 2.2 and 0.2 million have FC 512 and its normalisation
    "osnet_x0_25": 201_864 - 67_072,
}


@pytest.mark.parametrize("backbone", PARAMETERS)
def test_backbones(backbone: Backbone) -> None:
    config = EncoderConfig(backbone=backbone, head="pooled", height=64, width=32)
    encoder = new_encoder(config, seed=0)
    assert encoder.parameter_count == PARAMETERS[backbone]
    rows = encoder.embed(random_crops(2, config))
    assert rows.shape == (2, config.dimensions) == (2, config.features)
    assert rows.isfinite().all()
    assert not torch.equal(rows[0], rows[1])


@pytest.mark.parametrize("backbone", ["resnet50", "resnet18", "mobilenet_v2", "efficientnet_lite0"])
def test_last_stride(backbone: Backbone) -> None:
    config = EncoderConfig(backbone=backbone, head="pooled", height=64, width=64)
    coarse = new_encoder(config, seed=0).eval()
    fine = new_encoder(dataclasses.replace(config, last_stride=1), seed=0).eval()
    images = random_crops(1, config).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        assert (coarse.backbone(images).shape[2:], fine.backbone(images).shape[2:]) == ((2, 2), (4, 4))
    assert coarse.state_dict().keys() == fine.state_dict().keys()


@pytest.mark.parametrize(
    ("backbone", "mean", "spread"),
    [
        ("mobilenet_v3_small", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("efficientnet_lite0", (127 / 255,) * 3, (128 / 255,) * 3),
    ],
)
def test_a_backbone_gets_pictures_as_on_imagenet(
    backbone: Backbone, mean: tuple[float, ...], spread: tuple[float, ...]
) -> None:
    config = EncoderConfig(backbone=backbone, head="pooled", height=32, width=32)
    encoder, seen = new_encoder(config, seed=0).eval(), []
    next(encoder.get_submodule("backbone.layers").children()).register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )
    crops = random_crops(1, config)
    encoder.embed(crops)
    wanted = (crops[0].double() / 255 - torch.tensor(mean)) / torch.tensor(spread)
    assert torch.allclose(seen[0][0].permute(1, 2, 0).double(), wanted, atol=1e-5)


def test_first_weights_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    config = EncoderConfig(backbone="mobilenet_v3_small", head="fc", height=32, width=32)
    theirs = models.mobilenet_v3_small().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: theirs)
    encoder = new_encoder(config, seed=0, init="imagenet")
    ours = encoder.backbone.state_dict()
    assert ours
    assert all(torch.equal(tensor, theirs[name.replace("layers", "features", 1)]) for name, tensor in ours.items())

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(EncoderError, match=r"^the ImageNet weights of mobilenet_v3_small can't be had .*no network"):
        new_encoder(config, seed=0, init="imagenet")
    with pytest.raises(EncoderError, match="there are no ImageNet weights for light"):
        new_encoder(TINY, seed=0, init="imagenet")
