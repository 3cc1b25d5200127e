"""What is true in the films, as files: boxes with person ids, calibration, and who was where when.

There is no `seqinfo.ini` beside the boxes. To other programs it says that pictures lie there, and a folder of films
would have every camera twice. Frame rate, length and start stand in `calibration.json`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sample_videos.world.cameras import Camera, calibration
from sample_videos.world.renderer import Shot
from sample_videos.world.whole_file import whole_file

LEAST_VISIBILITY = 0.02  # less of a person is no row
PRESENT = 0.25  # visibility from which someone counts as seen
FRAME, PERSON, VISIBILITY, COLUMNS = 0, 1, 8, 9  # of the rows of boxes
PRESENCE_COLUMNS = ("person", "camera", "first", "last", "frames")


@dataclass(frozen=True)
class FilmTimes:
    """When a film's frames were taken."""

    start: datetime  # of frame 1
    fps: int
    frames: int

    def of(self, frame: int) -> datetime:
        """UTC, of a frame counted from 1."""
        return self.start + timedelta(seconds=(frame - 1) / self.fps)


def box_rows(frame: int, people: Sequence[int], shot: Shot) -> list[tuple[float, ...]]:
    """A frame's rows for whoever can be seen. Boxes hold the whole silhouette as far as it is inside the frame.

    Args:
        frame: Counted from 1.
        people: Numbers of the shot's actors.
        shot: The rendered frame.

    Returns:
        Frame, person, left, top, width, height, 1, 1 and visibility, in order of person.
    """
    rows = []
    for person, (left, top, right, bottom), visibility in zip(people, shot.boxes, shot.visibility, strict=True):
        if visibility > LEAST_VISIBILITY:
            rows.append((frame, person, left, top, right - left, bottom - top, 1, 1, visibility))
    return sorted(rows)


def write_boxes(folder: Path, camera: str, rows: Iterable[tuple[float, ...]]) -> None:
    """Writes `folder/<camera>/gt/gt.txt` in MOTChallenge's columns."""
    lines = ("{:.0f},{:.0f},{:.1f},{:.1f},{:.1f},{:.1f},{},{},{:.3f}\n".format(*row) for row in rows)
    _write(folder / camera / "gt" / "gt.txt", "".join(lines))


def write_calibration(folder: Path, name: str, camera: Camera, times: FilmTimes) -> None:
    """Writes `folder/<camera>/calibration.json`: K, R, t, k1, size, and when the frames were taken."""
    content = {**calibration(camera), "fps": times.fps, "frames": times.frames, "start": times.start.isoformat()}
    _write(folder / name / "calibration.json", json.dumps(content, indent=1) + "\n")


def read_boxes(folder: Path, camera: str) -> NDArray[np.float64]:
    """(N, 9) what `write_boxes` wrote."""
    text = (folder / camera / "gt" / "gt.txt").read_text(encoding="utf-8")
    rows = [[float(value) for value in line.split(",")] for line in text.splitlines()]
    return np.array(rows, np.float64).reshape(-1, COLUMNS)


def write_presence(folder: Path, films: dict[str, FilmTimes]) -> None:
    """Writes `folder/presence.csv` from the boxes of all cameras: who was seen where, from when to when (UTC)."""
    table = []
    for camera, times in films.items():
        rows = read_boxes(folder, camera)
        rows = rows[rows[:, VISIBILITY] > PRESENT]
        for person in np.unique(rows[:, PERSON]).astype(int).tolist():
            frames = rows[rows[:, PERSON] == person, FRAME].astype(int)
            first, last = times.of(int(frames.min())), times.of(int(frames.max()))
            table.append((person, camera, _stamp(first), _stamp(last), len(frames)))
    with whole_file(folder / "presence.csv") as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(PRESENCE_COLUMNS)
        writer.writerows(sorted(table))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
