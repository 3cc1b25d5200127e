"""Detections read from MOTChallenge files: public detections, or those another detector wrote."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame
from trackers.detections import Detections
from trackers.motchallenge import CONFIDENCE, FRAME, HEIGHT, LEFT, TOP, WIDTH, MotFormatError, read_rows

log = logging.getLogger("sightline")

LOGIT_SPAN = 8.0  # raw scores beyond ±8 would all become the same float32 near 0 or 1


class MotDetector:
    """Answers what stands in a file for a frame's camera and number, without a look at the pictures.

    Boxes stay as they are in the file, which counts frames from 1.
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
        self._cameras: dict[str, tuple[NDArray[np.float64], Detections]] = {}

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `Detector.detect`.

        Raises:
            DetectorError: A camera has no detections, or they can't be read.
        """
        return [self._of(frame) for frame in frames]

    def _of(self, frame: Frame) -> Detections:
        if frame.camera not in self._cameras:
            self._cameras[frame.camera] = self._read(frame.camera)
        numbers, detections = self._cameras[frame.camera]
        first, last = np.searchsorted(numbers, [frame.index + 1, frame.index + 2])
        return detections.take(np.arange(first, last))

    def _read(self, camera: str) -> tuple[NDArray[np.float64], Detections]:
        """Frame numbers `(N,)`, ascending, and their detections."""
        file = self._file(camera)
        try:
            rows = read_rows(file)
        except MotFormatError as error:
            raise DetectorError(str(error)) from error
        except OSError as error:
            raise DetectorError(f"The detections {file} can't be read ({error.strerror}).") from error
        scores = unit_scores(rows[:, CONFIDENCE], file)
        keep = (scores >= self._score) & (rows[:, WIDTH] > 0) & (rows[:, HEIGHT] > 0)
        rows, scores = rows[keep], scores[keep]
        corner, side = rows[:, [LEFT, TOP]], rows[:, [WIDTH, HEIGHT]]
        boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
        return rows[:, FRAME], Detections(boxes, scores)

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


def unit_scores(raw: NDArray[np.float64], file: Path) -> NDArray[np.float32]:
    """Scores in 0..1, `(N,)`, in the order of the raw ones.

    Raw scores already in 0..1 stay. One same value outside it (-1) says nothing, and becomes 1. Others, as DPM's and
    ACF's, go through the logistic function. Before, a division brings the largest magnitude down to 8 where it is
    more. The rule sees the whole file, so a score means the same in every frame of a camera.

    Args:
        raw: `(N,)`.
        file: Names the file in errors and in the log.

    Raises:
        DetectorError: A score is not finite.
    """
    if len(raw) == 0 or (raw.min() >= 0 and raw.max() <= 1):
        return raw.astype(np.float32)
    if not np.isfinite(raw).all():
        raise DetectorError(f"{file} has a score that is not a finite number; correct that row.")
    if raw.min() == raw.max():
        return np.ones(len(raw), np.float32)
    scale = max(1.0, float(np.abs(raw).max()) / LOGIT_SPAN)
    log.info(
        "%s: scores from %.3g to %.3g are mapped to 0..1 by 1 / (1 + exp(-score / %.3g))",
        file,
        raw.min(),
        raw.max(),
        scale,
    )
    return (1 / (1 + np.exp(-raw / scale))).astype(np.float32)
