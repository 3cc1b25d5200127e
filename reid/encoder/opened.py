"""Any encoder that is only to be used: a file of ours, its ONNX, or somebody else's ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from reid.encoder.imagenet import MEAN, SPREAD
from reid.encoder.network import EncoderError, load_encoder

FOREIGN_SIZE = (256, 128)  # px, where a file leaves it open: what the field trains with


class OpenEncoder(Protocol):
    """Crops to embeddings."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""

    def embed(self, crops: Tensor, *, batch: int = ...) -> Tensor:
        """(N, height, width, 3) uint8 RGB on the CPU, any number → (N, D) float32 on the CPU, rows of length 1."""


class OnnxEncoder:
    """An ONNX file: ours (uint8 NHWC crops), or another's (float N×3×H×W), on as many threads as torch has.

    imagenet: a foreign file gets pictures normalised as ImageNet's, as most want them; else 0…1. Raises EncoderError
    where the file is none such.
    """

    def __init__(self, path: Path, *, imagenet: bool = True, device: torch.device | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        providers = ["CPUExecutionProvider"]
        if device is not None and device.type == "cuda":
            providers.insert(0, "CUDAExecutionProvider")
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=providers)
        except Exception as error:  # onnxruntime has no type of its own
            raise EncoderError(f"{path} can't be opened as ONNX: {error}") from error
        given, found = self._session.get_inputs(), self._session.get_outputs()
        shape = given[0].shape
        self._ours = given[0].type == "tensor(uint8)"
        colours = 3 if self._ours else 1
        if (
            len(given) != 1
            or len(shape) != 4
            or shape[colours] != 3
            or given[0].type not in ("tensor(uint8)", "tensor(float)")
            or len(found[0].shape) != 2
        ):
            takes = ", ".join(f"{one.type} {one.shape}" for one in given)
            raise EncoderError(
                f"{path} takes {takes} and gives {found[0].shape}: an encoder takes float N×3×H×W, or uint8 N×H×W×3, "
                "and gives N×D"
            )
        sides = shape[1:3] if self._ours else shape[2:4]
        self._size = tuple(side if isinstance(side, int) else one for side, one in zip(sides, FOREIGN_SIZE))
        self._batch = shape[0] if isinstance(shape[0], int) else None  # the only number of crops it takes
        self._input = given[0].name
        self._scale = np.float32(255) * np.array(SPREAD if imagenet else (1, 1, 1), np.float32)
        self._mean = np.float32(255) * np.array(MEAN if imagenet else (0, 0, 0), np.float32)
        width = found[0].shape[1]
        self._dimensions = width if isinstance(width, int) else 0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""
        return self._size[0], self._size[1]

    def embed(self, crops: Tensor, *, batch: int = 32) -> Tensor:
        """(N, height, width, 3) uint8 RGB on the CPU, any number → (N, D) float32, rows of length 1."""
        rows = [self._run(part.numpy()) for part in crops.split(self._batch or batch)]
        if not rows:
            return torch.zeros(0, self._dimensions)
        return functional.normalize(torch.from_numpy(np.concatenate(rows)))

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        count = len(crops)
        if self._batch and count < self._batch:
            crops = np.concatenate([crops, np.zeros((self._batch - count, *crops.shape[1:]), np.uint8)])
        fed = crops if self._ours else ((crops - self._mean) / self._scale).transpose(0, 3, 1, 2)
        found: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(fed)})[0]
        return found[:count]


def open_encoder(path: Path, *, imagenet: bool = True, device: torch.device | None = None) -> OpenEncoder:
    """A safetensors file of ours, or an ONNX file (`.onnx`), ours or a foreign one, see OnnxEncoder.

    Raises EncoderError where the file is missing or no encoder.
    """
    if not path.is_file():
        raise EncoderError(f"there is no model {path}")
    if path.suffix == ".onnx":
        return OnnxEncoder(path, imagenet=imagenet, device=device)
    return load_encoder(path).to(device or "cpu")
