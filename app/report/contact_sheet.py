"""Tracklets as rows of crops: one look tells whether each row is one person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError
from app.record import Site
from app.record.rows import SegmentRecord
from app.report.sheet import FAINT, HEAD, INK, band, row, write
from reid.whole_file import whole_file
from trackers.tracklets import Kind


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a contact sheet shows."""

    path: str
    tracklets: int
    of: int  # in the site, or of the chosen camera


def contact_sheet(site: Site, path: Path, *, camera: str | None = None, rows: int = 60, columns: int = 12) -> Sheet:
    """Writes a PNG: a row a tracklet, by camera and time, its crops spread over its time.

    More than `rows` tracklets are thinned evenly, camera by camera.
    """
    cameras = [c.camera for c in site.cameras() if camera in (None, c.camera)]
    if not cameras:
        raise SiteError(
            f"The site at {site.path} has no camera {camera!r}." if camera else f"The site at {site.path} is empty."
        )
    found = {
        name: sorted(site.segments(name, kind=Kind.TRACKLET), key=lambda t: (t.start, t.number)) for name in cameras
    }
    total = sum(map(len, found.values()))
    if not total:
        raise SiteError(f"The site at {site.path} has no tracklets yet: ingest footage with people in it first.")
    share = min(1.0, rows / total)
    chosen = {name: _spread(mine, max(1, round(len(mine) * share))) for name, mine in found.items() if mine}
    bands = []
    for name, mine in chosen.items():
        bands.append(_headline(f"{name}   {len(mine)} of {len(found[name])} tracklets", columns))
        bands += [_row(site, tracklet, columns) for tracklet in mine]
    done, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(bands), cv2.COLOR_RGB2BGR))
    if not done:
        raise SiteError(f"{path} can't be written: the sheet is too large; ask for fewer --rows or --columns.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as part:
            part.write_bytes(png.tobytes())
    except OSError as error:
        raise SiteError(f"{path} can't be written ({error.strerror}): check the folder and the disk.") from error
    return Sheet(str(path), sum(map(len, chosen.values())), total)


def _spread(items: list[SegmentRecord], count: int) -> list[SegmentRecord]:
    return [items[round(k)] for k in np.linspace(0, len(items) - 1, min(count, len(items)))]


def _headline(text: str, columns: int) -> NDArray[np.uint8]:
    found = band(HEAD, columns)
    write(found, text, (6, HEAD - 11), INK, 17, 600)
    return found


def _row(site: Site, tracklet: SegmentRecord, columns: int) -> NDArray[np.uint8]:
    crops = site.crops(tracklet.id)
    chosen = np.linspace(0, len(crops) - 1, min(columns, len(crops))).round().astype(int)
    found = row([site.crop_jpeg(crops[at]) for at in chosen], columns)
    start, end = (datetime.fromtimestamp(t, UTC) for t in (tracklet.start, tracklet.end))
    times = f"{start:%H:%M:%S}.{start.microsecond // 100000} – {end:%H:%M:%S}.{end.microsecond // 100000}"
    write(found, f"tracklet {tracklet.id}", (6, 22), INK, 14, 500)
    write(found, f"track {tracklet.track}, {tracklet.length} boxes", (6, 42), FAINT, 13)
    write(found, f"{start:%Y-%m-%d}", (6, 66), FAINT, 13)
    write(found, times, (6, 84), FAINT, 13)
    write(found, f"ended by {tracklet.cut}", (6, 108), FAINT, 13)
    return found
