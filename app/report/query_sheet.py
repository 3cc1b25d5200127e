"""What a query found, as a contact sheet: the person asked for, then a row a match. Only its owner may read it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from app.engine.crops import as_jpeg
from app.errors import SiteError
from app.record.private_files import write_private
from app.report.sheet import CELL, FAINT, GAP, HEAD, INK, LABEL, band, cell, row, write_within
from app.search.matches import CROPS, STILL_QUALITY, Finding, Match, QueryView, groups, percent


def write_sheet(view: QueryView, path: Path) -> None:
    """Writes a PNG, readable by its owner only: the person asked for, then a row a match, by identity.

    Raises:
        SiteError: the PNG can't be written.
    """
    top = band(CELL[1] + 2 * GAP, CROPS)
    top[GAP : GAP + CELL[1], GAP : GAP + CELL[0]] = cell(as_jpeg(view.person, STILL_QUALITY))
    right = top.shape[1] - 6
    best = percent(view.matches[0].probability) if view.matches else "–"
    lacking = "".join(f"; {remark.what}" for remark in view.remarks)
    lines = [
        (view.headline, 19, 700, INK if view.finding == Finding.SEEN else (168, 84, 0)),
        (f"best match {best}, of {view.gallery:,} compared{lacking}", 14, 400, INK),
        (f"site {view.site}, model {view.model}", 13, 400, FAINT),
        (f"asked {datetime.fromtimestamp(view.asked_at, UTC):%Y-%m-%dT%H:%M:%SZ}", 13, 400, FAINT),
        ("A hint for a person to check, never proof.", 13, 400, FAINT),
    ]
    for k, (text, size, weight, colour) in enumerate(lines):
        write_within(top, text, (CELL[0] + 18, 26 + 24 * k), right, colour, size, weight)
    bands = [top]
    for identity in groups(view.matches):
        headline = band(HEAD, CROPS)
        text = f"{identity.name}   up to {percent(identity.probability)}"
        write_within(headline, text, (6, HEAD - 11), right, INK, 17, 600)
        bands += [headline, *map(_row, identity.matches)]
    done, png = cv2.imencode(".png", cv2.cvtColor(np.concatenate(bands), cv2.COLOR_RGB2BGR))
    if not done:
        raise SiteError(f"{path} can't be written: the sheet is too large; ask for fewer matches.")
    write_private(path, png.tobytes())


def _row(match: Match) -> NDArray[np.uint8]:
    drawn = row(match.pictures, CROPS)
    start, end = (datetime.fromtimestamp(t, UTC) for t in (match.start, match.end))
    for text, y, size, weight, colour in (
        (f"{percent(match.probability)}   {match.camera}", 22, 15, 600, INK),
        (match.name, 44, 13, 400, FAINT),
        (f"similarity {match.similarity:.2f}", 62, 13, 400, FAINT),
        (f"{start:%Y-%m-%d}", 84, 13, 400, FAINT),
        (f"{start:%H:%M:%S} – {end:%H:%M:%S} UTC", 102, 13, 400, FAINT),
    ):
        write_within(drawn, text, (6, y), LABEL - 6, colour, size, weight)
    return drawn
