"""Drawings of matplotlib as SVG: the same drawing is the same bytes, and foreign text is text."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reid.foreign import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plain(name: str) -> str:
    """A name that matplotlib takes for text and not for a formula."""
    return visible(name).replace("$", r"\$")


def as_svg(figure: Figure) -> bytes:
    """A drawing's bytes."""
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "sightline", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
