"""Encoders that are only used: our files, and foreign ONNX files."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch.nn import functional

from reid.encoder import (
    EncoderError,
    export_onnx,
    new_encoder,
    open_encoder,
    save_encoder,
)
from tests.reid.encoder.encoders import TINY, lived_in, random_crops, tiny


def mean_colour(path: Path, batch: int | str, height: int | str = 8, width: int | str = 4) -> Path:
    """A foreign ONNX file: the mean of each colour, of pictures as they are given."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mean",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [batch, 3, height, width])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return path


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_a_foreign_onnx_file_embeds(tmp_path: Path, batch: int | str) -> None:
    path = mean_colour(tmp_path / "m.onnx", batch)
    crops = torch.randint(0, 256, (7, 8, 4, 3), dtype=torch.uint8)
    colours = crops.float().mean((1, 2)) / 255
    encoder = open_encoder(path, imagenet=False)
    assert encoder.size == (8, 4)
    assert torch.allclose(encoder.embed(crops, batch=3), functional.normalize(colours), atol=1e-6)
    wanted = (colours - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(open_encoder(path).embed(crops), functional.normalize(wanted), atol=1e-4)
    assert encoder.embed(crops[:0]).shape == (0, 3)


def test_a_foreign_onnx_file_of_any_size_takes_the_fields(tmp_path: Path) -> None:
    assert open_encoder(mean_colour(tmp_path / "m.onnx", "batch", "h", "w")).size == (256, 128)


def test_our_files_open_alike(tmp_path: Path) -> None:
    config = tiny("fc", ghost=4)  # a head that does not normalise
    encoder = lived_in(new_encoder(config, seed=0))
    save_encoder(encoder, tmp_path / "e.safetensors")
    export_onnx(encoder, tmp_path / "e.onnx")
    crops, rows = random_crops(5, TINY), []
    for name in ("e.safetensors", "e.onnx"):
        opened = open_encoder(tmp_path / name)
        assert opened.size == (64, 32)
        rows.append(opened.embed(crops))
    assert torch.equal(rows[0], encoder.embed(crops))
    assert torch.allclose(rows[1], rows[0], atol=1e-3)


def test_what_is_no_encoder_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="there is no model"):
        open_encoder(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(EncoderError, match="can't be opened as ONNX"):
        open_encoder(tmp_path / "text.onnx")
    detector = mean_colour(tmp_path / "boxes.onnx", 1)
    model = onnx.load(detector)
    del model.graph.node[1]
    model.graph.node[0].output[0] = "output"
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 1, 1]))
    onnx.save(model, detector)
    with pytest.raises(EncoderError, match="an encoder takes float"):
        open_encoder(detector)
