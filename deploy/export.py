"""How a trained encoder becomes the file that is deployed: ONNX, checked against the trained network.

`model.onnx` takes crops as they are cut, (batch, height, width, 3) uint8 RGB. It gives `embedding`, (batch, D) float32
rows of length 1. Preprocessing is inside. Nothing in it tells where it was made. Smaller variants are made of it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import onnx
from numpy.typing import NDArray

from deploy.encoder import OnnxEncoder, OnnxError, WeightsEncoder
from reid.whole_file import whole_file

if TYPE_CHECKING:  # it brings torch
    from reid.encoder import Encoder

ONNX = "model.onnx"
TOLERANCE = 1e-3  # of a number in an embedding, and of a similarity whose rank may change
CHECKED = 64  # crops that are enough to check with
DRAWN = 32  # the same, where there are none but drawn ones
CALIBRATION = 128  # crops at most, as more do not move the ranges
CALIBRATION_BATCH = 16
VERSION, TRAINING, OPSET, VARIANT = (f"sightline.{key}" for key in ("version", "training", "opset", "variant"))

Kind = Literal["fp16", "int8"]
Crops = NDArray[np.uint8]  # (N, height, width, 3) RGB

# Half precision ends at 65,504 and has three digits. So powers, means and lengths stay in float32.
KEPT_FLOAT32 = ["LayerNormalization", "InstanceNormalization", "Pow", "ReduceMean", "ReduceL2", "Clip", "Div"]
_ABSOLUTE = re.compile(r"""(?<![\w./\\])(?:~|[A-Za-z]:)?[\\/](?:[^\\/\s"'<>|]+[\\/])*([^\\/\s"'<>|]+)""")


class ExportError(ValueError):
    """A file that is not what was trained, or can't be made. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Checked:
    """An ONNX file beside the network that it was made of, on the same crops."""

    crops: int
    max_difference: float  # of any number of the embeddings
    same_ranking: bool  # neighbours come in the same order, where their similarities differ by more than TOLERANCE


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that may be deployed."""

    path: Path
    sha256: str
    bytes: int
    opset: int
    checked: Checked | None  # None for variants, which differ by design, `bench.embedding` tells their loss


def export_model(encoder: Encoder, folder: Path, card: Mapping[str, Any], crops: Crops | None = None) -> Exported:
    """Writes `folder/model.onnx`, checked against `encoder`. A file that was there stays if anything fails.

    Args:
        encoder: The trained network.
        folder: Where the file goes.
        card: How it was trained, for the file's metadata: anything that JSON holds. Paths in it are shortened to their
            last name.
        crops: (N, height, width, 3) uint8 RGB to check with, by default drawn ones.

    Raises:
        ExportError: The file is not what was trained, or the card is no JSON.
    """
    from reid.encoder import export_onnx

    training = card_as_json(card)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / ONNX) as part:
        export_onnx(encoder, part)
        opset = finish(part, {TRAINING: training})
        checked = check(encoder, part, drawn_crops(*encoder.size) if crops is None else crops)
    return _exported(folder / ONNX, opset, checked)


def check(encoder: Encoder, path: Path, crops: Crops) -> Checked:
    """Compares an ONNX file with the network that it was made of.

    Args:
        encoder: The trained network.
        path: The file.
        crops: (N, height, width, 3) uint8 RGB, at least 2.

    Raises:
        ExportError: The file can't be run, or embeddings differ by more than TOLERANCE. Or neighbours come in another
            order though their similarities differ by more.
    """
    if len(crops) < 2:
        raise ExportError(f"{len(crops)} crops are too few to check {path.name} with: give at least 2, better 32")
    crops = np.ascontiguousarray(crops)
    trained = WeightsEncoder(encoder).embed(crops)
    try:
        exported = OnnxEncoder(path).embed(crops)
    except OnnxError as error:
        raise ExportError(f"{path.name} can't be checked: {error}") from error
    if exported.shape != trained.shape:
        raise ExportError(f"{path.name} gives {tuple(exported.shape)}, the trained network {tuple(trained.shape)}")
    checked = Checked(
        crops=len(crops),
        max_difference=float(np.abs(exported - trained).max()),
        same_ranking=_same_ranking(trained, exported, TOLERANCE),
    )
    if not checked.max_difference <= TOLERANCE:  # NaN is not below it either
        raise ExportError(
            f"{path.name} differs from the trained network by {checked.max_difference:.2g} where {TOLERANCE:g} is "
            "allowed: it is not deployed; export again, and report it if that stays so"
        )
    if not checked.same_ranking:
        raise ExportError(f"{path.name} ranks neighbours differently than the trained network: it is not deployed")
    return checked


def write_variant(path: Path, out: Path, kind: Kind, calibration: Crops | None = None) -> Exported:
    """Makes a smaller file of an exported one, with the same input and output, and opens it once.

    fp16 halves the file. CPUs compute it in float32, so it is no faster there. With int8, convolutions have 8 bits, and
    CPUs with VNNI run them nearly twice as fast.

    Args:
        path: The exported file.
        out: The file to write.
        kind: The precision.
        calibration: (N, height, width, 3) uint8 RGB crops of the kind that it will see, which int8 needs. CALIBRATION
            of them are used.

    Raises:
        ExportError: The variant can't be made, or it does not run.
    """
    if kind not in get_args(Kind):
        raise ExportError(f"there is no variant {kind!r}: it is one of {', '.join(get_args(Kind))}")
    if kind == "int8" and (calibration is None or not len(calibration)):
        raise ExportError("int8 needs crops to calibrate with: give it some tens of the place where it will be used")
    try:
        model = onnx.load(path)
    except Exception as error:  # the name's ending decides which parser reads it, and each has errors of its own
        raise ExportError(f"{path} can't be read as ONNX: {error}") from error
    properties = {entry.key: entry.value for entry in model.metadata_props if entry.key.startswith("sightline.")}
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as part:
        if kind == "fp16":
            _write_fp16(model, part)
        else:
            assert calibration is not None
            _write_int8(model, part, calibration)
        opset = finish(part, properties | {VARIANT: kind})
        try:
            opened = OnnxEncoder(part)
            rows = opened.embed(drawn_crops(*opened.size, count=2))
        except Exception as error:  # as in check
            raise ExportError(f"the {kind} variant of {path.name} does not run: {error}") from error
        if not np.isfinite(rows).all():
            raise ExportError(f"the {kind} variant of {path.name} gives what is no number")
    return _exported(out, opset, None)


def read_metadata(path: Path) -> dict[str, str]:
    """What an exported file says of itself by `sightline.version`, `.training` (JSON), `.opset`, and `.variant`."""
    model = onnx.load(path, load_external_data=False)
    return {entry.key: entry.value for entry in model.metadata_props}


def drawn_crops(height: int, width: int, count: int = DRAWN, seed: int = 0) -> Crops:
    """(count, height, width, 3) uint8: blots of colour with some noise, all different, the same for the same seed."""
    rng = np.random.default_rng([seed, height, width])
    coarse = rng.integers(0, 256, (count, 8, 4, 3)).astype(np.float32)
    rows, columns = np.arange(height) * 8 // height, np.arange(width) * 4 // width
    noisy = coarse[:, rows][:, :, columns] + 12 * rng.standard_normal((count, height, width, 3), np.float32)
    drawn: Crops = noisy.clip(0, 255).astype(np.uint8)
    return drawn


def _same_ranking(trained: NDArray[np.float32], exported: NDArray[np.float32], tolerance: float) -> bool:
    """Whether what is nearer by more than `tolerance` in `trained` is nearer in `exported`, for each row."""
    for before, after in zip(trained @ trained.T, exported @ exported.T):
        order = np.argsort(before, kind="stable")
        best_so_far = np.maximum.accumulate(after[order])  # in `exported`, of all that are no nearer in `trained`
        farther = np.searchsorted(before[order], before - tolerance)  # how many are clearly farther than each
        if not ((farther == 0) | (after > best_so_far[(farther - 1).clip(min=0)])).all():
            return False
    return True


def _write_fp16(model: onnx.ModelProto, part: Path) -> None:
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16  # noqa: TID251
    from onnxruntime.transformers.onnx_model import OnnxModel  # noqa: TID251

    blocked = sorted({*DEFAULT_OP_BLOCK_LIST, *KEPT_FLOAT32})
    converted = convert_float_to_float16(model, keep_io_types=True, op_block_list=blocked)
    # The converter writes a value's cast once for each that takes it, and all at the end. ONNX allows neither.
    casts: dict[str, onnx.NodeProto] = {}
    needed = [n for n in converted.graph.node if n.op_type != "Cast" or casts.setdefault(n.output[0], n) is n]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in needed]
    del converted.graph.node[:]
    converted.graph.node.extend(nodes)
    OnnxModel.graph_topological_sort(converted.graph)
    onnx.save(converted, part)


def _write_int8(model: onnx.ModelProto, part: Path, crops: Crops) -> None:
    """Static quantisation of all convolutions but the first, with the least and most that the crops bring about.

    The first sees a picture beside its balanced copy, two scales that one range can't serve. There 8 bits cost several
    points of mAP, elsewhere next to none. Percentile and entropy ranges were no better.
    """
    from onnxruntime import quantization  # noqa: TID251

    calibrating = crops[:: -(-len(crops) // CALIBRATION)]
    name = model.graph.input[0].name

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = (
                calibrating[k : k + CALIBRATION_BATCH] for k in range(0, len(calibrating), CALIBRATION_BATCH)
            )

        def get_next(self) -> dict[str, Crops] | None:
            batch = next(self.batches, None)
            return None if batch is None else {name: np.ascontiguousarray(batch)}

    first = next((node.name for node in model.graph.node if node.op_type == "Conv"), None)
    # The exporter has folded and shaped already. Without this property, the library warns through the root logger.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    quantization.quantize_static(
        model,
        part,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=[first] if first else [],
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
    )


def card_as_json(card: Mapping[str, Any]) -> str:
    """How an encoder was made, for a file's metadata, without a machine's folders. Raises ExportError."""
    try:
        return json.dumps(_without_places(card), sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ExportError(
            f"the card can't be written as JSON: {error}; give it text, finite numbers and lists"
        ) from error


def _without_places(value: Any) -> Any:
    """The same without what tells of a machine. Of paths the last name stays, of text over several lines the first."""
    if isinstance(value, Mapping):
        return {str(_without_places(key)): _without_places(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(entry) for entry in value]
    if isinstance(value, PurePath):
        return value.name
    if not isinstance(value, str):
        return value
    line = value.strip().partition("\n")[0]
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(line).is_absolute():  # all of it, blanks too
            return kind(line).name
    return _ABSOLUTE.sub(r"\1", line)


def finish(part: Path, properties: Mapping[str, str], *, checked: bool = True) -> int:
    """Puts the metadata in, takes everybody else's out, and checks the file. Returns its opset.

    checked: else operators that ONNX does not know are let pass.
    """
    forget_origin(part)
    model = onnx.load(part)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    try:
        version = importlib.metadata.version("sightline")
    except importlib.metadata.PackageNotFoundError:  # run from a folder that was never installed
        version = "unknown"
    onnx.helper.set_model_props(model, {VERSION: version, OPSET: str(opset), **properties})
    if checked:
        onnx.checker.check_model(model)
    part.write_bytes(model.SerializeToString(deterministic=True))
    return opset


def _exported(path: Path, opset: int, checked: Checked | None) -> Exported:
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    return Exported(path=path, sha256=sha256, bytes=len(data), opset=opset, checked=checked)


def forget_origin(path: Path) -> None:
    """Takes out what the exporter notes of every node: the lines and folders of the code that made it."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)
