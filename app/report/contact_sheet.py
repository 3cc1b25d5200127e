"""Tracklets as rows of crops: one look tells whether each row is one person."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.record import Site
from app.record.private_files import check_writable, write_private
from app.record.rows import AuditEntry, SegmentRecord
from app.report.sheet import FAINT, HEAD, INK, band, row, write
from trackers.segments import Kind

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a contact sheet shows."""

    path: str
    tracklets: int
    of: int  # in the site, or of the chosen camera


def contact_sheet(
    site: Site, path: Path, *, who: str, camera: str | None = None, rows: int = 60, columns: int = 12
) -> Sheet:
    """Writes a PNG: a row a tracklet, by camera and time, its crops spread over its time.

    Args:
        site: has the tracklets, and is open to write, as the audit notes who looked.
        path: of the PNG. Only its owner may read it.
        who: looks.
        camera: only this one, default all.
        rows: about how many at most. More tracklets are thinned evenly, camera by camera.
        columns: the most crops in a row.

    Raises:
        SiteError: there is nothing to show, or the PNG can't be written.
    """
    check_writable(path)
    cameras = [c.camera for c in site.cameras() if camera in (None, c.camera)]
    if not cameras:
        raise SiteError(
            f"The site at {site.path} has no camera {camera!r}." if camera else f"The site at {site.path} is empty."
        )
    tracklets = {
        name: sorted(site.segments(name, kind=Kind.TRACKLET), key=lambda t: (t.start, t.number)) for name in cameras
    }
    total = sum(map(len, tracklets.values()))
    if not total:
        raise SiteError(f"The site at {site.path} has no tracklets yet: ingest footage with people in it first.")
    share = min(1.0, rows / total)
    bands: list[NDArray[np.uint8]] = []
    shown: list[int] = []
    for name, in_camera in tracklets.items():
        if in_camera:
            sample = _spread(in_camera, max(1, round(len(in_camera) * share)))
            bands.append(_headline(f"{name}   {len(sample)} of {len(in_camera)} tracklets", columns))
            bands += [_row(site, tracklet, columns) for tracklet in sample]
            shown += [tracklet.id for tracklet in sample]
    done, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(bands), cv2.COLOR_RGB2BGR))
    if not done:
        raise SiteError(f"{path} can't be written: the sheet is too large; ask for fewer --rows or --columns.")
    details = {"camera": camera, "tracklets": shown, "to": str(path)}
    site.note(AuditEntry(time.time(), who, "contact_sheet", details))
    write_private(path, png.tobytes())
    return Sheet(str(path), len(shown), total)


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of the items, at even distances."""
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, min(count, len(items)))]


def _headline(text: str, columns: int) -> NDArray[np.uint8]:
    headline = band(HEAD, columns)
    write(headline, text, (6, HEAD - 11), INK, 17, 600)
    return headline


def _row(site: Site, tracklet: SegmentRecord, columns: int) -> NDArray[np.uint8]:
    crops = site.crops(tracklet.id)
    pictures = []
    for crop in _spread(crops, columns):
        with suppress(ValueError):  # damaged, of which `app.site --verify` tells: its cell stays grey
            pictures.append(site.crop_jpeg(crop))
            continue
        pictures.append(b"")
    drawn = row(pictures, columns)
    start, end = (datetime.fromtimestamp(t, UTC) for t in (tracklet.start, tracklet.end))
    times = f"{start:%H:%M:%S}.{start.microsecond // 100000} – {end:%H:%M:%S}.{end.microsecond // 100000}"
    write(drawn, f"tracklet {tracklet.id}", (6, 22), INK, 14, 500)
    write(drawn, f"track {tracklet.track}, {tracklet.length} boxes", (6, 42), FAINT, 13)
    write(drawn, f"{start:%Y-%m-%d}", (6, 66), FAINT, 13)
    write(drawn, times, (6, 84), FAINT, 13)
    write(drawn, f"ended by {tracklet.cut}", (6, 108), FAINT, 13)
    return drawn
