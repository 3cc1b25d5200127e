"""What people are followed with, in files and live: which frames are looked at, the site's encoder and its tracker."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.encoders.embed import embed_pictures
from app.encoders.versions import BASE, find, open_model
from app.engine.tracking import EmbedPictures
from app.footage import Camera
from app.record import Site
from deploy.detectors import Detector
from deploy.encoder import OpenEncoder
from trackers import TRACKERS


@dataclass(frozen=True, slots=True)
class Thinning:
    """Which frames are looked at: each `every`-th, or `fps` a second.

    Only those between `begin` and `end` are, in UTC seconds.
    """

    every: int = 1
    fps: float | None = None
    begin: float | None = None
    end: float | None = None


def looking(site: Site) -> EmbedPictures:
    """Embeds by the shipped model, which is opened when it is first asked.

    Whatever serves: trackers know its cosines, and footage that was interrupted goes on with those it had.
    """

    @cache
    def encoder() -> OpenEncoder:
        return open_model(site, find(site, BASE), threads=1)  # few crops at once, while others detect

    def embed(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        return embed_pictures(pictures, encoder())

    return embed


def tracker_of(site: Site) -> str:
    """The tracker of the footage that the site took in last, so that a site stays of one kind."""
    trackers = {footage.id: (footage.settings or {}).get("tracker") for footage in site.footage()}
    latest = max((number for number, tracker in trackers.items() if tracker is not None), default=None)
    return TRACKERS[0] if latest is None else str(trackers[latest])


def settings_of(
    camera: Camera,
    detector: Detector,
    tracker: str,
    person_class: str | None = None,
    thinning: Thinning = Thinning(),
) -> dict[str, Any]:
    """All that a camera's tracklets depend on besides its footage, as plain JSON values."""
    return {
        "detector": detector.name,
        "sha256": detector.sha256,
        **({} if person_class is None else {"person_class": person_class}),
        "tracker": tracker,
        **dataclasses.asdict(thinning),
        "mask": [[list(point) for point in polygon] for polygon in camera.mask],
        "min_height": camera.min_height,
    }
