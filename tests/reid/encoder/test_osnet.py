"""OSNet is its paper's."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from deploy.encoder import open_encoder
from reid.encoder import (
    EncoderConfig,
    new_encoder,
)
from reid.encoder.osnet import OmniScaleBlock, osnet
from tests.reid.encoder.encoders import random_crops


def test_osnet_is_the_papers(shared: Path) -> None:
    """The convolutions of a trained OSNet x0.25, its normalisations folded into them, give what its ONNX file gives."""
    graph = onnx.load(shared / "weights" / "osnet_x0_25_msmt17.onnx").graph
    values = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    weights_and_biases = [[values[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    config = EncoderConfig(backbone="osnet_x0_25", head="pooled", height=256, width=128)
    encoder = new_encoder(config, seed=0).eval()
    ours: list[nn.Module] = []  # in the order of the file
    for layer in encoder.backbone.layers.children():  # type: ignore[union-attr]
        if isinstance(layer, OmniScaleBlock):
            gates = [layer.gate.squeeze, layer.gate.excite] * 4
            ours += [*layer.reduce, *layer.streams.modules(), *gates, *layer.expand, *layer.shortcut.children()]
        else:
            ours += layer.modules()
    bias: list[torch.Tensor] = []
    with torch.no_grad():
        for module in ours:
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_((1 + module.eps) ** 0.5)
                module.bias.copy_(bias[0])
            elif isinstance(module, nn.Conv2d):
                weight, *bias = weights_and_biases.pop(0)
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.copy_(bias[0])
    assert not weights_and_biases
    crops = random_crops(2, config)
    with torch.no_grad():
        pooled = encoder.features(crops).pooled
    dense, norm = ([n for n in graph.node if n.op_type == kind][-1] for kind in ("Gemm", "BatchNormalization"))
    weight, shift = (values[name] for name in dense.input[1:])
    scale, offset, mean, variance = (values[name] for name in norm.input[1:])
    rows = functional.batch_norm(pooled @ weight.T + shift, mean, variance, scale, offset).relu()
    theirs = open_encoder(shared / "weights" / "osnet_x0_25_msmt17.onnx").embed(crops.numpy())
    assert torch.allclose(functional.normalize(rows), torch.from_numpy(theirs), atol=1e-5)


@pytest.mark.parametrize(("name", "channels"), [("osnet_x1_0", 512), ("osnet_x0_25", 128)])
def test_the_map_is_a_sixteenth(name: str, channels: int) -> None:
    assert osnet(name).eval()(torch.rand(1, 3, 64, 32)).shape == (1, channels, 4, 2)


def test_streams_see_ever_more_and_share_one_gate() -> None:
    block = OmniScaleBlock(16, 64)
    convolutions = [
        sum(isinstance(m, nn.Conv2d) and m.groups > 1 for m in stream.modules()) for stream in block.streams
    ]
    assert convolutions == [1, 2, 3, 4]  # receptive fields 3, 5, 7, 9
    assert sum(name.startswith("gate.") for name, _ in block.named_parameters()) == 4
