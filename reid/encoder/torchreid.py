"""Checkpoints of OSNet as torchreid writes them (Zhou and Xiang, "Torchreid", 2019).

A `.pth` holds weights by name, alone or beside what a training goes on from. Where several GPUs trained, names begin
with `module.`. The classifier is of the people trained on and is left out.
"""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reid.encoder.osnet import WIDTHS

SIZE = (256, 128)  # px, height and width of the crops that torchreid trains OSNets with
_CHECKPOINT = re.compile(r"\.(pth|pt)(\.tar)?(-\d+)?$")  # torchreid's own is `model.pth.tar-150`
_LEFT_OUT = re.compile(r"classifier\.|.*\.num_batches_tracked$")
# Of the names' parts, theirs → ours. Later patterns see what earlier ones made.
_NAMES = [
    (re.compile(pattern), ours)
    for pattern, ours in (
        (r"^fc\.", "head.layers."),
        (r"^conv1\.", "backbone.layers.0."),
        (r"^conv2\.([01])\.", r"backbone.layers.4+\1."),
        (r"^conv3\.([01])\.", r"backbone.layers.8+\1."),
        (r"^conv4\.([01])\.", r"backbone.layers.12+\1."),
        (r"^conv2\.2\.0\.", "backbone.layers.6."),
        (r"^conv3\.2\.0\.", "backbone.layers.10."),
        (r"^conv5\.", "backbone.layers.14."),
        (r"\.conv2a\.", ".streams.0.0."),
        (r"\.conv2b\.", ".streams.1."),
        (r"\.conv2c\.", ".streams.2."),
        (r"\.conv2d\.", ".streams.3."),
        (r"\.gate\.fc1\.", ".gate.squeeze."),
        (r"\.gate\.fc2\.", ".gate.excite."),
        (r"(\.streams\.\d\.\d)\.conv1\.", r"\1.0."),
        (r"(\.streams\.\d\.\d)\.conv2\.", r"\1.1."),
        (r"(\.streams\.\d\.\d)\.bn\.", r"\1.2."),
        (r"\.conv1\.(conv|bn)\.", r".reduce.\1."),
        (r"\.conv3\.(conv|bn)\.", r".expand.\1."),
        (r"\.downsample\.", ".shortcut."),
        (r"^backbone\.layers\.0\.bn\.", "backbone.layers.1."),
        (r"^backbone\.layers\.0\.conv\.", "backbone.layers.0."),
        (r"\.conv\.", ".0."),
        (r"\.bn\.", ".1."),
    )
]


class CheckpointError(ValueError):
    """A file that holds no OSNet of torchreid's. The message goes behind the file's name."""


def is_checkpoint(path: Path) -> bool:
    """Whether a file is called as checkpoints of PyTorch are."""
    return _CHECKPOINT.search(path.name) is not None


def read_osnet(path: Path) -> tuple[str, int, dict[str, Tensor]]:
    """The backbone's name, the embedding's dimensions, and the weights by the names of an `Encoder` with the head `fc`.

    Only numbers are read: nothing in the file is run. Raises CheckpointError or OSError.
    """
    theirs = _weights(_loaded(path))
    weights = {_our_name(name): weight for name, weight in theirs.items() if _LEFT_OUT.match(name) is None}
    stem, embedding = weights.get("backbone.layers.0.weight"), weights.get("head.layers.0.weight")
    backbone = {channels[0]: name for name, channels in WIDTHS.items()}.get(0 if stem is None else len(stem))
    if backbone is None or embedding is None:
        raise CheckpointError("holds no OSNet of torchreid's; export another network as .onnx")
    return backbone, len(embedding), weights


def _loaded(path: Path) -> Any:
    numpy_numbers = [  # as in the scores that torchreid writes beside the weights, also with NumPy before 2
        np.dtype,
        np._core.multiarray.scalar,  # type: ignore[attr-defined]
        (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"),  # type: ignore[attr-defined]
        np.dtypes.Float64DType,
        np.dtypes.Float32DType,
    ]
    try:
        with torch.serialization.safe_globals(numpy_numbers):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except pickle.UnpicklingError as error:
        raise CheckpointError("holds more than numbers, which is not run; save its `state_dict` alone") from error
    except Exception as error:  # a broken file raises anything
        raise CheckpointError(f"can't be read as a checkpoint ({type(error).__name__}); take the file again") from error


def _weights(loaded: Any) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict):
        raise CheckpointError("holds no weights by name; save the network's `state_dict`")
    return {
        str(name).removeprefix("module."): weight.float()
        for name, weight in loaded.items()
        if isinstance(weight, Tensor) and weight.is_floating_point()
    }


def _our_name(name: str) -> str:
    for pattern, ours in _NAMES:
        name = pattern.sub(ours, name)
    return re.sub(r"(\d+)\+(\d)", lambda match: str(int(match[1]) + int(match[2])), name)
