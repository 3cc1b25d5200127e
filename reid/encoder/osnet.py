"""OSNet, written from Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

REDUCTION = 4  # of the channels, inside a block
STREAMS = 4  # T, of receptive fields 3, 5, 7 and 9
GATE_REDUCTION = 16
WIDTHS = {  # β of Table 7: channels of the first convolution and of the three stages (Table 1)
    "osnet_x1_0": (64, 256, 384, 512),
    "osnet_x0_75": (48, 192, 288, 384),
    "osnet_x0_5": (32, 128, 192, 256),
    "osnet_x0_25": (16, 64, 96, 128),
}


def pointwise(inputs: int, outputs: int, *, linear: bool = False) -> nn.Sequential:
    """1×1 convolution and batch normalisation, and ReLU unless `linear`."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers) if linear else nn.Sequential(*layers, nn.ReLU(inplace=True))


def lite(channels: int) -> nn.Sequential:
    """Lite 3×3 (Figure 3b): the pointwise convolution comes first, with nothing between it and the depthwise one."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Gate(nn.Module):
    """The unified aggregation gate G (Eq. 3): weights for each channel of a stream, made from the stream itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // GATE_REDUCTION, 1)
        self.excite = nn.Conv2d(channels // GATE_REDUCTION, channels, 1)
        for convolution in (self.squeeze, self.excite):
            assert convolution.bias is not None
            nn.init.zeros_(convolution.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) of a stream → the same, weighted."""
        hidden = functional.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * self.excite(hidden).sigmoid()


class OmniScaleBlock(nn.Module):
    """Figure 4: four streams of one to four Lite 3×3, summed through one gate that they share (Eq. 3)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        inside = outputs // REDUCTION
        self.reduce = pointwise(inputs, inside)
        self.streams = nn.ModuleList(
            nn.Sequential(*(lite(inside) for _ in range(depth))) for depth in range(1, STREAMS + 1)
        )
        self.gate = Gate(inside)
        self.expand = pointwise(inside, outputs, linear=True)
        self.shortcut = pointwise(inputs, outputs, linear=True) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, outputs, h, w)."""
        reduced = self.reduce(x)
        first, *deeper = (self.gate(stream(reduced)) for stream in self.streams)
        total = first
        for stream_map in deeper:
            total = total + stream_map
        return functional.relu(self.expand(total) + self.shortcut(x))


def osnet(name: str) -> nn.Sequential:
    """Table 1 up to conv5, stride 16: (N, 3, H, W) → (N, C, H / 16, W / 16). Two blocks a stage."""
    stem, *stages = WIDTHS[name]
    layers: list[nn.Module] = [
        nn.Conv2d(3, stem, 7, 2, 3, bias=False),
        nn.BatchNorm2d(stem),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
    ]
    inputs = stem
    for stage, outputs in enumerate(stages):
        layers += [OmniScaleBlock(inputs, outputs), OmniScaleBlock(outputs, outputs)]
        layers.append(pointwise(outputs, outputs))  # between stages, before the map is halved. At the end, conv5
        if stage < len(stages) - 1:
            layers.append(nn.AvgPool2d(2))
        inputs = outputs
    return nn.Sequential(*layers)
