"""EfficientNet-Lite0: EfficientNet-B0 without squeeze-and-excitation and with ReLU6, for phones (Liu, 2020).

The stages are those of Tan and Le, "EfficientNet", ICML 2019, Table 1. Padding, normalisation and the scale of pictures
are TensorFlow's, where its weights come from.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

MEAN, SPREAD = (127 / 255,) * 3, (128 / 255,) * 3  # of pictures, RGB of 0…1
STEM, HEAD = 32, 1280  # channels
STAGES = (  # expansion, channels, blocks, stride, kernel
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
LAST = 5  # the stage that halves the map for the last time
EPSILON = 1e-3  # of batch normalisation


class SameConvolution(nn.Conv2d):
    """A convolution padded as TensorFlow's `SAME`: where zeros are odd, one more comes to the right and the bottom."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) → (N, outputs, h / stride, w / stride), rounded up."""
        padding = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            zeros = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            padding += [zeros // 2, zeros - zeros // 2]
        return super().forward(functional.pad(x, padding) if any(padding) else x)


def convolution(
    inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, depthwise: bool = False, linear: bool = False
) -> list[nn.Module]:
    """A convolution and batch normalisation, and ReLU6 unless `linear`."""
    groups = inputs if depthwise else 1
    kind, padding = (SameConvolution, 0) if stride > 1 else (nn.Conv2d, kernel // 2)
    return [
        kind(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=EPSILON),
        *([] if linear else [nn.ReLU6(inplace=True)]),
    ]


class InvertedResidual(nn.Module):
    """Wide inside, depthwise, narrow outside (Sandler et al., "MobileNetV2", CVPR 2018)."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        inside = expansion * inputs
        self.adds = stride == 1 and inputs == outputs
        self.path = nn.Sequential(
            *(convolution(inputs, inside) if expansion > 1 else []),
            *convolution(inside, inside, kernel, stride, depthwise=True),
            *convolution(inside, outputs, linear=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) → (N, outputs, h / stride, w / stride)."""
        out: Tensor = self.path(x)
        return x + out if self.adds else out


def efficientnet_lite0(last_stride: int) -> nn.Sequential:
    """All but the classifier: (N, 3, H, W) → (N, 1280, H / 32, W / 32), or a map twice as fine at `last_stride` 1."""
    layers, inputs = convolution(3, STEM, 3, 2), STEM
    for stage, (expansion, outputs, blocks, stride, kernel) in enumerate(STAGES):
        for block in range(blocks):
            strides = 1 if block else last_stride if stage == LAST else stride
            layers.append(InvertedResidual(inputs, outputs, expansion, strides, kernel))
            inputs = outputs
    return nn.Sequential(*layers, *convolution(inputs, HEAD))
