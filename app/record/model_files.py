"""The files of a site's models: `models/<name>/`, an ONNX file to embed with and weights to learn from."""

from __future__ import annotations

import hashlib
from pathlib import Path

ONNX, WEIGHTS = "model.onnx", "model.safetensors"
BROUGHT = "brought"  # `method` in the summary of a version that was trained elsewhere


def model_folder(site: Path, name: str) -> Path:
    """Where a version's files are."""
    return site / "models" / name


def digest(path: Path) -> str:
    """SHA-256 of a file. Raises OSError where it can't be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(site: Path, name: str) -> str | None:
    """SHA-256 of a version's weights, None where there are none."""
    path = model_folder(site, name) / WEIGHTS
    return digest(path) if path.is_file() else None
