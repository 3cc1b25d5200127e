"""A version's encoder as one ONNX file that other programs run."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.encoders.embed import read_crops
from app.encoders.versions import digest, find, onnx_of, open_model, serving
from app.errors import SiteError
from app.record import Site
from app.record.private_files import check_writable, private_file
from app.record.rows import AuditEntry
from reid.pictures import decode_crops


@dataclass(frozen=True, slots=True)
class ModelFile:
    """What was written."""

    model: str
    path: str
    variant: str
    bytes: int
    sha256: str


def export_model(
    site: Site,
    out: Path,
    version: str | None = None,
    variant: Literal["fp32", "fp16", "int8"] = "fp32",
    *,
    who: str,
) -> ModelFile:
    """Writes a version's ONNX file, or a smaller variant of it, calibrated on the site's crops. Notes that `who` did.

    Only its owner may read the file. Raises SiteError.
    """
    check_writable(out)
    model = serving(site) if version is None else find(site, version)
    encoder = open_model(site, model)  # checks that the file is what was deployed
    source = onnx_of(site, model)
    site.note(AuditEntry(time.time(), who, "export", {"of": "model", "model": model.name, "to": str(out)}))
    with private_file(out) as part:
        if variant == "fp32":
            shutil.copyfile(source, part)
        else:
            from deploy.export import CALIBRATION, ExportError, write_variant

            try:
                write_variant(source, part, variant, _some_crops(site, CALIBRATION, encoder.size))
            except ExportError as error:
                raise SiteError(f"{error}.") from error
    return ModelFile(model.name, str(out), variant, out.stat().st_size, digest(out))


def _some_crops(site: Site, count: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Crops of tracklets spread over the site, `(n, height, width, 3)`."""
    ids = site.tracklet_table().ids
    spread_ids = (
        ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).round().astype(int))] if len(ids) else ids
    )
    return decode_crops([jpegs[len(jpegs) // 2] for _, jpegs in read_crops(site, spread_ids) if jpegs], *size)
