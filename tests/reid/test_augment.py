from __future__ import annotations

import pytest
import torch

from reid.augment import Dice, augment, change_some, reframe, relight


@pytest.fixture
def crops() -> torch.Tensor:
    return torch.randint(0, 256, (12, 40, 20, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def test_shape_range_and_the_given_crops_stay(crops: torch.Tensor) -> None:
    before = crops.clone()
    out = augment(crops, 32, 16, torch.Generator().manual_seed(0))
    assert out.shape == (12, 32, 16, 3)
    assert out.dtype == torch.float32
    assert out.min() >= 0
    assert out.max() <= 255
    assert torch.isfinite(out).all()
    assert torch.equal(crops, before)


def test_the_generator_decides_everything(crops: torch.Tensor) -> None:
    first, again, second = (augment(crops, 32, 16, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first - second).abs().mean() > 5


def test_mild_leaves_light_and_lens() -> None:
    crops = torch.full((64, 32, 16, 3), 90, dtype=torch.uint8)
    out = augment(crops, 32, 16, torch.Generator().manual_seed(0), mild=True)
    untouched = (out - 90).abs() < 1e-3
    assert 0.5 < untouched.float().mean() < 1  # what is not 90 was erased
    assert untouched.all(3).flatten(1).all(1).any()


def test_every_crop_is_treated_on_its_own() -> None:
    crops = torch.full((64, 32, 16, 3), 90, dtype=torch.uint8)
    out = augment(crops, 32, 16, torch.Generator().manual_seed(0))
    assert out.mean((1, 2)).std(0).min() > 5


def test_about_half_are_mirrored() -> None:
    images = torch.zeros(200, 3, 16, 16)
    images[..., 8:] = 1.0
    out = reframe(images, 16, 16, Dice(200, torch.Generator().manual_seed(0)))
    mirrored = out[..., :4].mean((1, 2, 3)) > out[..., -4:].mean((1, 2, 3))
    assert 70 < int(mirrored.sum()) < 130


def test_light_keeps_the_order_of_grey_levels() -> None:
    ramp = torch.linspace(0.1, 0.6, 8).view(1, 1, 8, 1).expand(50, 3, 8, 4)
    out = relight(ramp, Dice(50, torch.Generator().manual_seed(0))).mean((1, 3))
    assert (out[:, 7] > out[:, 0]).all()


def test_change_some_touches_only_its_share() -> None:
    images = torch.zeros(10, 3, 4, 4)
    change_some(images, Dice(10, torch.Generator().manual_seed(0)), 0.3, lambda some, dice: some + 1)
    assert images.amax((1, 2, 3)).sum() == 3
