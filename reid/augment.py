"""Augmentation of a whole batch of crops at once, on its device: what differs between cameras, detectors and weathers.

The order is that of the world: where the box lies, who stands in front, light, lens, sensor. Every draw comes from the
generator, so the same generator gives the same batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn import functional

LUMA = (0.299, 0.587, 0.114)


class Dice:
    """Per-crop random numbers, shaped to multiply (N, C, H, W)."""

    def __init__(self, count: int, generator: Generator) -> None:
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float, channels: int = 1) -> Tensor:
        """(N, channels, 1, 1) from low to high."""
        numbers = torch.rand(self.count, channels, 1, 1, generator=self.generator, device=self.generator.device)
        return low + (high - low) * numbers

    def normal(self, spread: float, channels: int = 1) -> Tensor:
        """(N, channels, 1, 1) around 0 with that standard deviation."""
        numbers = torch.randn(self.count, channels, 1, 1, generator=self.generator, device=self.generator.device)
        return spread * numbers

    def chance(self, share: float) -> Tensor:
        """1 for about `share` of the crops, else 0."""
        return (self.uniform(0, 1) < share).float()

    def order(self) -> Tensor:
        """(N,) a random order of the crops."""
        return torch.randperm(self.count, generator=self.generator, device=self.generator.device)

    def rectangle(self, images: Tensor, low: tuple[float, float], high: tuple[float, float]) -> Tensor:
        """(N, 1, H, W), 1 inside of a rectangle.

        Its height and width are shares of the crop's from low to high.
        """
        height, width = images.shape[2:]
        rows = torch.arange(height, device=images.device).view(1, 1, -1, 1) / height
        columns = torch.arange(width, device=images.device).view(1, 1, 1, -1) / width
        tall, wide = self.uniform(low[0], high[0]), self.uniform(low[1], high[1])
        # The middle may lie on the border, so that patches also come in from the side.
        y, x = self.uniform(0, 1), self.uniform(0, 1)
        return ((rows - y).abs() * 2 < tall).float() * ((columns - x).abs() * 2 < wide).float()


def augment(crops: Tensor, height: int, width: int, generator: Generator, *, mild: bool = False) -> Tensor:
    """Crops as another camera and another detector might have given them.

    Args:
        crops: (N, H, W, 3) uint8 RGB.
        height: px, of what comes out.
        width: px, of what comes out.
        generator: Of all that is random, on the crops' device.
        mild: Boxes and erased patches only. Where the crops are of the very cameras that the encoder will see, it may
            learn their light and lenses. With other light it would unlearn what clothes look like there.

    Returns:
        (N, height, width, 3) float32 of 0…255.
    """
    dice = Dice(len(crops), generator)
    images = reframe(crops.permute(0, 3, 1, 2).float(), height, width, dice) / 255.0
    if not mild:
        images = occlude(images, dice)
        images = relight(images, dice)
        images = refocus(images, dice)
    images = erase(images, dice)
    return images.clamp(0, 1).permute(0, 2, 3, 1) * 255.0


def reframe(images: Tensor, height: int, width: int, dice: Dice) -> Tensor:
    """Mirrored, and boxed as loosely as a detector does: scale, aspect, shift, a little roll."""
    mirrored = 1 - 2 * dice.chance(0.5)
    loose = dice.chance(0.8)
    scale_y = 1 + loose * dice.uniform(-0.20, 0.12)  # over 1: the box is larger than the crop, its border repeated
    scale_x = 1 + loose * dice.uniform(-0.20, 0.16)
    shift_y, shift_x = loose * dice.uniform(-0.10, 0.10), loose * dice.uniform(-0.12, 0.12)
    roll = loose * dice.normal(0.04)
    theta = torch.cat([scale_x * mirrored, -roll, shift_x, roll * mirrored, scale_y, shift_y], 1).view(-1, 2, 3)
    grid = functional.affine_grid(theta, [len(images), 3, height, width], align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def occlude(images: Tensor, dice: Dice) -> Tensor:
    """A third of the crops have a patch of another crop in front of them."""
    patch = dice.chance(0.35) * dice.rectangle(images, (0.15, 0.15), (0.6, 0.6))
    return torch.lerp(images, images[dice.order()].flip(3), patch)


def relight(images: Tensor, dice: Dice) -> Tensor:
    """Exposure, slanting light, white balance, tone curve, contrast and saturation, and sometimes no colour at all."""
    height, width = images.shape[2:]
    rows = torch.linspace(-1, 1, height, device=images.device).view(1, 1, -1, 1)
    columns = torch.linspace(-1, 1, width, device=images.device).view(1, 1, 1, -1)
    slant = 1 + dice.chance(0.5) * (dice.normal(0.12) * rows + dice.normal(0.12) * columns)
    gains = torch.exp(dice.normal(0.22) + dice.normal(0.10, channels=3))
    images = (images * (gains * slant)).clamp(1e-4, 1.0)
    images = images.pow(torch.exp(dice.normal(0.22)))  # gamma
    luma = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    saturation = torch.exp(dice.normal(0.25)) * (1 - dice.chance(0.04))
    grey = (images * luma).sum(1, keepdim=True)
    images = torch.lerp(grey, images, saturation)
    middle = grey.mean((2, 3), keepdim=True)
    return torch.lerp(middle + dice.normal(0.05), images, torch.exp(dice.normal(0.18)))  # contrast, haze


def refocus(images: Tensor, dice: Dice) -> Tensor:
    """Blur, motion blur, and the loss of a small or hard-compressed picture: made smaller and larger again."""
    size = images.shape[2:]

    def blurred(images: Tensor, dice: Dice) -> Tensor:
        soft = functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
        return torch.lerp(images, soft, dice.uniform(-0.5, 1.0))  # below 0: sharpened

    def moved(images: Tensor, dice: Dice) -> Tensor:
        swept = functional.avg_pool2d(images, (1, 5), 1, (0, 2), count_include_pad=False)
        return torch.lerp(images, swept, dice.uniform(0.3, 1.0))

    def shrunk(images: Tensor, factor: float) -> Tensor:
        small = functional.interpolate(images, size=[math.ceil(side / factor) for side in size], mode="area")
        return functional.interpolate(small, size=size, mode="bilinear", align_corners=False)

    change_some(images, dice, 0.40, blurred)
    change_some(images, dice, 0.15, moved)
    change_some(images, dice, 0.20, lambda images, _: shrunk(images, 2))
    change_some(images, dice, 0.10, lambda images, _: shrunk(images, 3))
    change_some(images, dice, 0.50, noisy)
    return images


def noisy(images: Tensor, dice: Dice) -> Tensor:
    """A sensor's noise, of another strength in each crop."""
    noise = torch.randn(images.shape, generator=dice.generator, device=images.device)
    return torch.addcmul(images, noise, dice.uniform(0, 0.08))


def change_some(images: Tensor, dice: Dice, share: float, change: Callable[[Tensor, Dice], Tensor]) -> None:
    """Changes a random `share` of the crops in place: slow steps are done for those alone."""
    numbers = dice.order()[: round(share * len(images))]
    images[numbers] = change(images[numbers], Dice(len(numbers), dice.generator))


def erase(images: Tensor, dice: Dice) -> Tensor:
    """Random erasing with a plain colour (Zhong et al., 2020)."""
    patch = dice.chance(0.35) * dice.rectangle(images, (0.1, 0.15), (0.5, 0.7))
    return torch.lerp(images, dice.uniform(0, 1, channels=3), patch)
