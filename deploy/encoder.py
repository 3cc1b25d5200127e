"""Encoders that are only used: our ONNX file, somebody else's, or weights of ours. An ONNX file needs no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from deploy.onnx_runtime import find_cuda, onnxruntime
from deploy.probe import ProbeError, probe
from reid.normalised import normalised
from reid.pictures import MEAN, SPREAD

if TYPE_CHECKING:  # it brings torch
    from reid.encoder import Encoder

MOST_VALUES = 2**27  # of a batch of crops that a file takes: 512 MB
FOREIGN_SIZE = (256, 128)  # px, where a file leaves it open: what the field trains with


class OnnxError(ValueError):
    """A file that is no encoder, or none that ONNX Runtime can open."""


class OpenEncoder(Protocol):
    """Crops to embeddings."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""

    def embed(self, crops: NDArray[np.uint8], *, batch: int = ...) -> NDArray[np.float32]:
        """(N, height, width, 3) uint8 RGB, any number → (N, D) float32, rows of length 1."""


class OnnxEncoder:
    """An ONNX file: ours (uint8 NHWC crops), or another's (float N×3×H×W).

    imagenet: a foreign file gets pictures normalised as ImageNet's, as most want them, else 0…1. cuda: on a GPU where
    ONNX Runtime has one. threads: None for as many as this process has cores, or as OMP_NUM_THREADS says. Raises
    OnnxError where the file is none such.
    """

    def __init__(self, path: Path, *, imagenet: bool = True, cuda: bool = False, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or _threads()
        providers = ["CUDAExecutionProvider"] * cuda + ["CPUExecutionProvider"]
        if cuda:
            find_cuda()
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # onnxruntime has no type of its own
            raise OnnxError(f"{path} can't be opened as ONNX: {error}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        shape = inputs[0].shape if len(inputs) == 1 and outputs else []
        self._ours = bool(inputs) and inputs[0].type == "tensor(uint8)"
        colours = 3 if self._ours else 1
        if (
            len(shape) != 4
            or shape[colours] != 3
            or inputs[0].type not in ("tensor(uint8)", "tensor(float)")
            or len(outputs[0].shape) != 2
        ):
            takes = ", ".join(f"{tensor.type} {tensor.shape}" for tensor in inputs)
            gives = ", ".join(str(tensor.shape) for tensor in outputs)
            raise OnnxError(
                f"{path} takes {takes} and gives {gives}: an encoder takes float N×3×H×W, or uint8 N×H×W×3, "
                "and gives N×D"
            )
        sides = shape[1:3] if self._ours else shape[2:4]
        self._size = tuple(side if isinstance(side, int) else usual for side, usual in zip(sides, FOREIGN_SIZE))
        self._batch = shape[0] if isinstance(shape[0], int) else None  # the only number of crops it takes
        values = 3 * max(self._batch or 1, 1) * self._size[0] * self._size[1]
        if min(self._size) < 1 or self._batch == 0 or values > MOST_VALUES:
            raise OnnxError(f"{path} takes {shape}: at most {MOST_VALUES:,} values are given at once, and at least one")
        self._path, self._input = path, inputs[0].name
        self._scale = np.float32(255) * np.array(SPREAD if imagenet else (1, 1, 1), np.float32)
        self._mean = np.float32(255) * np.array(MEAN if imagenet else (0, 0, 0), np.float32)
        width = outputs[0].shape[1]
        self._dimensions = width if isinstance(width, int) else 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""
        return self._size[0], self._size[1]

    def embed(self, crops: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        """(N, height, width, 3) uint8 RGB, any number → (N, D) float32, rows of length 1.

        Raises OnnxError where the file fails, or answers what is no such row.
        """
        if not len(crops):
            return np.zeros((0, self._dimensions), np.float32)
        step = self._batch or batch
        return normalised(np.concatenate([self._run(crops[k : k + step]) for k in range(0, len(crops), step)]))

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(crops)
        if self._batch and count < self._batch:
            crops = np.concatenate([crops, np.zeros((self._batch - count, *crops.shape[1:]), np.uint8)])
        tensor = crops if self._ours else ((crops - self._mean) / self._scale).transpose(0, 3, 1, 2)
        try:
            embeddings: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(tensor)})[0]
        except Exception as error:  # onnxruntime has no type of its own
            raise OnnxError(f"{self._path} fails on crops of {self._size}: {error!s:.300}") from error
        if embeddings.ndim != 2 or len(embeddings) != len(crops) or not np.isfinite(embeddings).all():
            raise OnnxError(
                f"{self._path} answers {embeddings.shape} to {len(crops)} crops, or what is no number: it is no encoder"
            )
        return embeddings[:count]


class WeightsEncoder:
    """A network of ours, for who has crops and wants embeddings as arrays."""

    def __init__(self, network: Encoder) -> None:
        self._network = network

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""
        return self._network.size

    def embed(self, crops: NDArray[np.uint8], *, batch: int = 256) -> NDArray[np.float32]:
        """(N, height, width, 3) uint8 RGB, any number → (N, D) float32, rows of length 1."""
        import torch

        embeddings: NDArray[np.float32] = self._network.embed(torch.from_numpy(crops), batch=batch).numpy()
        return embeddings


def open_encoder(path: Path, *, imagenet: bool = True, cuda: bool = False, threads: int | None = None) -> OpenEncoder:
    """A safetensors file of ours, or an ONNX file (`.onnx`), ours or a foreign one, see OnnxEncoder.

    Weights run on as many threads as torch has. An ONNX file is tried in a process of its own first. Raises OnnxError
    where the file is missing or no encoder, EncoderError where it holds no weights of ours.
    """
    if not path.is_file():
        raise OnnxError(f"there is no model {path}")
    if path.suffix == ".onnx":
        try:
            probe(path, "deploy.encoder:try_encoder")
        except ProbeError as error:
            raise OnnxError(str(error)) from error
        return OnnxEncoder(path, imagenet=imagenet, cuda=cuda, threads=threads)
    from reid.encoder import load_encoder

    return WeightsEncoder(load_encoder(path).to("cuda" if cuda else "cpu"))


def try_encoder(path: str) -> None:
    """Loads a foreign ONNX file and embeds one grey crop, wherever that may lead. Raises OnnxError."""
    from deploy.detectors import DetectorError
    from deploy.detectors.onnx import read_self_contained

    try:
        read_self_contained(Path(path))
    except DetectorError as error:
        raise OnnxError(str(error)) from error
    encoder = OnnxEncoder(Path(path), threads=1)
    encoder.embed(np.full((1, *encoder.size, 3), 128, np.uint8))


def try_weights(path: str) -> None:
    """Loads a file of weights and embeds one grey crop, wherever that may lead. Raises OnnxError."""
    from reid.encoder import EncoderError, load_encoder

    try:
        encoder = WeightsEncoder(load_encoder(Path(path)))
        encoder.embed(np.full((1, *encoder.size, 3), 128, np.uint8))
    except EncoderError as error:
        raise OnnxError(str(error)) from error


def _threads() -> int:
    """As many as this process may use. ONNX Runtime by itself takes all of the machine's."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores
