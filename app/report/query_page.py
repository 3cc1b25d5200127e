"""What a query found, for people to look at: one HTML page that needs nothing but itself.

The page holds no script and asks for nothing. Pictures are in it, and its Content-Security-Policy forbids the rest.
It shows people, so only its owner may read it. It is written whole or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.engine.crops import as_jpeg
from app.footage.shrunk import shrunk
from app.record.private_files import write_private
from app.report.outlined import outline
from app.report.pages import render
from app.report.timeline import lay_out
from app.search.matches import STILL_QUALITY, Finding, QueryView, groups, journey

_STILL_SIDE = 960  # px the picture's longer side has at most
_CROP_SIDE = 480  # px of the person cut from it
_SMALL_SIDE = 360  # px. A still below this that is the person is shown larger than it is


def write_report(view: QueryView, path: Path) -> None:
    """Writes one self-contained HTML page, readable by its owner only. Raises SiteError where it can't."""
    write_private(path, render("query.html", **values_of(view)).encode("utf-8"))


def values_of(view: QueryView) -> dict[str, Any]:
    """What the template `answer.html` names."""
    identities = groups(view.matches)
    joined = view.finding != Finding.UNSEEN and identities and identities[0].number is not None
    person = None if view.box is None else as_jpeg(shrunk(view.person, _CROP_SIDE)[0], STILL_QUALITY)
    return {
        "view": view,
        "identities": identities,
        "stops": journey(identities[0].matches) if joined else [],
        "timeline": lay_out(view.matches) if view.matches else None,
        "still": as_jpeg(_with_box(view), STILL_QUALITY),
        "still_is_small": max(view.still.shape[:2]) < _SMALL_SIDE,
        "person": person,
        "actions": None,
    }


def _with_box(view: QueryView) -> NDArray[np.uint8]:
    """The still, smaller, with the person's box."""
    pixels, scale = shrunk(view.still, _STILL_SIDE)
    if view.box is None:
        return pixels
    pixels = pixels.copy()
    outline(pixels, [edge * scale for edge in view.box])
    return pixels
