"""The light backbone, which the base encoder that we ship has: made to be fast on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GREY, CONTRAST = 115.0, 60.0  # grey levels: what a crop has, about
NOISE = 25.0  # grey levels²: a spread under 5 is noise


class MixedNorm(nn.Module):
    """Instance normalisation of the first half of the channels, batch normalisation of the others: IBN-a.

    The first half forgets the crop's own contrast and cast. They differ between cameras and from rendered to real
    pictures. The others keep colour, which tells people apart (Pan et al., "Two at Once", ECCV 2018).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.split = channels // 2
        self.instance = nn.GroupNorm(self.split, self.split)
        self.batch = nn.BatchNorm2d(channels - self.split)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w), as ever."""
        # GroupNorm is several times as fast on a dense channels-last half as on a view of it.
        dense = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
        first, second = (half.contiguous(memory_format=dense) for half in (x[:, : self.split], x[:, self.split :]))
        return torch.cat([self.instance(first), self.batch(second)], 1)


def convolution(inputs: int, outputs: int, stride: int, norm: type[nn.Module]) -> list[nn.Module]:
    """A 3×3 convolution and its normalisation."""
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), norm(outputs)]


class Block(nn.Module):
    """The basic residual block. Where it halves the map, its shortcut averages first (ResNet-D)."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: type[nn.Module]) -> None:
        super().__init__()
        self.path = nn.Sequential(
            *convolution(inputs, outputs, stride, norm),
            nn.ReLU(inplace=True),
            *convolution(outputs, outputs, 1, nn.BatchNorm2d),
        )
        shortcut: list[nn.Module] = [nn.AvgPool2d(2)] if stride == 2 else []
        if inputs != outputs:
            shortcut += [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, outputs, h / stride, w / stride)."""
        return functional.relu(self.shortcut(x) + self.path(x))


class LightBackbone(nn.Module):
    """A narrow ResNet of plain 3×3 convolutions, stride 16, which a CPU runs at nearly its peak.

    Depthwise networks of the same speed (OSNet x0.25, MobileNetV3-small) do half its arithmetic or less. They wait for
    memory. It sees each crop twice. Once is as it is. Once has each colour channel's mean and spread taken out, and is
    free of exposure and white balance.
    """

    def __init__(self, channels: tuple[int, ...], blocks: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 6
        for outputs in channels[:2]:
            layers += [*convolution(inputs, outputs, 2, nn.BatchNorm2d), nn.ReLU(inplace=True)]
            inputs = outputs
        for stage, (outputs, count) in enumerate(zip(channels[1:], blocks, strict=True)):
            norm = MixedNorm if stage < 2 else nn.BatchNorm2d
            for block in range(count):
                layers.append(Block(inputs, outputs, 2 if block == 0 and stage in (1, 2) else 1, norm))
                inputs = outputs
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) of 0…255 → (N, C, H / 16, W / 16), nothing below 0."""
        centred = images - images.mean((2, 3), keepdim=True)
        spread = centred.square().mean((2, 3), keepdim=True)
        balanced = centred * torch.rsqrt(spread + NOISE)
        out: Tensor = self.layers(torch.cat([(images - GREY) / CONTRAST, balanced], 1))
        return out


class FusedBackbone(nn.Module):
    """A trained LightBackbone in fewer steps, for export: what the runtime does not fuse by itself is folded here.

    Takes the backbone's layers over and changes them: give it a copy. Measured, 2 to 16 % of the time is saved.
    """

    def __init__(self, backbone: LightBackbone) -> None:
        super().__init__()
        self.layers = backbone.layers
        with torch.no_grad():
            first = self.layers[0]
            assert isinstance(first, nn.Conv2d)
            first.weight[:, :3] /= CONTRAST
            for module in self.layers:
                if isinstance(module, Block) and isinstance(module.path[1], MixedNorm):
                    convolved, norm = module.path[0], module.path[1]
                    assert isinstance(convolved, nn.Conv2d)
                    module.path[0] = _with_batch_norm(convolved, norm)
                    module.path[1] = _InstanceHalf(norm)

    def forward(self, images: Tensor) -> Tensor:
        """As LightBackbone's."""
        shifted = images - GREY
        out: Tensor = self.layers(torch.cat([shifted, _standardised(shifted, NOISE)], 1))
        return out


class _InstanceHalf(nn.Module):
    """A MixedNorm whose other half is folded into the convolution before it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: MixedNorm) -> None:
        super().__init__()
        self.split, self.eps = norm.split, norm.instance.eps
        self.register_buffer("scale", norm.instance.weight.detach()[:, None, None].clone())
        self.register_buffer("shift", norm.instance.bias.detach()[:, None, None].clone())

    def forward(self, x: Tensor) -> Tensor:
        first = _standardised(x[:, : self.split], self.eps) * self.scale + self.shift
        return torch.cat([first, x[:, self.split :]], 1)


def _with_batch_norm(convolved: nn.Conv2d, norm: MixedNorm) -> nn.Conv2d:
    """The convolution that gives the batch normalised half of the channels as `norm` makes them."""
    batch, split = norm.batch, norm.split
    assert batch.running_mean is not None and batch.running_var is not None
    factor = batch.weight / torch.sqrt(batch.running_var + batch.eps)
    folded = nn.Conv2d(convolved.in_channels, convolved.out_channels, 3, convolved.stride[0], 1)
    assert folded.bias is not None
    folded.weight.copy_(convolved.weight)
    folded.weight[split:] *= factor[:, None, None, None]
    folded.bias.zero_()
    folded.bias[split:] = batch.bias - batch.running_mean * factor
    return folded


def _standardised(x: Tensor, eps: float) -> Tensor:
    """(N, C, H, W), each channel of each image with mean 0 and spread 1.

    Written as a layer normalisation: ONNX Runtime's InstanceNormalization runs on one thread only.
    """
    return functional.layer_norm(x.flatten(2), (x.shape[2] * x.shape[3],), eps=eps).view_as(x)
