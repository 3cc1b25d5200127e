"""Small foreign encoders as ONNX files, which see well only what they were made for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deploy.preprocessing import MEANS_AND_SPREADS, Preprocessing

ROWS, COLUMNS, BINS = 8, 2, 12
USUAL = Preprocessing("rgb", "imagenet")
TYPES = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}


def binned_colours(
    path: Path,
    wants: Preprocessing = USUAL,
    *,
    channels_last: bool = False,
    type: str = "float",
    batch: int | str = "n",
    size: tuple[int | str, int | str] = (64, 32),
    map_output: bool = False,
    opset: int = 17,
    head: list[onnx.NodeProto] | None = None,
    outputs: tuple[str, ...] = ("feature",),
) -> Path:
    """An encoder of how red and green the cells of a picture are, and blind for blue.

    It tells values apart only in the range that `wants` gives them. map_output: its answer is (N, D, 1, 1).
    head: what stands between `rows` (N, D) and the outputs.
    """
    low, high = value_range(wants)
    centres = np.linspace(low, high, BINS).astype(np.float32).reshape(BINS, 1, 1, 1)
    constants: dict[str, NDArray[Any]] = {
        "seen": np.array([0, 1] if wants.input == "rgb" else [2, 1], np.int64),
        "axis": np.array([1], np.int64),
        "centres": centres,
        "slope": np.float32(-1 / (1.5 * (high - low) / BINS)),
        "one": np.float32(1),
        "shape": np.array([0, -1, 1, 1] if map_output else [0, -1], np.int64),
    }
    shape = [batch, *size, 3] if channels_last else [batch, 3, *size]
    if opset >= 13:
        unsqueeze = helper.make_node("Unsqueeze", ["colours", "axis"], ["apart"])
    else:
        unsqueeze = helper.make_node("Unsqueeze", ["colours"], ["apart"], axes=[1])
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2] if channels_last else [0, 1, 2, 3]),
        helper.make_node(
            "AveragePool", ["first"], ["cells"], kernel_shape=[8, 16], strides=[8, 16], name="cells of a picture"
        ),
        helper.make_node("Gather", ["cells", "seen"], ["colours"], axis=1),
        unsqueeze,  # N 1 2 rows columns
        helper.make_node("Sub", ["apart", "centres"], ["off"]),
        helper.make_node("Abs", ["off"], ["distance"]),
        helper.make_node("Mul", ["distance", "slope"], ["fall"]),
        helper.make_node("Add", ["fall", "one"], ["closeness"]),
        helper.make_node("Relu", ["closeness"], ["bins"]),
        helper.make_node("Reshape", ["bins", "shape"], ["rows"]),
        *(head or [helper.make_node("Identity", ["rows"], ["feature"])]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("pixels", TYPES[type], shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model.doc_string = "/home/somebody/train.py"
    onnx.save(model, path)
    return path


def value_range(wants: Preprocessing) -> tuple[float, float]:
    """The least and most that pixels of 0…255 become."""
    mean, spread = (np.array(values) for values in MEANS_AND_SPREADS[wants.scale])
    return float((-mean / spread).min()), float(((255 - mean) / spread).max())


def prepared(crops: NDArray[np.uint8], wants: Preprocessing) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8 RGB → float32 N×3×H×W as an encoder wants it."""
    mean, spread = (np.array(values, np.float32) for values in MEANS_AND_SPREADS[wants.scale])
    pictures = (crops.astype(np.float32) - mean) / spread
    if wants.input == "bgr":
        pictures = pictures[..., ::-1]
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
