"""Encoders that are only used: ours and others' ONNX files, and weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from deploy.encoder import OnnxEncoder, OnnxError, open_encoder
from deploy.models import __path__ as models
from deploy.onnx_runtime import onnxruntime
from reid.normalised import normalised

BASE = Path(models[0]) / "base.onnx"


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


def random_crops(count: int, height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_a_foreign_onnx_file_embeds(tmp_path: Path, batch: int | str) -> None:
    path = mean_colour(tmp_path / "m.onnx", batch)
    crops = random_crops(7, 8, 4)
    colours = crops.astype(np.float32).mean((1, 2)) / 255
    encoder = open_encoder(path, imagenet=False)
    assert encoder.size == (8, 4)
    assert np.allclose(encoder.embed(crops, batch=3), normalised(colours), atol=1e-6)
    as_imagenet = (colours - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    assert np.allclose(open_encoder(path).embed(crops), normalised(as_imagenet.astype(np.float32)), atol=1e-4)
    assert encoder.embed(crops[:0]).shape == (0, 3)


def test_a_foreign_onnx_file_of_any_size_takes_the_fields(tmp_path: Path) -> None:
    assert open_encoder(mean_colour(tmp_path / "m.onnx", "batch", "h", "w")).size == (256, 128)


def test_weights_and_onnx_open_alike() -> None:
    crops, rows = random_crops(5, 128, 64), []
    for path in (BASE, BASE.with_suffix(".safetensors")):
        encoder = open_encoder(path)
        assert encoder.size == (128, 64)
        rows.append(encoder.embed(crops))
        assert rows[-1].dtype == np.float32 and np.allclose(np.linalg.norm(rows[-1], axis=1), 1, atol=1e-5)
    assert np.abs(rows[0] - rows[1]).max() < 1e-3


def test_an_onnx_file_needs_no_torch() -> None:
    code = "import sys, pathlib; from deploy.encoder import open_encoder; open_encoder(pathlib.Path(sys.argv[1]))"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, BASE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("variable", "threads"), [("1", 1), ("", None), ("many", None)])
def test_threads_are_those_that_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, variable: str, threads: int | None
) -> None:
    import deploy.encoder

    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 5}, raising=False)
    assert deploy.encoder._threads() == (threads or 3)


def test_what_is_no_encoder_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(OnnxError, match="there is no model"):
        open_encoder(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(OnnxError, match="is not an ONNX file"):
        open_encoder(tmp_path / "text.onnx")
    detector = mean_colour(tmp_path / "boxes.onnx", 1)
    model = onnx.load(detector)
    del model.graph.node[1]
    model.graph.node[0].output[0] = "output"
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 3, 1, 1]))
    onnx.save(model, detector)
    with pytest.raises(OnnxError, match="an encoder takes float"):
        open_encoder(detector)


def test_rows_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    path = mean_colour(tmp_path / "m.onnx", "batch")
    model = onnx.load(path)
    model.graph.node[1].op_type = "Log"  # of a black picture: minus infinity
    model.graph.node.append(helper.make_node("Flatten", ["log"], ["output"]))
    model.graph.node[1].output[0] = "log"
    onnx.save(model, path)
    encoder = open_encoder(path, imagenet=False)
    with pytest.raises(OnnxError, match=r"m\.onnx answers \(2, 3\) to 2 crops, or what is no number"):
        encoder.embed(np.zeros((2, 8, 4, 3), np.uint8))


def test_a_gpu_is_looked_for_where_pip_put_its_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch loads them for whoever has it. A cluster's encoder has a process without torch."""
    loaded: list[None] = []
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: loaded.append(None), raising=False)
    OnnxEncoder(BASE)
    assert not loaded
    OnnxEncoder(BASE, cuda=True)
    assert len(loaded) == 1
