"""Detections read from MOTChallenge files: public detections, or those another detector wrote."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame
from trackers.detections import Detections
from trackers.motchallenge import (
    BOX,
    CONFIDENCE,
    FRAME,
    HEIGHT,
    WIDTH,
    MotFormatError,
    Note,
    Rows,
    Tell,
    in_shares,
    read_rows,
)

log = logging.getLogger("sightline")

LOGIT_SPAN = 8.0  # raw scores beyond ±8 would all become the same float32 near 0 or 1
PERCENT = (10.0, 100.0)  # the largest score lies between these where scores are percents, and none is negative
LEAVES = 0.1  # of its side, by which a box that is meant to be in the picture reaches out of it at most
WRONG, RIGHT = 0.2, 0.01  # share of boxes that leave the picture, as a layout that is wrong and one that is right
ASTRAY = 0.05  # share of boxes that lie outside the picture, from which on it is told. People who leave are fewer


class _Camera(NamedTuple):
    """What the file of one camera says."""

    numbers: NDArray[np.float64]  # (N,) frames from 1, ascending
    detections: Detections  # N
    frames: NDArray[np.float64]  # of all rows, ascending
    notes: list[Note]


class MotDetector:
    """Answers what stands in a file for a frame's camera and number. Of the pictures it looks at the size alone.

    Boxes stay as they are in the file. Shares of the picture become pixels.
    """

    def __init__(self, path: Path, *, score: float = 0.1) -> None:
        """A detector that has read nothing yet.

        Args:
            path: One text file, which serves one camera only, or a folder with `<camera>/det/det.txt` or
                `<camera>.txt`.
            score: The lowest score kept.

        Raises:
            DetectorError: There is nothing at `path`.
        """
        if not path.exists():
            raise DetectorError(
                f"There are no detections at {path}; give mot:FILE, or mot:FOLDER with <camera>/det/det.txt."
            )
        self.name = f"mot:{path}"
        self.batch, self.calls = 8, 1
        files = [path] if path.is_file() else sorted([*path.glob("*.txt"), *path.glob("*/det/det.txt")])
        try:
            self.sha256: str | None = hashlib.sha256(
                b"".join(file.read_bytes() for file in files)
            ).hexdigest()  # of all, in this order
        except OSError as error:
            raise DetectorError(f"The detections {error.filename} can't be read ({error.strerror}).") from error
        self._path, self._score = path, score
        self._files, self._cameras = files, dict[str, _Camera]()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`.

        Raises:
            DetectorError: A camera has no detections, or they can't be read.
        """
        return [self._of(frame) for frame in frames]

    def notes(self, camera: str, frames: int | None = None) -> list[Note]:
        """What its file holds that was taken for something, or that contradicts the camera's footage.

        Args:
            camera: one that had a frame detected. Another has no notes.
            frames: how many its footage has, where that is known.
        """
        if camera not in self._cameras:
            return []
        _, _, numbers, notes = self._cameras[camera]
        beyond = 0 if frames is None else len(numbers) - int(np.searchsorted(numbers, frames, side="right"))
        if not beyond:
            return notes
        return [
            *notes,
            Note(
                "detections beyond the end of the footage",
                beyond,
                f"They are of frames up to {numbers[-1]:.0f}, and the footage has {frames}, so nobody saw them: check "
                "that they are of this footage, and number its frames from 1.",
            ),
        ]

    def _of(self, frame: Frame) -> Detections:
        if frame.camera not in self._cameras:
            self._cameras[frame.camera] = self._read(frame.camera, frame.image.shape)
        numbers, detections, _, _ = self._cameras[frame.camera]
        first, last = np.searchsorted(numbers, [frame.index + 1, frame.index + 2])
        return detections.take(np.arange(first, last))

    def _read(self, camera: str, shape: tuple[int, ...]) -> _Camera:
        file, notes = self._file(camera), list[Note]()

        def tell(note: Note) -> None:
            log.warning("%s: %s", file, note.why)
            notes.append(note)

        try:
            rows = read_rows(file, tell, beside=self._files, shares=True)
        except MotFormatError as error:
            raise DetectorError(str(error)) from error
        except OSError as error:
            raise DetectorError(f"The detections {file} can't be read ({error.strerror}).") from error
        frames = rows[:, FRAME].copy()
        rows = _placed(rows, (shape[1], shape[0]), file, tell)
        scores = unit_scores(rows[:, CONFIDENCE], file, tell)
        keep = scores >= self._score
        return _Camera(rows[keep, FRAME], Detections(_corners(rows[keep]), scores[keep]), frames, notes)

    def _file(self, camera: str) -> Path:
        if self._path.is_file():
            if self._cameras and camera not in self._cameras:
                raise DetectorError(
                    f"{self._path} holds one camera's detections and already serves {next(iter(self._cameras))}; for "
                    f"{camera} too, give mot:FOLDER with a <camera>/det/det.txt each."
                )
            return self._path
        root = self._path.resolve()
        for file in (root / camera / "det" / "det.txt", root / f"{camera}.txt"):
            if file.resolve().is_relative_to(root) and file.is_file():  # a camera named '../x' reads nothing outside
                return file
        raise DetectorError(
            f"{self._path} has no detections of camera {camera}; add {camera}/det/det.txt or {camera}.txt."
        )


def _placed(rows: Rows, size: tuple[int, int], file: Path, tell: Tell) -> Rows:
    """Rows whose boxes are pixels of a picture of this width and height, without those that have no area.

    Raises:
        DetectorError: The boxes fit the picture in another layout only.
    """
    sides = np.array([*size, *size], np.float64)
    if in_shares(rows):
        rows = rows.copy()
        rows[:, BOX] *= sides
        why = f"They are shares of the picture, and were multiplied by its {size[0]} × {size[1]} pixels."
        tell(Note("boxes from 0 to 1", len(rows), why))
    flat = (rows[:, WIDTH] <= 0) | (rows[:, HEIGHT] <= 0)
    if flat.any():
        tell(Note("boxes without width or height", int(flat.sum()), "They were left out: correct or remove them."))
        rows = rows[~flat]
    if not len(rows):
        return rows
    corner, third = rows[:, BOX][:, :2], rows[:, BOX][:, 2:]
    if _leaving(corner, corner + third, size) >= WRONG:
        for layout, first, second in (
            ("x1, y1, x2, y2", corner, third),
            ("the middle, width and height", corner - third / 2, corner + third / 2),
        ):
            if (second > first).all() and _leaving(first, second, size) <= RIGHT:
                raise DetectorError(
                    f"{file} has boxes that fit the picture of {size[0]} × {size[1]} pixels as {layout} only: write "
                    "them as left, top, width, height."
                )
    boxes = _corners(rows)
    inside = np.clip(boxes[:, 2:], 0, size) - np.clip(boxes[:, :2], 0, size)
    astray = inside.prod(axis=1) < 0.5 * (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    if astray.mean() >= ASTRAY:
        why = (
            f"More than half of each is outside of the picture of {size[0]} × {size[1]} pixels: check that they were "
            "made for footage of this size, as left, top, width, height in pixels."
        )
        tell(Note("boxes outside the picture", int(astray.sum()), why))
    elif boxes[:, 2:].max() <= 100 < min(size) / 2:
        why = "They were taken as pixels, which would all lie in one corner: multiply them where they are percents."
        tell(Note("boxes that may be percents", len(rows), why))
    return rows


def _corners(rows: Rows) -> NDArray[np.float32]:
    """Boxes `(N, 4)` as `x1 y1 x2 y2`, rounded once."""
    boxes = rows[:, BOX].copy()
    boxes[:, 2:] += boxes[:, :2]
    return boxes.astype(np.float32)


def _leaving(first: NDArray[np.float64], second: NDArray[np.float64], size: tuple[int, int]) -> float:
    """The share of boxes, given by their corners `(N, 2)`, that reach far out of a picture."""
    slack = LEAVES * (second - first)
    return float(((first < -slack) | (second > size + slack)).any(axis=1).mean())


def unit_scores(raw: NDArray[np.float64], file: Path, tell: Tell) -> NDArray[np.float32]:
    """Scores in 0..1, `(N,)`, in the order of the raw ones.

    Raw scores already in 0..1 stay. Those from 0 to 100 are percents. One same value elsewhere (-1) says nothing, and
    becomes 1. Others, as DPM's and ACF's, go through the logistic function. Before, a division brings the largest
    magnitude down to 8 where it is more. The rule sees the whole file, so a score means the same in every frame of a
    camera.

    Args:
        raw: `(N,)`.
        file: Names the file in errors.
        tell: Hears what was made of scores that are not in 0..1.

    Raises:
        DetectorError: A score is not finite.
    """
    if len(raw) == 0 or (raw.min() >= 0 and raw.max() <= 1):
        return raw.astype(np.float32)
    if not np.isfinite(raw).all():
        raise DetectorError(f"{file} has a score that is not a finite number; correct that row.")
    span = f"They go from {raw.min():.3g} to {raw.max():.3g}"
    if raw.min() >= 0 and PERCENT[0] < raw.max() <= PERCENT[1]:
        tell(Note("scores in percent", len(raw), f"{span}, and were divided by 100."))
        return (raw / 100).astype(np.float32)
    if raw.min() == raw.max():
        return np.ones(len(raw), np.float32)
    scale = max(1.0, float(np.abs(raw).max()) / LOGIT_SPAN)
    why = f"{span}, and were mapped to 0 to 1 by 1 / (1 + exp(-score / {scale:.3g}))."
    tell(Note("scores outside 0 to 1", len(raw), why))
    return (1 / (1 + np.exp(-raw / scale))).astype(np.float32)
