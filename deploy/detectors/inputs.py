"""What a graph takes: a picture, and what some exports want beside it.

Exports that end in pixels of the original picture ask for its size (`orig_target_sizes`, `im_shape`) or for the factor
it was resized by (`scale_factor`). They are told the size of the input and a factor of 1, so their boxes come in pixels
of the input like all others. A `pixel_mask` is 1 everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from deploy.detectors import DetectorError

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}
PICTURE_DTYPES = (np.float32, np.float16, np.uint8)
# Between a picture and the first arithmetic on it.
PASSED = ("Cast", "Transpose", "Identity", "Unsqueeze", "Squeeze", "Reshape", "Gather", "Resize", "Slice")
LARGEST_MEAN = 1.5  # of values 0..1. A larger one that a graph subtracts is of 0..255
LEAST_DIVISOR = 50.0  # by which a graph divides values 0..255, as 255, 127.5 or ImageNet's 58


class GraphTensor(NamedTuple):
    """An input or output as its graph declares it."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]  # None where it is open

    @classmethod
    def of(cls, argument: Any) -> GraphTensor:
        """Of one of ONNX Runtime's."""
        shape = tuple(side if isinstance(side, int) and side > 0 else None for side in argument.shape or ())
        return cls(argument.name, argument.type, shape)

    def __str__(self) -> str:
        sides = "x".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype.removeprefix('tensor(').rstrip(')')} {sides}"


SideKind = Literal["width height", "height width", "factor", "mask"]


class SideInput(NamedTuple):
    """What is fed beside the picture."""

    tensor: GraphTensor
    kind: SideKind

    def value(self, pictures: int, size: tuple[int, int]) -> NDArray[Any]:
        """For so many pictures in an input of `size` (H, W)."""
        dtype = DTYPES[self.tensor.dtype]
        if self.kind == "mask":
            sides = (given or side for given, side in zip(self.tensor.shape[-2:], size))
            return np.ones((pictures, *sides), dtype)
        row = {"width height": (size[1], size[0]), "height width": size, "factor": (1, 1)}[self.kind]
        return np.array(row if len(self.tensor.shape) == 1 else [row] * pictures, dtype)


@dataclass(frozen=True, slots=True)
class GraphInputs:
    """How a graph takes pictures."""

    name: str
    dtype: Any  # NumPy's
    batched: bool  # else one picture a run, without a first axis
    channels_last: bool
    batch: int | None  # the only number of pictures it takes
    sides: tuple[int | None, int | None]  # (H, W), None where it is open
    beside: tuple[SideInput, ...]

    def feeds(self, pictures: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """All that a run on `pictures` (B, 3, H, W) is fed."""
        feeds = {side.tensor.name: side.value(len(pictures), pictures.shape[2:]) for side in self.beside}
        if self.channels_last:
            pictures = np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))
        feeds[self.name] = pictures if self.batched else pictures[0]
        return feeds

    @property
    def wants(self) -> frozenset[SideKind]:
        """The kinds that are fed beside the picture."""
        return frozenset(side.kind for side in self.beside)


def read_inputs(tensors: Sequence[GraphTensor], where: str) -> GraphInputs:
    """Which input takes the picture, and what the others want.

    Raises:
        DetectorError: None takes a picture, or another's meaning is not known.
    """
    pictures = [tensor for tensor in tensors if takes_picture(tensor)]
    beside = [SideInput(tensor, kind) for tensor in tensors if (kind := side_kind(tensor)) is not None]
    if len(pictures) != 1 or len(beside) + 1 != len(tensors):
        raise DetectorError(
            f"{where} takes {', '.join(map(str, tensors))}; a detector takes one picture (B, 3, H, W) or (B, H, W, 3), "
            "float or uint8, and beside it at most sizes, scale factors and a mask: export it so."
        )
    (picture,) = pictures
    sides = picture.shape[-3:]
    channels_last = sides[0] != 3 and sides[2] == 3
    batched = len(picture.shape) == 4
    return GraphInputs(
        name=picture.name,
        dtype=DTYPES[picture.dtype],
        batched=batched,
        channels_last=channels_last,
        batch=picture.shape[0] if batched else 1,
        sides=(sides[0], sides[1]) if channels_last else (sides[1], sides[2]),
        beside=tuple(beside),
    )


def takes_picture(tensor: GraphTensor) -> bool:
    """Whether it has three channels, first or last, and values of a picture."""
    if DTYPES.get(tensor.dtype) not in PICTURE_DTYPES or len(tensor.shape) not in (3, 4):
        return False
    first, _, last = tensor.shape[-3:]
    return first == 3 or last == 3 or (first is None and "mask" not in tensor.name)


def side_kind(tensor: GraphTensor) -> SideKind | None:
    """What an input beside the picture wants, by its name and shape. None where that is not known."""
    name = tensor.name.lower()
    if tensor.dtype not in DTYPES or takes_picture(tensor):
        return None
    if "mask" in name and len(tensor.shape) == 3:
        return "mask"
    if len(tensor.shape) not in (1, 2) or tensor.shape[-1] not in (2, None):
        return None
    if "scale" in name or "factor" in name or "ratio" in name:
        return "factor"
    # PaddleDetection's im_shape and the model zoo's image_shape hold the height first.
    if "shape" in name:
        return "height width"
    return "width height" if "size" in name else None


Range = Literal["0..1", "0..255"]


def range_in(model: onnx.ModelProto, picture: str) -> Range | None:
    """The range of values that a graph takes, by what it does with them first. None where it does nothing telling.

    A graph that divides by 255 itself, or subtracts a mean of 123, takes 0..255. One that subtracts 0.485 takes 0..1.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
        for name in node.input:
            readers.setdefault(name, []).append(node)
    names, seen = [picture], set()
    while names:
        name = names.pop()
        for node in readers.get(name, []):
            if node.op_type in PASSED and node.output[0] not in seen:
                seen.add(node.output[0])
                names.append(node.output[0])
            if node.op_type not in ("Div", "Mul", "Sub", "Add"):
                continue
            others = [constants[other] for other in node.input if other != name and other in constants]
            if len(others) != 1 or not 0 < math.prod(others[0].dims) <= 3:
                continue
            value = float(np.abs(numpy_helper.to_array(others[0])).max())
            if node.op_type in ("Sub", "Add") and value > 0:
                return "0..1" if value <= LARGEST_MEAN else "0..255"
            divisor = value if node.op_type == "Div" else 1 / max(value, 1e-9)
            if divisor >= LEAST_DIVISOR:
                return "0..255"
    return None
