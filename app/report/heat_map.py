"""A heat map over a camera's picture: where feet are, in person-seconds, and how long a person stays in a place."""

from __future__ import annotations

import io
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.footage.shrunk import shrunk
from app.movement.heat import LEAST_PEOPLE, Heat, heat
from app.record import Site
from app.record.private_files import write_private
from app.report.camera_picture import latest_picture
from app.report.pages import utc
from reid.foreign import file_names, visible
from reid.traceless import new_figure

SIDE = 960  # px of the picture below
_WIDTH, _DPI = 5.0, 190  # inches, and dots an inch
_VEIL = 0.45  # how much of the picture's light stays below the colours
_SOLID = 0.85  # how solid the colours are
_DARKEST = 0.2  # where the colour map begins: below, it does not show on a dark picture


class Shown(StrEnum):
    """What the colours are of."""

    seconds = "seconds"  # feet in each place
    stay = "stay"  # of a person in each place: where it is long, paths jam


_LABEL = {
    Shown.seconds: "person-seconds in a place",
    Shown.stay: f"mean seconds that a person stays in a place (of {LEAST_PEOPLE} people or more)",
}


def draw_heat_map(found: Heat, picture: NDArray[np.uint8] | None, shown: Shown = Shown.seconds) -> bytes:
    """A PNG. picture: of the camera, RGB. Raises ImportError where matplotlib is not installed."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap, PowerNorm

    values = np.where(found.seconds > 0, found.seconds, np.nan) if shown == Shown.seconds else found.stay
    rows, columns = values.shape
    ground = np.full((rows, columns, 3), 230, np.uint8)
    if picture is not None:
        smaller, _ = shrunk(picture, SIDE)
        grey = smaller.mean(-1, keepdims=True).repeat(3, -1)
        ground = (_VEIL * grey).astype(np.uint8)
    figure = new_figure(_WIDTH, _WIDTH * rows / columns + 1.1)
    axes = figure.subplots()
    extent = (0.0, 1.0, 1.0, 0.0)
    axes.imshow(ground, extent=extent, aspect=rows / columns)
    most = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    norm = PowerNorm(0.5, vmin=0, vmax=most)  # most places have little, and would all look alike
    colours = ListedColormap(colormaps["plasma"](np.linspace(_DARKEST, 1, 256)))  # as even to the eye as it is
    image = axes.imshow(values, extent=extent, aspect=rows / columns, cmap=colours, norm=norm, alpha=_SOLID)
    axes.set_xticks([])
    axes.set_yticks([])
    name = visible(found.camera).replace("$", r"\$")
    axes.set_title(
        f"{name}, {utc(found.start, '%Y-%m-%d %H:%M')} to {utc(found.end, '%Y-%m-%d %H:%M')} UTC", fontsize=10
    )
    figure.colorbar(image, ax=axes, orientation="horizontal", pad=0.04, aspect=40, label=_LABEL[shown])
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return file.getvalue()


def write_heat_maps(site: Site, folder: Path, begin: float, end: float, *, who: str) -> bool:
    """Writes `heat-CAMERA.png` and `jams-CAMERA.png` for their owner alone. Raises SiteError where it can't.

    Returns whether they could be drawn: they need matplotlib. Notes that `who` looked.
    """
    for camera, name in file_names(site.camera_names()).items():
        found, latest = heat(site, camera, begin, end, who=who), latest_picture(site, camera)
        picture = None if latest is None else latest.pixels
        try:
            drawn = {"heat": draw_heat_map(found, picture), "jams": draw_heat_map(found, picture, Shown.stay)}
        except ImportError:
            return False
        for kind, png in drawn.items():
            write_private(folder / f"{kind}-{name}.png", png)
    return True
