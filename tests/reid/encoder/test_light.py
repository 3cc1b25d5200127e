"""The light backbone: light matters less than the picture, and folded for export it gives the same."""

from __future__ import annotations

import copy

import torch

from reid.encoder import (
    new_encoder,
)
from reid.encoder.light import FusedBackbone, LightBackbone, MixedNorm
from tests.reid.encoder.encoders import TINY, lived_in, random_crops


def test_exposure_and_cast_matter_less_than_the_picture() -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    crop, other = random_crops(2, TINY).float().mul(0.5).add(20).unbind()
    cast = crop * torch.tensor([1.2, 1.0, 0.9])
    rows = encoder.embed(torch.stack([crop, cast, other]).to(torch.uint8))
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_half_of_the_channels_forget_their_own_contrast() -> None:
    norm = MixedNorm(6).eval()
    x = torch.rand(2, 6, 5, 4)
    out, other = norm(x), norm(3 * x + 1)
    torch.testing.assert_close(out[:, :3], other[:, :3], atol=1e-3, rtol=1e-3)
    assert (out[:, 3:] - other[:, 3:]).abs().min() > 0.5
    torch.testing.assert_close(out[:, :3].mean((2, 3)), torch.zeros(2, 3), atol=1e-5, rtol=0)


def test_the_map_is_a_sixteenth_and_has_nothing_below_zero() -> None:
    mapped = LightBackbone((4, 8, 8, 8, 12), (1, 2, 1, 1)).eval()(torch.rand(2, 3, 64, 32) * 255)
    assert mapped.shape == (2, 12, 4, 2) and mapped.min() >= 0


def test_folded_for_export_it_gives_the_same() -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    backbone = encoder.backbone
    assert isinstance(backbone, LightBackbone)
    images = random_crops(3, TINY).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        expected = backbone(images)
        fused = FusedBackbone(copy.deepcopy(backbone)).eval()
        torch.testing.assert_close(fused(images), expected, atol=1e-3, rtol=1e-3)
        assert torch.equal(backbone(images), expected)  # the copy was changed, not this one
