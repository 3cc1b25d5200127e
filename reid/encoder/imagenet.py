"""Backbones that take pictures as ImageNet's do: Torchvision's networks without their classifier, and two of ours."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn

from reid.encoder import lite
from reid.encoder.osnet import WIDTHS, osnet
from reid.pictures import MEAN, SPREAD

TORCHVISION = {  # channels of the last map
    "resnet50": 2048,
    "resnet18": 512,
    "densenet121": 1024,
    "mobilenet_v2": 1280,
    "mobilenet_v3_small": 576,
}
OURS = {name: channels[-1] for name, channels in WIDTHS.items()} | {"efficientnet_lite0": lite.HEAD}


class ImageNetBackbone(nn.Module):
    """ImageNet's normalisation, then a network: (N, 3, H, W) of 0…255 → (N, C, h, w)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, name: str, last_stride: int) -> None:
        super().__init__()
        self.layers = torchvision_layers(name, last_stride) if name in TORCHVISION else our_layers(name, last_stride)
        statistics = (lite.MEAN, lite.SPREAD) if name == "efficientnet_lite0" else (MEAN, SPREAD)
        mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in statistics)
        self.register_buffer("scale", 1 / (255 * spread), persistent=False)
        self.register_buffer("shift", -mean / spread, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) of 0…255 → (N, C, h, w)."""
        out: Tensor = self.layers(images * self.scale + self.shift)
        return out


def our_layers(name: str, last_stride: int) -> nn.Sequential:
    """A network of `OURS` up to its last map."""
    return lite.efficientnet_lite0(last_stride) if name == "efficientnet_lite0" else osnet(name)


def torchvision_layers(name: str, last_stride: int, weights: str | None = None) -> nn.Sequential:
    """A Torchvision network up to its last map.

    `weights` names Torchvision's weights for it, which are fetched if need be.
    """
    from torchvision import models  # only who uses one of these waits for it

    network: Any = getattr(models, name)(weights=weights)
    if name.startswith("resnet"):
        if last_stride == 1:
            first = network.layer4[0]
            (first.conv2 if name == "resnet50" else first.conv1).stride = (1, 1)
            first.downsample[0].stride = (1, 1)
        return nn.Sequential(OrderedDict((n, m) for n, m in network.named_children() if n not in ("avgpool", "fc")))
    if name.startswith("densenet"):
        return nn.Sequential(OrderedDict([*network.features.named_children(), ("relu", nn.ReLU(inplace=True))]))
    if name == "mobilenet_v2" and last_stride == 1:
        network.features[14].conv[1][0].stride = (1, 1)
    layers: nn.Sequential = network.features
    return layers
