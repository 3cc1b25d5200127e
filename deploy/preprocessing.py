"""How a network wants its pictures: the order of colours, and the scale of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from reid.pictures import MEAN, SPREAD

Input = Literal["rgb", "bgr"]
Scale = Literal["255", "1", "imagenet", "half"]

MEANS_AND_SPREADS = {  # of each scale, RGB of 0…255: what is subtracted, then divided by
    "255": ((0.0,) * 3, (1.0,) * 3),
    "1": ((0.0,) * 3, (255.0,) * 3),
    "imagenet": (tuple(255 * value for value in MEAN), tuple(255 * value for value in SPREAD)),
    "half": ((127.5,) * 3, (127.5,) * 3),
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The order of colours and the scale of their values.

    255 are values as they are, 1 is 0…1, imagenet is ImageNet's mean and spread, half is −1…1 (mean and spread 0.5).
    """

    input: Input
    scale: Scale

    def __str__(self) -> str:
        return f"{self.input} {self.scale}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of it. None is to be found."""

    input: Input | None = None
    scale: Scale | None = None

    def allows(self, preprocessing: Preprocessing) -> bool:
        """Whether it is as told, as far as it is told."""
        return self.input in (None, preprocessing.input) and self.scale in (None, preprocessing.scale)


_SCALES: tuple[Scale, ...] = ("imagenet", "half", "1", "255")  # the most usual first
ALL = tuple(Preprocessing(order, scale) for order in get_args(Input) for scale in _SCALES)
