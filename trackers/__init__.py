"""Boxes over time, with NumPy, lap and filterpy. This floor knows no video and no torch."""

from __future__ import annotations

from typing import Any

from trackers.tracked import Tracked, Tracker

__all__ = ["TRACKERS", "Tracked", "Tracker", "make_tracker"]

TRACKERS = ("appearance", "bytetrack", "ocsort", "sort")  # the first is the default


def make_tracker(name: str, **options: Any) -> Tracker:
    """A new tracker for one camera.

    Args:
        name: One of `TRACKERS`.
        options: The keyword arguments of the tracker's class.

    Raises:
        ValueError: There is no tracker of that name.
    """
    # Imported on demand: filterpy, which only `sort` needs, loads SciPy and takes a second.
    if name == "bytetrack":
        from trackers.bytetrack import ByteTrack

        return ByteTrack(**options)
    if name == "ocsort":
        from trackers.ocsort import OCSort

        return OCSort(**options)
    if name == "sort":
        from trackers.sort import Sort

        return Sort(**options)
    if name == "appearance":
        from trackers.appearance import AppearanceTracker

        return AppearanceTracker(**options)
    raise ValueError(f"unknown tracker {name!r}: choose one of {', '.join(TRACKERS)}")
