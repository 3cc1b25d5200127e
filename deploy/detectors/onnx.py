"""Detectors as ONNX files, run by ONNX Runtime.

A file's name says nothing about its answers. So a few pictures are run at load, and `heads.read` reads the layout off
what comes back: shapes, types and values. Names decide only where values can't.

| `--detector FILE.onnx` of              | answer                                                      | picture     |
|----------------------------------------|-------------------------------------------------------------|-------------|
| YOLOX, YOLOv5, v6, v7                  | `(B, A, 5 + C)`, raw or decoded, or transposed              | letterboxed |
| YOLOv8, 9, 11, 12                      | `(B, 4 + C, A)`, or transposed                              | letterboxed |
| YOLOv10, YOLO26, exports with NMS      | `(B, N, 6)`, `(B, 6, N)`, `(N, 7)`, any order of columns    | letterboxed |
| YOLO-NAS                               | `(B, A, 4)` and `(B, A, C)`, or a list                      | letterboxed |
| batched NMS, as EfficientNMS           | number, boxes, scores and classes apart                     | letterboxed |
| MMDeploy                               | `dets` `(B, N, 5)` and `labels`                             | letterboxed |
| PP-YOLOE                               | `(B, A, 4)` and `(B, C, A)`, or `(N, 6)` with numbers       | stretched   |
| RT-DETR, RF-DETR, D-FINE, DETR and kin | `(B, Q, 4)` and logits or scores `(B, Q, C)`, in one or two | stretched   |
| RT-DETR, D-FINE, DEIM with their sizes | labels, boxes and scores apart                              | stretched   |
| SSD of TensorFlow and of the model zoo | boxes 0..1, classes, scores, number                         | stretched   |
| Torchvision                            | boxes `(N, 4)`, labels, scores                              | letterboxed |

`B` pictures, `A` anchors, `Q` queries, `C` classes, `N` boxes found. The files of `heads/` have the details.

* Several layouts may fit, as where no box is found yet. Then the likeliest serves, and each answer later on is checked.
  One that contradicts it leaves the next. Where none is left, the detector fails and says why.
* A person is the class of that name in the file's metadata, else what `--person-class` says. Only COCO's 80 or 91
  classes and a single class need no names.
* Integers 0..255 are fed to who takes them. Floats are as the graph's own first steps tell, else as the layout's
  authors feed them. What is assumed is logged.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnx
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame, first_line
from deploy.detectors.boxes import Contradiction
from deploy.detectors.heads import Answer, Head, Probed, narrow
from deploy.detectors.heads.anchors import AnchorHead
from deploy.detectors.heads.read import outputs_of, read_heads
from deploy.detectors.inputs import GraphInputs, GraphTensor, range_in, read_inputs
from deploy.detectors.metadata import LEAST_STRIDE, ExportMetadata, read_metadata
from deploy.detectors.picture import (
    BGR_255,
    RGB_1,
    RGB_255,
    Colours,
    Placement,
    empty_input,
    place,
    write_picture,
)
from deploy.onnx_runtime import find_cuda, onnxruntime
from trackers.detections import Detections

log = logging.getLogger("sightline")

NMS_IOU = 0.65  # YOLOX's, as Ultralytics' 0.7 leaves doubles in crowds
MOST_STRIDE = 256  # px
MOST_SIDE = 8192  # px, of the network's input
MOST_VALUES = 2**27  # of a batch that it takes: 512 MB
TRACKERS_SCORE = 0.1  # from which on the tracker uses boxes


class Choice(NamedTuple):
    """A head that no answer contradicted yet."""

    head: Head
    colours: Colours
    assumed: tuple[str, ...]  # what nothing tells, a clause each


class OnnxDetector:
    """A detector in an ONNX file. The module's docstring has the layouts it understands.

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
        person_class: str | None = None,
    ) -> None:
        """Loads the file, runs it on a few pictures and reads its head off the answers.

        Args:
            path: The `.onnx` file.
            score: The lowest score kept.
            iou: Of two boxes, from which on the weaker one goes.
            threads: CPU threads, all where None.
            device: None takes CUDA where it works. `cpu`, `cuda` or `cuda:1` insist.
            person_class: Which class is a person, by number or name. None where the file tells.

        Raises:
            DetectorError: The file can't be trusted, run or understood.
        """
        data = read_self_contained(path)
        self.name = str(path)
        self.sha256: str | None = hashlib.sha256(data).hexdigest()
        self._score, self._iou = score, iou
        self._refused = ""  # the likeliest head that an answer contradicted, and why
        self._session, self._cuda = open_session(data, path, device)
        metadata = read_metadata(self._session.get_modelmeta().custom_metadata_map)
        try:
            self._look(path, metadata, data, person_class)
        except DetectorError:
            raise
        except Exception as error:  # foreign metadata and answers may be anything
            raise DetectorError(f"{path} can't be understood as a detector: {first_line(error)}") from error

        if threads is None:
            threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(max(1, threads), "detect")
        self.calls = 2  # while the last frames of one call are under way, threads begin with the next
        fixed_batch = self._inputs.batch
        if self._cuda:
            self._chunk = fixed_batch or (16 if self.head.batched else 1)
            if self.head.kind == "rows" and metadata.batch is not None:
                self._chunk = min(self._chunk, metadata.batch)  # Ultralytics unrolls its NMS over the batch exported
            self.batch = max(self._chunk, 8 // self._chunk * self._chunk)
        else:
            self._chunk = fixed_batch or 1
            self.batch = 2 * max(1, threads) * self._chunk  # twice, so that no thread waits long for the slowest frame

    @property
    def head(self) -> Head:
        """How its answers are read."""
        return self._choices[0].head

    @property
    def assumed(self) -> tuple[str, ...]:
        """What nothing in the file tells and was taken for the likeliest, a clause each."""
        return self._choices[0].assumed

    def _look(self, path: Path, metadata: ExportMetadata, data: bytes, person_class: str | None) -> None:
        """What it takes, and by a few runs what it answers."""
        self._inputs = read_inputs([GraphTensor.of(tensor) for tensor in self._session.get_inputs()], str(path))
        sides = self._inputs.sides
        self._size = sides[0] or metadata.size[0], sides[1] or metadata.size[1]
        stride = max(LEAST_STRIDE, metadata.stride)
        values = 3 * (self._inputs.batch or 1) * self._size[0] * self._size[1]
        if not all(0 < side <= MOST_SIDE for side in self._size) or values > MOST_VALUES or stride > MOST_STRIDE:
            raise DetectorError(
                f"{path} wants {self._inputs.batch or 1} pictures of {self._size[0]}x{self._size[1]} in steps of "
                f"{stride}: at most {MOST_SIDE} px a side, {MOST_VALUES:,} values and steps of {MOST_STRIDE} are "
                "given; export it smaller."
            )
        try:
            answers = self._probe()
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            raise DetectorError(
                f"{path} does not run at {self._size[0]}x{self._size[1]}: {first_line(error)}"
            ) from error
        outputs = tuple(GraphTensor.of(tensor) for tensor in self._session.get_outputs())
        probed = Probed(self._inputs, outputs, answers, self._size, metadata)
        self._layout = outputs_of(probed)
        readings = read_heads(probed, person_class, str(path))
        told_range = range_in(onnx.ModelProto.FromString(data), self._inputs.name)
        self._choices = []
        for head, assumed in readings:
            colours, assumed_colours = colours_for(head, self._inputs, told_range)
            self._choices.append(Choice(head, colours, tuple(filter(None, (assumed, assumed_colours)))))
        self._say(path)
        lowest = metadata.lowest_score
        if self.head.kind == "rows" and lowest is not None and lowest > TRACKERS_SCORE:
            log.info(
                "%s drops scores below %g itself; exported with conf=%g it would track better",
                path,
                lowest,
                TRACKERS_SCORE,
            )

    def _probe(self) -> tuple[Answer, ...]:
        """What it answers to a few pictures."""
        colours = RGB_255 if self._inputs.dtype == np.uint8 else RGB_1
        pictures = [np.full((self._inputs.batch or 1, 3, *self._size), 0, self._inputs.dtype) for _ in range(3)]
        at = place(self._size, self._size, "corner")
        for batch, image in zip(pictures, probe_pictures(self._size)):
            for target in batch:
                write_picture(image, at, target, colours)
        return tuple(self._session.run(None, self._inputs.feeds(batch)) for batch in pictures)

    def _say(self, path: Path | str) -> None:
        """Logs how answers are read and what was assumed, where that is not told by the file."""
        if not isinstance(self.head, AnchorHead) or self.assumed:
            log.info("%s is read as %s", path, "; ".join((self.head.describe(), *self.assumed)))

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
        stride = self.head.stride
        if not stride:
            return self._size
        at = place(image.shape, self._size, "corner")
        needed = [-(-side // stride) * stride for side in (at.height, at.width)]
        height, width = (fixed or side for fixed, side in zip(self._inputs.sides, needed, strict=True))
        return height, width

    def _run(self, images: Sequence[NDArray[np.uint8]], each: Callable[..., Any] = map) -> list[Detections]:
        """One run over `images`, all of one input size, at most a chunk of them. `each` maps over frames."""
        choice = self._choices[0]
        head, colours = choice.head, choice.colours
        size = self._input_size(images[0])
        places = [place(image.shape, size, head.fit) for image in images]
        # A fresh array costs 0.04 ms and needs no lock. The rows beyond the images pad a fixed batch.
        batch = empty_input((self._inputs.batch or len(images), 3, *size), self._inputs.dtype, colours)
        for _ in each(write_picture, images, places, batch[: len(images)], [colours] * len(images)):
            pass
        names = self._session.get_outputs()
        try:
            answer = self._session.run([names[output].name for output in head.outputs], self._inputs.feeds(batch))
        except Exception as error:  # ONNX Runtime's own exceptions share no base class but this
            raise DetectorError(f"{self.name} fails at {size[0]}x{size[1]}: {first_line(error)}") from error
        try:
            parts = head.split([narrow(output) for output in answer], len(batch))[: len(images)]
            people = list(each(functools.partial(self._read, head=head, size=size), parts, places, images))
        except Contradiction as error:
            self._drop(choice, error)
            return self._run(images, each)
        if len(self._choices) > 1 and any(len(of_image) for of_image in people):
            self._settle(choice)
        return people

    def _drop(self, choice: Choice, error: Contradiction) -> None:
        """Goes on with the next head that no answer contradicted. Several threads may come with the same news.

        Raises:
            DetectorError: None is left.
        """
        self._refused = self._refused or f"{choice.head.describe()}: {error}"
        left = [other for other in self._choices if other is not choice]
        if not left:
            raise DetectorError(
                f"{self.name} answered what can't be {self._refused}. Its outputs are {self._layout}. "
                "Export it in a layout that is understood, or name another detector."
            ) from error
        if self._choices[0] is choice:
            self._choices = left
            self._say(self.name)

    def _settle(self, choice: Choice) -> None:
        """Boxes were read, so a later answer that contradicts this head is an error and no reason to try others."""
        if self._choices[0] is choice:
            self._choices = [choice]

    def _read(
        self, answer: Answer, at: Placement, image: NDArray[np.uint8], head: Head, size: tuple[int, int]
    ) -> Detections:
        """The people in one picture's answer, in the picture's own pixels, best first."""
        people = head.people(answer, size, self._score, self._iou)
        shift, gain = np.array([at.left, at.top] * 2, np.float32), np.array([at.across, at.down] * 2, np.float32)
        xyxy = (people.boxes - shift) / gain
        height, width = image.shape[:2]
        xyxy = np.clip(xyxy, 0, np.array([width, height] * 2, np.float32))
        seen = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])  # a box wholly in the padding is no one
        return Detections(xyxy[seen], people.scores[seen])


def probe_pictures(size: tuple[int, int]) -> list[NDArray[np.uint8]]:
    """Pictures `(H, W, 3)` that make most networks show their answers' layout: grey, noise, and a drawn person."""
    height, width = size
    grey = np.full((height, width, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    drawn = grey.copy()
    x, y, step = width // 2, height // 2, max(1, height // 16)
    cv2.circle(drawn, (x, y - 4 * step), step, (205, 160, 130), -1)
    cv2.rectangle(drawn, (x - step, y - 3 * step), (x + step, y + step), (150, 40, 40), -1)
    for leg in (-1, 1):
        cv2.line(drawn, (x + leg * step // 2, y + step), (x + leg * step, y + 5 * step), (40, 45, 80), max(1, step))
    return [grey, noise, drawn]


def colours_for(head: Head, inputs: GraphInputs, told_range: str | None) -> tuple[Colours, str | None]:
    """What an input's numbers mean, and what was assumed for it."""
    if inputs.dtype == np.uint8 or told_range == "0..255":
        return (BGR_255 if head.colours.bgr else RGB_255), None
    if told_range == "0..1":
        return RGB_1, None
    return head.colours, None if isinstance(head, AnchorHead) else f"it is taken to want {head.colours.name}"


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
        find_cuda()
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
