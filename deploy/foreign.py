"""Encoders that others trained, as ONNX files: what one takes and gives, and how it becomes a file of our convention.

Foreign files take float or uint8 pictures, channels first or last, RGB or BGR, of 0…255, 0…1 or normalised. Nothing in
them tells the last two: that is the `Preprocessing`. `convert` puts it in front of the network. From then on the file
is like one of ours: it takes crops, (batch, height, width, 3) uint8 RGB, and gives rows of length 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deploy.detectors import DetectorError
from deploy.detectors.onnx import read_self_contained
from deploy.encoder import FOREIGN_SIZE, MOST_VALUES, OnnxEncoder, OnnxError
from deploy.export import TRAINING, VERSION, card_as_json, drawn_crops, finish
from deploy.onnx_runtime import onnxruntime
from deploy.preprocessing import ALL, MEANS_AND_SPREADS, Preprocessing
from reid.normalised import normalised

MOST_BYTES = 2**30  # of a file. Protobuf ends at twice as much, and a large ViT has a third
MOST_DIMENSIONS = 2**14
LEAST_OPSET = 7  # with which ONNX Runtime's support begins
TRIED = 3  # crops that a file is first tried with
UNSTEADY = 0.2  # between rows of length 1 of the same crop. Files that quantise as they go are below
TYPES = {
    "tensor(uint8)": TensorProto.UINT8,
    "tensor(float)": TensorProto.FLOAT,
    "tensor(float16)": TensorProto.FLOAT16,
    "tensor(double)": TensorProto.DOUBLE,
}
NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


@dataclass(frozen=True, slots=True)
class ForeignEncoder:
    """What a foreign file takes and gives, as a first run shows it."""

    path: Path
    input: str  # its name in the graph
    type: str  # of the input, as ONNX Runtime calls it
    channels_last: bool
    batch: int | None  # the only number of crops it takes, None for any
    size: tuple[int, int]  # height and width of crops, px
    outputs: dict[str, int]  # name → dimensions, of those outputs that can be an embedding
    ours: bool  # exported by Sightline: it needs no preprocessing

    @property
    def choices(self) -> tuple[Preprocessing, ...]:
        """The ways that pictures may be prepared for it. Bytes have but one scale."""
        if self.ours:
            return (Preprocessing("rgb", "255"),)
        return tuple(p for p in ALL if p.scale == "255" or self.type != "tensor(uint8)")


def try_foreign(path: str) -> None:
    """Loads and runs a foreign file, wherever that may lead: for a process of its own. Raises OnnxError."""
    read_foreign(Path(path))


def read_foreign(path: Path) -> ForeignEncoder:
    """Runs a file once, and reads off what it takes and gives. Raises OnnxError where it is no encoder."""
    data = _data(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no type of its own
        raise OnnxError(f"{path} can't be opened as ONNX: {error!s:.300}") from error
    inputs = session.get_inputs()
    takes = ", ".join(f"{tensor.name} {tensor.type} {tensor.shape}" for tensor in inputs)
    layouts = list(_layouts(inputs[0].shape)) if len(inputs) == 1 and inputs[0].type in TYPES else []
    if not layouts:
        raise OnnxError(
            f"{path} takes {takes}: an encoder takes one picture, N×3×H×W or N×H×W×3, float or uint8; export it so"
        )
    shape, wrong = inputs[0].shape, OnnxError(f"{path} does not run")
    ours = inputs[0].type == "tensor(uint8)" and VERSION in session.get_modelmeta().custom_metadata_map
    fixed = _fixed(shape[0])
    for channels_last, batch in itertools.product(layouts, (None, 1) if fixed is None else (fixed,)):
        height, width = (_fixed(side) for side in (shape[1:3] if channels_last else shape[2:4]))
        size = height or FOREIGN_SIZE[0], width or FOREIGN_SIZE[1]
        if 3 * (batch or TRIED) * size[0] * size[1] > MOST_VALUES:
            raise OnnxError(
                f"{path} takes {takes}: at most {MOST_VALUES:,} values are given at once; export it smaller"
            )
        try:
            outputs = _tried(path, session, channels_last, batch, size)
        except _NotSo as error:
            wrong = error
            continue
        return ForeignEncoder(path, inputs[0].name, inputs[0].type, channels_last, batch, size, outputs, ours)
    raise wrong


def convert(
    foreign: ForeignEncoder, out: Path, preprocessing: Preprocessing, output: str, card: Mapping[str, Any]
) -> None:
    """Writes a foreign encoder as a file of our convention, and runs it once.

    Args:
        foreign: What the file takes and gives.
        out: Where the file goes. It is overwritten.
        preprocessing: How pictures are prepared, which the new file does itself.
        output: Which of its outputs is the embedding.
        card: What is known of it, for the file's metadata: anything that JSON holds.

    Raises:
        OnnxError: The file does not run so, or answers what is no number.
    """
    data = _data(foreign.path)
    if foreign.ours:
        out.write_bytes(data)
    else:
        out.write_bytes(_wrapped(onnx.ModelProto.FromString(data), foreign, preprocessing, output).SerializeToString())
    finish(out, {TRAINING: card_as_json(card)}, checked=False)  # operators of other domains are for ONNX Runtime alone
    rows = OnnxEncoder(out).embed(drawn_crops(*foreign.size, count=2))
    if rows.shape != (2, foreign.outputs[output]):
        raise OnnxError(f"{foreign.path} answers {rows.shape} to 2 crops: export it again")


def _data(path: Path) -> bytes:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise OnnxError(f"{path} can't be read ({error.strerror}): check the path") from error
    if size > MOST_BYTES:
        raise OnnxError(f"{path} has {size:,} bytes, and an encoder at most {MOST_BYTES:,}: name another file")
    try:
        data = read_self_contained(path)
    except DetectorError as error:
        raise OnnxError(str(error)) from error
    opset = max(
        (o.version for o in onnx.ModelProto.FromString(data).opset_import if o.domain in ("", "ai.onnx")), default=0
    )
    if opset < LEAST_OPSET:
        raise OnnxError(f"{path} is of opset {opset}, and {LEAST_OPSET} is the least: export it with opset 17")
    return data


def _fixed(side: Any) -> int | None:
    return side if isinstance(side, int) and side > 0 else None


def _layouts(shape: list[Any]) -> Iterator[bool]:
    """Whether channels come last, the likelier first. Nothing where no side can be that of colours."""
    if len(shape) != 4:
        return
    first, last = (_fixed(shape[axis]) for axis in (1, 3))
    if first == 3:
        yield False
    elif last == 3:
        yield True
    elif first is None and last is None:
        yield from (False, True)
    elif first is None or last is None:
        yield first is not None


class _NotSo(OnnxError):
    """A file that does not run like that. With another layout or fewer crops at once it may."""


def _tried(
    path: Path, session: onnxruntime.InferenceSession, channels_last: bool, batch: int | None, size: tuple[int, int]
) -> dict[str, int]:
    """Outputs by name that can be an embedding, with their dimensions. Raises OnnxError where there are none."""
    tensor, names = session.get_inputs()[0], [output.name for output in session.get_outputs()]
    crops = drawn_crops(*size, count=min(batch or TRIED, TRIED))
    pictures = crops if tensor.type == "tensor(uint8)" else (crops / 255).astype(NUMPY_TYPES[tensor.type])
    pictures = np.ascontiguousarray(pictures if channels_last else pictures.transpose(0, 3, 1, 2))

    def run(shown: NDArray[Any]) -> list[NDArray[Any]]:
        missing = max((batch or 0) - len(shown), 0)
        try:
            answers = session.run(None, {tensor.name: np.pad(shown, ((0, missing), *((0, 0),) * 3))})
        except Exception as error:  # onnxruntime has no type of its own
            raise _NotSo(f"{path} fails on crops of {size[0]}x{size[1]} px: {error!s:.300}; export it again") from error
        return [np.asarray(answer) for answer in answers]

    together, again = run(pictures), run(pictures)
    apart = [run(picture[None]) for picture in pictures]
    outputs: dict[str, int] = {}
    for k, name in enumerate(names):
        wide = _dimensions(together[k], batch or len(pictures))
        if wide is None:
            continue
        rows = [made[k].reshape(-1, wide)[: len(pictures)].astype(np.float32) for made in (together, again)]
        rows.append(np.concatenate([made[k].reshape(-1, wide)[:1] for made in apart]).astype(np.float32))
        if not np.isfinite(rows).all():
            raise OnnxError(
                f"{path} answers with what is no number: it is no encoder, or a broken one; export it again"
            )
        first, *others = map(normalised, rows)
        if max(np.linalg.norm(other - first, axis=1).max() for other in others) > UNSTEADY:
            raise OnnxError(
                f"{path} does not answer a crop the same each time, alone and beside others: export it for evaluation "
                "(`model.eval()`)"
            )
        outputs[name] = wide
    if not outputs:
        gives = ", ".join(f"{name} {answer.shape}" for name, answer in zip(names, together))
        raise _NotSo(
            f"{path} gives {gives} for {len(pictures)} crops: an encoder gives a row of numbers for each; export it "
            "with the pooled embedding as its output"
        )
    return outputs


def _dimensions(answer: NDArray[Any], count: int) -> int | None:
    """D of an answer that is (count, D), perhaps with further sides of 1. None of any other."""
    if answer.ndim < 2 or len(answer) != count or answer.dtype.kind != "f":
        return None
    wide = answer.size // count
    return wide if max(answer.shape[1:]) == wide and 1 < wide <= MOST_DIMENSIONS else None


def _wrapped(
    model: onnx.ModelProto, foreign: ForeignEncoder, preprocessing: Preprocessing, output: str
) -> onnx.ModelProto:
    """The model with preprocessing before it, and rows of length 1 as its only output."""
    graph = model.graph
    taken = set(_names(graph))

    def free(name: str) -> str:
        while name in taken:
            name += "_"
        taken.add(name)
        return name

    def constant(name: str, values: NDArray[Any]) -> str:
        graph.initializer.append(numpy_helper.from_array(values, free(name)))
        return graph.initializer[-1].name

    def chain(value: str, steps: list[tuple[str, list[str], dict[str, Any]]], last: str) -> list[onnx.NodeProto]:
        """Nodes from a value to another. Steps: operator, further inputs, attributes."""
        nodes = []
        for kind, further, attributes in steps:
            nodes.append(helper.make_node(kind, [value, *further], [free("sightline")], **attributes))
            value = nodes[-1].output[0]
        nodes[-1].output[0] = last
        return nodes

    crops, embedding = free("crops"), free("embedding")
    before: list[tuple[str, list[str], dict[str, Any]]] = [("Identity", [], {})]
    if foreign.type != "tensor(uint8)":
        mean, spread = (np.array(values, np.float32) for values in MEANS_AND_SPREADS[preprocessing.scale])
        before += [
            ("Cast", [], {"to": TensorProto.FLOAT}),
            ("Sub", [constant("sightline_mean", mean)], {}),
            ("Div", [constant("sightline_spread", spread)], {}),
            ("Cast", [], {"to": TYPES[foreign.type]}),
        ]
    if preprocessing.input == "bgr":
        before.append(("Gather", [constant("sightline_bgr", np.array([2, 1, 0], np.int64))], {"axis": 3}))
    if not foreign.channels_last:
        before.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
    after: list[tuple[str, list[str], dict[str, Any]]] = [
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Flatten", [], {"axis": 1}),
        ("LpNormalization", [], {"axis": 1, "p": 2}),
    ]
    nodes = [*chain(crops, before, foreign.input), *graph.node, *chain(output, after, embedding)]
    batch = foreign.batch or "batch"
    others = [value for value in graph.input if value.name != foreign.input]  # old files list their weights, too
    takes = helper.make_tensor_value_info(crops, TensorProto.UINT8, [batch, *foreign.size, 3])
    gives = helper.make_tensor_value_info(embedding, TensorProto.FLOAT, [batch, foreign.outputs[output]])
    for field, values in ((graph.node, nodes), (graph.input, [takes, *others]), (graph.output, [gives])):
        kept = [type(value).FromString(value.SerializeToString()) for value in values]
        del field[:]
        field.extend(kept)
    model.ir_version = max(model.ir_version, 4)  # before, each weight had to be an input, too
    return model


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """All names of values in a graph, and in those inside of it."""
    for values in (graph.input, graph.output, graph.initializer, graph.value_info):
        yield from (value.name for value in values)
    for node in graph.node:
        yield from (*node.input, *node.output)
        for attribute in node.attribute:
            for inside in (attribute.g, *attribute.graphs):
                yield from _names(inside)
