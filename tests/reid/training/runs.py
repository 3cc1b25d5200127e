"""Small trainings for tests: their settings, and what they leave."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from reid.training import Settings, preset

UNSUPERVISED = ("utal", "uga", "eea", "ssl", "dal")
METHODS = (*UNSUPERVISED, "single-task", "supervised")


def tiny(
    data_folder: Path,
    method: str,
    *,
    epochs: int = 2,
    preset_name: str = "practical",
    recipe: dict[str, Any] | None = None,
    **fields: Any,
) -> Settings:
    """Three steps an epoch on the tiny set. fields: of the method's settings."""
    config = preset(method, preset_name)
    shape: dict[str, Any] = {"batch": 24, "epoch": "images", "frames": 2, "learning_rate": 0.003}
    config = replace(config, recipe=replace(config.recipe, **shape | (recipe or {})), **fields)
    return Settings(
        config, f"market1501:{data_folder / 'tiny'}", init=str(data_folder / "tiny.safetensors"), epochs=epochs
    )


def weights(out: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(out / "model.safetensors")


def same(run_folder: Path, other_folder: Path) -> bool:
    a, b = weights(run_folder), weights(other_folder)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]
