"""A query's view, for the tests of how it is drawn: five matches of two identities and a stranger."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from app.search.matches import Finding, Match, QueryView

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
    trajectory: int | None = None,
    identity: int | None = None,
    crops: int = 3,
    is_sighting: bool = False,
) -> Match:
    pictures = [jpeg(10 * k + 5) for k in range(crops)]
    return Match(
        tracklet=tracklet,
        is_sighting=is_sighting,
        camera=camera,
        start=NOON + at,
        end=NOON + at + lasts,
        similarity=0.5,
        probability=probability,
        trajectory=trajectory,
        identity=identity,
        crops=pictures,
    )


MATCHES = (
    match(1, 0.93, camera="hall", at=0, trajectory=11, identity=4),
    match(2, 0.81, camera="street", at=60, trajectory=12, identity=4),
    match(3, 0.44, camera="hall", at=300, trajectory=13, identity=9),
    match(4, 0.31, camera="hall", at=14, lasts=6, trajectory=11, identity=4),
    match(5, 0.02, camera="plaza", at=90),
)


def view(**changes: object) -> QueryView:
    still = np.full((120, 160, 3), 90, np.uint8)
    still[20:100, 60:90] = (200, 40, 40)
    base = QueryView(
        site="station",
        model="base 1.0",
        asked_at=NOON + 999,
        still=still,
        box=(60.0, 20.0, 90.0, 100.0),
        filters={"Cameras": "hall, street"},
        matches=MATCHES,
        finding=Finding.SEEN,
        verdict="Two cameras saw this person.",
        gallery=1234,
    )
    return replace(base, **changes)  # type: ignore[arg-type]
