"""What an ingest would take: which files become which camera's, from when to when, and by what that is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.camera_starts import OVERLAP, facts_of
from app.footage.discover import Camera, Survey
from app.remarks import CERTAINTY, Remark
from reid.foreign import readable


@dataclass(frozen=True, slots=True)
class PlannedFootage:
    """One piece of footage."""

    file: str  # below the folder of footage
    start: str  # ISO 8601, UTC
    start_source: str
    certainty: str  # of the start
    seconds: float | None  # None where the file does not tell


@dataclass(frozen=True, slots=True)
class PlannedCamera:
    """A camera and its footage in the order of time."""

    camera: str
    footage: list[PlannedFootage]


@dataclass(frozen=True, slots=True)
class Plan:
    """What an ingest would take."""

    cameras: list[PlannedCamera]
    left_out: list[Remark]
    remarks: list[Remark]


def plan(videos: Path, survey: Survey) -> Plan:
    """Opens all that was found in `videos`, for its length. Footage that can't be opened is left out by ingest, too."""
    root = videos if videos.is_dir() else videos.parent
    unreadable = overlaps = 0
    cameras = []
    with Worker() as worker:
        for camera in survey.cameras:
            planned = []
            lengths: list[float | None] = []
            for footage in camera.footage:
                try:
                    lengths.append(facts_of(footage.path, worker).length)
                except FootageError:
                    lengths.append(None)
                    unreadable += 1
                name = readable(footage.path.relative_to(root).as_posix() if footage.path != root else root.name)
                start = datetime.fromtimestamp(footage.start, UTC).isoformat()
                planned.append(
                    PlannedFootage(
                        name, start, footage.start_source, CERTAINTY[footage.start_source], _rounded(lengths[-1])
                    )
                )
            cameras.append(PlannedCamera(camera.name, planned))
            overlaps += _overlaps(camera, lengths)
    remarks, left_out = list(survey.remarks), list(survey.left_out)
    if unreadable:
        left_out.append(Remark("files that can't be opened", unreadable, "Ingest says of each why."))
    if overlaps:
        why = "A moment that two files of one camera show is taken once, where names or --start tell their times."
        remarks.append(Remark("files that begin before the one before them ends", overlaps, why))
    return Plan(cameras, left_out, remarks)


def _overlaps(camera: Camera, lengths: list[float | None]) -> int:
    """How many pieces begin while an earlier one still runs."""
    count, until = 0, -float("inf")
    for footage, length in zip(camera.footage, lengths, strict=True):
        count += footage.start < until - OVERLAP
        until = max(until, footage.start + (length or 0.0))
    return count


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
