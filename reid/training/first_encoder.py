"""The encoder that a training begins with."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal, cast

import torch

from reid.encoder import Encoder, EncoderConfig, load_encoder, new_encoder
from reid.training.errors import TrainingError
from reid.training.settings import Settings

# The shipped encoders lie on a floor above, which nothing here may import. So they are looked up as resources of their
# package, and only when a run names one. An entry point would be found only where the project has been installed. This
# is found in a bare checkout, too, as training machines have it.
BOX = "deploy.models"


def first_encoder(settings: Settings) -> Encoder:
    """The encoder with the weights that `settings.init` names. Raises TrainingError or EncoderError."""
    recipe = settings.config.recipe
    source: Literal["random", "imagenet"] | Path
    if settings.init in ("random", "imagenet"):
        source = cast('Literal["random", "imagenet"]', settings.init)
        shape = EncoderConfig(head=recipe.head, height=recipe.size[0], width=recipe.size[1])
    else:
        source = weights_named(settings.init)
        shape = load_encoder(source).config
    changes: dict[str, Any] = {}
    if settings.backbone is not None:
        changes["backbone"] = settings.backbone
    if settings.size is not None:
        changes |= {"height": settings.size[0], "width": settings.size[1]}
    if settings.head is not None:
        changes |= {"head": settings.head, "dropout": EncoderConfig.dropout}
    changes |= settings.encoder
    # Dimensions that nobody named are those of the new head or backbone.
    if any(
        changes.get(name, getattr(shape, name)) != getattr(shape, name) for name in ("head", "backbone", "channels")
    ):
        changes = {"dimensions": 0} | changes
    encoder = new_encoder(replace(shape, **changes), seed=settings.seed, init=source)
    try:
        encoder.embed(torch.zeros((1, *encoder.size, 3), dtype=torch.uint8))
    except RuntimeError as error:
        height, width = encoder.size
        raise TrainingError(f"crops of {height}x{width} px don't go through this encoder: {error}") from error
    return encoder


def weights_named(init: str) -> Path:
    """The safetensors file that `init` names: that of a shipped encoder, as `base`, or a path.

    Raises:
        TrainingError: There is neither.
    """
    candidates = [Path(init)]
    with suppress(ModuleNotFoundError):  # where `reid` alone is installed
        candidates.insert(0, Path(str(resources.files(BOX) / f"{init}.safetensors")))
    for path in candidates:
        if path.is_file():
            return path
    raise TrainingError(
        f"--init {init}: there is no such file, and it is none of random, imagenet and the shipped encoders (base is "
        "made by `python -m deploy.models.base`)"
    )
