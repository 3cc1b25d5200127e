"""What a query found, for the tests of how it is shown: five matches of two identities and a stranger."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from app.search.matches import Match, QueryView

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


def jpeg(shade: int) -> bytes:
    return cv2.imencode(".jpg", np.full((40, 20, 3), shade, np.uint8))[1].tobytes()


def match(
    tracklet: int,
    probability: float,
    *,
    camera: str = "hall",
    at: float = 0.0,
    lasts: float = 10.0,
    way: int | None = None,
    person: int | None = None,
    crops: int = 3,
) -> Match:
    pictures = [jpeg(10 * k + 5) for k in range(crops)]
    return Match(tracklet, camera, NOON + at, NOON + at + lasts, 0.5, probability, way, person, pictures)


MATCHES = (
    match(1, 0.93, camera="hall", at=0, way=11, person=4),
    match(2, 0.81, camera="street", at=60, way=12, person=4),
    match(3, 0.44, camera="hall", at=300, way=13, person=9),
    match(4, 0.31, camera="hall", at=14, lasts=6, way=11, person=4),
    match(5, 0.02, camera="plaza", at=90),
)


def view(**changes: object) -> QueryView:
    still = np.full((120, 160, 3), 90, np.uint8)
    still[20:100, 60:90] = (200, 40, 40)
    base = QueryView(
        *("station", "base 1.0", NOON + 999, still, (60.0, 20.0, 90.0, 100.0), {"Cameras": "hall, street"}),
        *(MATCHES, True, "Two cameras saw this person.", 1234),
    )
    return replace(base, **changes)  # type: ignore[arg-type]
