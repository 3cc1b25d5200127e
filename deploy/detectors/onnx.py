"""Detectors as ONNX files, run by ONNX Runtime.

Four kinds of head are known, with `A` anchors, `C` classes and boxes in pixels of the network's input:

| head     | output          | boxes                                   | picture the network wants              |
|----------|-----------------|-----------------------------------------|----------------------------------------|
| `yolox`  | `(B, A, 5 + C)` | offsets in grid cells, log sizes        | BGR 0..255, letterbox at the top left  |
| `yolov5` | `(B, A, 5 + C)` | `x y w h`, decoded (YOLOv5, v6, v7)     | RGB 0..1, letterbox in the middle      |
| `yolov8` | `(B, 4 + C, A)` | `x y w h`, decoded (YOLOv8, 9, 11, 12)  | RGB 0..1, letterbox in the middle      |
| `nms`    | `(B, N, 6…)`    | `x1 y1 x2 y2 score class`, already few  | RGB 0..1, letterbox in the middle      |

YOLOX exported with its decoding inside (`--decode_in_inference`) is known too. A file's name says nothing about its
head. So one grey picture is run at load, and `read_head` reads the head off the answer:

* `A` follows from the input size and the strides. A YOLOX, v6 or v8 head answers once a grid cell, a YOLOv5 or v7 head
  three times. At 416 x 416 that is 3549 or 10647, which tells YOLOX from YOLOv5 exactly. It also tells a `(B, N, 6)`
  that is no such number from a one-class head. Ultralytics exports also say whether they end in NMS.
* Decoded centres lie within about a cell of their own cell's centre, whatever the picture and the weights. So they
  grow with the grid across the picture, while raw offsets stay near 0.5. The smaller median distance tells which.
* YOLOv6 answers an objectness of exactly 1 everywhere. A decoded YOLOX head never does.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeGuard

import cv2
import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame, first_line, person_class
from deploy.onnx_runtime import onnxruntime
from trackers.detections import Detections

log = logging.getLogger("sightline")

GREY = 114  # what YOLOX and Ultralytics pad their letterbox with
NMS_IOU = 0.65  # YOLOX's, as Ultralytics' 0.7 leaves doubles in crowds
DYNAMIC_SIZE = 640  # longest side where neither the graph nor its metadata names one
LEAST_STRIDE = 32  # px, of the coarsest grid
MOST_STRIDE = 256  # px
MOST_SIDE = 8192  # px, of the network's input
MOST_VALUES = 2**27  # of a batch that it takes: 512 MB
COCO_CLASSES = 80  # where a file does not name its classes
TRACKERS_SCORE = 0.1  # from which on the tracker uses boxes
STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
# Columns of an anchor's answer.
CENTRE, SIDES = slice(0, 2), slice(2, 4)
OBJECTNESS = 4  # of yolox and yolov5
FIRST_CLASS = {"yolox": 5, "yolov5": 5, "yolov8": 4}
CORNERS, SCORE, CLASS = slice(0, 4), 4, 5  # of nms
UNDERSTOOD = (
    "YOLOX or YOLOv5 (B, A, 5 + classes), YOLOv8 and later (B, 4 + classes, A) and exports with NMS inside (B, N, 6), "
    "where A is the number of anchors of the input"
)


HeadKind = Literal["yolox", "yolov5", "yolov8", "nms"]


class Head(NamedTuple):
    """How a network's answer reads and what picture it wants."""

    kind: HeadKind
    output: int  # which of the graph's outputs
    classes: int  # C
    person: int  # the class index of a person
    raw: bool  # offsets that the grid and the strides must still turn into pixels
    strides: tuple[int, ...]


class Letterbox(NamedTuple):
    """Where a picture lies in the network's input: resized by `gain` to `width` x `height`, put at `left`, `top`."""

    gain: float
    width: int
    height: int
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class ExportMetadata:
    """What an Ultralytics export says of itself. The defaults are for what it leaves out."""

    task: str = "detect"
    names: Mapping[int, str] = field(default_factory=dict)  # of the classes
    size: tuple[int, int] = (DYNAMIC_SIZE, DYNAMIC_SIZE)  # (H, W) of the input, where the graph leaves it open
    stride: int = LEAST_STRIDE  # px, sides of the input are multiples of it
    batch: int | None = None
    ends_in_nms: bool = False
    lowest_score: float | None = None  # below which it drops boxes itself


class OnnxDetector:
    """A detector in an ONNX file. The module's docstring has the heads it understands.

    On CPU several single-threaded runs at once beat one run over several threads. So each frame is prepared, run and
    read in one of `threads` threads. On CUDA a batch is one run.
    """

    def __init__(
        self,
        path: Path,
        *,
        score: float = 0.1,
        iou: float = NMS_IOU,
        threads: int | None = None,
        device: str | None = None,
    ) -> None:
        """Loads the file, runs it once and reads its head off the answer.

        Args:
            path: The `.onnx` file.
            score: The lowest score kept.
            iou: Of two boxes, from which on the weaker one goes.
            threads: CPU threads, all where None.
            device: None takes CUDA where it works. `cpu`, `cuda` or `cuda:1` insist.

        Raises:
            DetectorError: The file can't be trusted, run or understood.
        """
        data = read_self_contained(path)
        self.name = str(path)
        self.sha256: str | None = hashlib.sha256(data).hexdigest()
        self._score, self._iou = score, iou
        self._session, self._cuda = open_session(data, path, device)
        metadata = read_metadata(self._session.get_modelmeta().custom_metadata_map)
        try:
            self._look(path, metadata)
        except DetectorError:
            raise
        except Exception as error:  # foreign metadata and answers may be anything
            raise DetectorError(f"{path} can't be understood as a detector: {first_line(error)}") from error

        if threads is None:
            threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(max(1, threads), "detect")
        self.calls = 2  # while the last frames of one call are under way, threads begin with the next
        if self._cuda:
            self._chunk = self._fixed_batch or 16
            if self.head.kind == "nms" and metadata.batch is not None:
                self._chunk = min(self._chunk, metadata.batch)  # Ultralytics unrolls its NMS over the batch exported
            self.batch = max(self._chunk, 8 // self._chunk * self._chunk)
        else:
            self._chunk = self._fixed_batch or 1
            self.batch = 2 * max(1, threads) * self._chunk  # twice, so that no thread waits long for the slowest frame

    def _look(self, path: Path, metadata: ExportMetadata) -> None:
        """What it takes, and by one run what it answers."""
        inputs = self._session.get_inputs()
        dtypes = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
        shape = inputs[0].shape if len(inputs) == 1 else []
        takes_picture = (
            len(shape) == 4 and (shape[1] == 3 or not isinstance(shape[1], int)) and inputs[0].type in dtypes
        )
        if not takes_picture:
            takes = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
            raise DetectorError(f"{path} takes {takes}; a detector takes one float picture (B, 3, H, W): export it so.")
        self._input, self._dtype = inputs[0].name, dtypes[inputs[0].type]
        self._fixed_batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        self._fixed_size = tuple(side if isinstance(side, int) and side > 0 else None for side in shape[2:])
        self._size = tuple(fixed or side for fixed, side in zip(self._fixed_size, metadata.size, strict=True))
        self._stride = max(LEAST_STRIDE, metadata.stride)
        values = 3 * (self._fixed_batch or 1) * self._size[0] * self._size[1]
        if not all(0 < side <= MOST_SIDE for side in self._size) or values > MOST_VALUES or self._stride > MOST_STRIDE:
            raise DetectorError(
                f"{path} wants {self._fixed_batch or 1} pictures of {self._size[0]}x{self._size[1]} in steps of "
                f"{self._stride}: at most {MOST_SIDE} px a side, {MOST_VALUES:,} values and steps of {MOST_STRIDE} are "
                "given; export it smaller."
            )
        probe = np.full((self._fixed_batch or 1, 3, *self._size), 0.5, self._dtype)
        try:
            answers = self._session.run(None, {self._input: probe})
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            raise DetectorError(
                f"{path} does not run at {self._size[0]}x{self._size[1]}: {first_line(error)}"
            ) from error
        self.head = read_head(answers, self._size, metadata, str(path))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`."""
        sizes = [self._input_size(frame.image) for frame in frames]
        # A run needs one size. The sort is stable, so the order mostly stays.
        order = sorted(range(len(frames)), key=sizes.__getitem__)
        chunks: list[list[int]] = []
        for i in order:
            if chunks and len(chunks[-1]) < self._chunk and sizes[chunks[-1][0]] == sizes[i]:
                chunks[-1].append(i)
            else:
                chunks.append([i])
        batches = [[frames[i].image for i in chunk] for chunk in chunks]
        if self._cuda:
            detections = [self._run(batch, self._pool.map) for batch in batches]
        else:
            detections = list(self._pool.map(self._run, batches))
        of_frame = dict(zip(chain.from_iterable(chunks), chain.from_iterable(detections), strict=True))
        return [of_frame[i] for i in range(len(frames))]

    def _input_size(self, image: NDArray[np.uint8]) -> tuple[int, int]:
        """Height and width to run `image` at. A dynamic side is no longer than the letterboxed picture needs."""
        box = letterbox_of(image.shape, self._size, centred=False)
        needed = [-(-side // self._stride) * self._stride for side in (box.height, box.width)]
        height, width = (fixed or side for fixed, side in zip(self._fixed_size, needed, strict=True))
        return height, width

    def _run(self, images: Sequence[NDArray[np.uint8]], each: Callable[..., Any] = map) -> list[Detections]:
        """One run over `images`, all of one input size, at most a chunk of them. `each` maps over frames."""
        size = self._input_size(images[0])
        centred = self.head.kind != "yolox"
        boxes = [letterbox_of(image.shape, size, centred) for image in images]
        # A fresh array costs 0.04 ms and needs no lock. The rows beyond the images pad a fixed batch.
        bgr255 = self.head.kind == "yolox"
        batch = np.full((self._fixed_batch or len(images), 3, *size), GREY if bgr255 else GREY / 255, self._dtype)
        for _ in each(write_letterboxed, images, boxes, batch[: len(images)], [bgr255] * len(images)):
            pass
        try:
            answer = self._session.run([self._session.get_outputs()[self.head.output].name], {self._input: batch})[0]
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            raise DetectorError(f"{self.name} fails at {size[0]}x{size[1]}: {first_line(error)}") from error
        return list(each(functools.partial(self._read, size=size), answer[: len(images)], boxes, images))

    def _read(
        self, answer: NDArray[Any], box: Letterbox, image: NDArray[np.uint8], size: tuple[int, int]
    ) -> Detections:
        """The people in one picture's answer, in the picture's own pixels, best first."""
        people = read_people(answer, self.head, size, self._score, self._iou)
        xyxy = (people.boxes - np.array([box.left, box.top] * 2, np.float32)) / np.float32(box.gain)
        height, width = image.shape[:2]
        xyxy = np.clip(xyxy, 0, np.array([width, height] * 2, np.float32))
        seen = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])  # a box wholly in the padding is no one
        return Detections(xyxy[seen], people.scores[seen])


def read_self_contained(path: Path) -> bytes:
    """The bytes of an ONNX file that refers to no other file.

    A tensor may name external data, by any path, and the runtime would read that file. So every tensor is looked at,
    wherever the format lets one stand, before the runtime sees the same bytes.

    Raises:
        DetectorError: The file can't be read, is not ONNX, or refers to another file.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise DetectorError(f"There is no detector file {path}; check the path.") from error
    except OSError as error:
        raise DetectorError(f"The detector file {path} can't be read ({error.strerror}).") from error
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise DetectorError(f"{path} is not an ONNX file; name one exported as .onnx.") from error
    if not model.graph.node or not model.graph.output:
        raise DetectorError(f"{path} is not an ONNX file, or one without a graph; name one exported as .onnx.")
    for tensor in tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise DetectorError(
                f"{path} keeps tensor '{tensor.name}' in another file, which is not allowed; save the model as one "
                "file (onnx.save_model(..., save_as_external_data=False))."
            )
    return data


def tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor in a protobuf message: initializers, sparse ones, attributes, subgraphs, functions, training."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for part in value if not isinstance(value, Message) else (value,):
                yield from tensors(part)


def open_session(data: bytes, path: Path, device: str | None) -> tuple[onnxruntime.InferenceSession, bool]:
    """A session, and whether it runs on CUDA.

    Args:
        data: The ONNX file's bytes.
        path: Names the file in errors.
        device: None takes CUDA where it works. `cpu`, `cuda` or `cuda:1` insist.

    Raises:
        DetectorError: There is no such device, or ONNX Runtime can't load the file or use the device.
    """
    kind, _, number = (device or "").partition(":")
    if kind not in ("", "cpu", "cuda") or (number and not number.isdigit()):
        raise DetectorError(f"No device is called '{device}'; give cpu, cuda or cuda:1.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # its warnings name graph nodes, which help no one here
    try_cuda = kind == "cuda" or (
        kind == "" and "CUDAExecutionProvider" in onnxruntime.get_available_providers() and has_cuda_driver()
    )
    providers: list[Any] = ["CPUExecutionProvider"]
    if try_cuda:
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip put them
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(number or 0)}))
    try:
        session = onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
        raise DetectorError(f"ONNX Runtime can't load {path}: {first_line(error)}") from error
    cuda = "CUDAExecutionProvider" in session.get_providers()  # a provider that fails to load is left out silently
    if kind == "cuda" and not cuda:
        raise DetectorError(
            f"ONNX Runtime can't use {device} here; install onnxruntime-gpu and its CUDA, or give --device cpu."
        )
    return session, cuda


def has_cuda_driver() -> bool:
    """Whether NVIDIA's driver is installed. Without it, trying CUDA costs a second and prints errors."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True


def read_metadata(entries: Mapping[str, str]) -> ExportMetadata:
    """What an Ultralytics export says of itself in its metadata, each value as Python writes it.

    A value of an unexpected kind counts as left out.
    """
    values: dict[str, object] = {}
    for key, text in entries.items():
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            values[key] = text
    default = ExportMetadata()
    names, arguments, size = values.get("names"), values.get("args"), values.get("imgsz")
    stride, batch = values.get("stride"), values.get("batch")
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if isinstance(size, int):
        size = (size, size)
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(side, int) for side in size)):
        size = default.size
    arguments = arguments if isinstance(arguments, dict) else {}
    lowest_score = arguments.get("conf")
    return ExportMetadata(
        task=str(values.get("task", default.task)),
        names=names if _are_names(names) else default.names,
        size=(size[0] or DYNAMIC_SIZE, size[1] or DYNAMIC_SIZE),
        stride=stride if isinstance(stride, int) else default.stride,
        batch=batch if isinstance(batch, int) and batch > 0 else default.batch,
        ends_in_nms=bool(values.get("end2end") or arguments.get("nms")),
        lowest_score=lowest_score if isinstance(lowest_score, float) else None,
    )


def _are_names(names: object) -> TypeGuard[dict[int, str]]:
    return isinstance(names, dict) and all(isinstance(k, int) and isinstance(v, str) for k, v in names.items())


def read_head(answers: Sequence[NDArray[Any]], size: tuple[int, ...], metadata: ExportMetadata, where: str) -> Head:
    """Recognises the head from what the graph answered to a grey picture, as the module's docstring says.

    Args:
        answers: The graph's outputs.
        size: (H, W) of the picture.
        metadata: What the file says of itself.
        where: Names the file in errors.

    Raises:
        DetectorError: Nothing fits. It names the shapes of the answers and those understood.
    """
    if metadata.task not in ("detect", "segment", "pose"):
        raise DetectorError(f"{where} is made to {metadata.task}, not to detect; name a detection model.")
    for output, answer in enumerate(answers):
        head = _head_of(answer, output, size, metadata, where) if answer.ndim == 3 else None
        if head is not None:
            return head
    shapes = ", ".join("x".join(map(str, answer.shape)) for answer in answers)
    raise DetectorError(
        f"{where} answers {shapes} to a {size[0]}x{size[1]} picture, which is no head known here; "
        f"understood are {UNDERSTOOD}."
    )


def _head_of(
    answer: NDArray[Any], output: int, size: tuple[int, ...], metadata: ExportMetadata, where: str
) -> Head | None:
    """The head that gives an output like `answer` (B, rows, columns), None where none does."""
    _, rows, columns = answer.shape
    names, ends_in_nms = metadata.names, metadata.ends_in_nms
    down, across = anchor_layout(rows, size), anchor_layout(columns, size)

    def head(kind: HeadKind, classes: int, *, raw: bool = False, strides: tuple[int, ...] = ()) -> Head:
        classes = len(names) or classes
        person = person_of(names, classes, where)
        return Head(kind=kind, output=output, classes=classes, person=person, raw=raw, strides=strides)

    if across is not None and across[0] == 1 and rows >= 5 and rows < columns and not ends_in_nms:
        return head("yolov8", rows - FIRST_CLASS["yolov8"], strides=across[1])
    if down is not None and columns >= 6 and not ends_in_nms:
        per_cell, strides = down
        cells, steps = grid(size[0], size[1], strides, per_cell)
        centres = answer[0, :, CENTRE].astype(np.float32)
        decoded = bool(np.nanmedian(np.abs(centres / steps - cells - 0.5)) < np.nanmedian(np.abs(centres - 0.5)))
        if per_cell == 1 and not (decoded and (answer[0, :, OBJECTNESS] == 1).all()):
            return head("yolox", columns - FIRST_CLASS["yolox"], raw=not decoded, strides=strides)
        return head("yolov5", columns - FIRST_CLASS["yolov5"], strides=strides) if decoded else None
    if columns == 6 or (ends_in_nms and columns > 6):
        if metadata.lowest_score is not None and metadata.lowest_score > TRACKERS_SCORE:
            log.info(
                "%s drops scores below %g itself; exported with conf=%g it would track better",
                where,
                metadata.lowest_score,
                TRACKERS_SCORE,
            )
        return head("nms", COCO_CLASSES)
    return None


def person_of(names: Mapping[int, str], classes: int, where: str) -> int:
    """The person's class index. Without names it is class 0, as in COCO and in one-class models."""
    if names:
        return person_class(names, where)
    if classes not in (1, COCO_CLASSES):
        log.warning("%s has %d classes without names; class 0 is taken for a person", where, classes)
    return 0


def anchor_layout(anchors: int, size: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """Anchors a cell (1 or 3) and the strides that give so many anchors on an input of `size`. None where none do."""
    for strides in STRIDES:
        cells = sum((size[0] // s) * (size[1] // s) for s in strides)
        if anchors in (cells, 3 * cells):
            return anchors // cells, strides
    return None


@functools.lru_cache(maxsize=32)
def grid(
    height: int, width: int, strides: tuple[int, ...], per_cell: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell indices `(A, 2)` x, y and strides `(A, 1)` in the heads' order.

    The order is stride, anchor of the cell, row, column.
    """
    cells, steps = [], []
    for stride in strides:
        ys, xs = np.mgrid[: height // stride, : width // stride]
        level = np.tile(np.stack([xs.ravel(), ys.ravel()], axis=1), (per_cell, 1))
        cells.append(level)
        steps.append(np.full((len(level), 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def letterbox_of(picture: Sequence[int], size: Sequence[int], centred: bool) -> Letterbox:
    """The letterbox of a picture of shape `(H, W, …)` in an input of `size` (H, W). It rounds as Ultralytics does."""
    gain = min(size[0] / picture[0], size[1] / picture[1])
    width, height = max(1, round(picture[1] * gain)), max(1, round(picture[0] * gain))
    left, top = ((size[1] - width) / 2, (size[0] - height) / 2) if centred else (0.1, 0.1)
    return Letterbox(gain, width, height, left=round(left - 0.1), top=round(top - 0.1))


def write_letterboxed(image: NDArray[np.uint8], box: Letterbox, target: NDArray[Any], bgr255: bool) -> None:
    """Writes an RGB picture into its letterbox of `target` (3, H, W), as BGR 0..255 or RGB 0..1."""
    if image.shape[:2] != (box.height, box.width):
        image = cv2.resize(image, (box.width, box.height), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    inside = target[:, box.top : box.top + box.height, box.left : box.left + box.width]
    # Split first, 0.35 ms for 768x576 to 416x416. A transposed assignment takes 0.42 ms, cv2.dnn.blobFromImage 2.4 ms.
    for channel, plane in zip(inside[::-1] if bgr255 else inside, cv2.split(image), strict=True):
        if bgr255:
            channel[:] = plane
        else:
            np.multiply(plane, np.float32(1 / 255), out=channel, casting="same_kind")


def read_people(answer: NDArray[Any], head: Head, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
    """People in one picture's answer, best first.

    A box counts when its score is at least `lowest_score` and no other class beats the person's.

    Args:
        answer: One picture's part of the head's output.
        head: How it reads.
        size: (H, W) of the input, whose pixels the boxes are in.
        lowest_score: The lowest score kept.
        iou: Of two boxes, from which on the weaker one goes.
    """
    if head.kind == "nms":
        keep = (answer[:, SCORE] >= lowest_score) & (answer[:, CLASS].round() == head.person)
        rows = answer[keep].astype(np.float32)
        rows = rows[np.argsort(-rows[:, SCORE], kind="stable")]
        return Detections(rows[:, CORNERS], rows[:, SCORE])
    # The score's columns alone are read for all anchors, the rest only for the few that pass.
    first_class = FIRST_CLASS[head.kind]
    if head.kind == "yolov8":
        scores = answer[first_class + head.person].astype(np.float32)
    else:
        scores = answer[:, OBJECTNESS].astype(np.float32) * answer[:, first_class + head.person].astype(np.float32)
    kept = np.flatnonzero(scores >= lowest_score)
    if len(kept) == 0:
        return Detections.empty()
    rows = (answer[:, kept].T if head.kind == "yolov8" else answer[kept]).astype(np.float32)
    is_person = rows[:, first_class : first_class + head.classes].argmax(axis=1) == head.person
    kept, rows = kept[is_person], rows[is_person]
    centres, sides = rows[:, CENTRE], rows[:, SIDES]
    if head.raw:
        cells, steps = grid(size[0], size[1], head.strides)
        centres, sides = (centres + cells[kept]) * steps[kept], np.exp(sides) * steps[kept]
    return suppress(np.concatenate([centres - sides / 2, centres + sides / 2], axis=1), scores[kept], iou)


def suppress(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou: float) -> Detections:
    """Greedy non-maximum suppression, best first, by OpenCV. At 300 boxes it takes 0.2 ms where NumPy takes 0.6."""
    if len(scores) == 0:
        return Detections.empty()
    corner_and_sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    keep = np.asarray(cv2.dnn.NMSBoxes(corner_and_sides, scores, 0.0, iou), np.intp).reshape(-1)  # type: ignore[arg-type]
    return Detections(boxes[keep], scores[keep])
