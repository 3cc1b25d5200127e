"""The moment of a tracklet: its footage from shortly before to shortly after, with the person's box drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from app.record import Site
from app.record.rows import SegmentRecord
from app.report.clip import Picture, cut_clip, fitted
from app.report.outlined import outline
from deploy.detectors import Frame

BEFORE, AFTER = 3.0, 2.0  # s
LONGEST = 30.0  # s of a clip
ROUNDING = 1e-3  # s, of containers' stamps
_NEAR = 0.5  # s from a box to a frame that still shows it


def cut_moment(site: Site, piece: SegmentRecord) -> bytes:
    """An MP4 of a tracklet's moment. Raises FootageError where its footage is not where it was, or can't be read."""
    boxes = site.boxes(piece.id)
    begin = piece.start - BEFORE

    def drawn(frames: Iterator[Frame]) -> Iterator[tuple[float, Picture]]:
        for frame in frames:
            picture, scale = fitted(frame.image)
            nearest = int(np.abs(boxes.times - frame.time).argmin())
            inside = boxes.times[0] - ROUNDING <= frame.time <= boxes.times[-1] + ROUNDING
            if inside and abs(boxes.times[nearest] - frame.time) <= _NEAR:
                outline(picture, (boxes.boxes[nearest] * scale).tolist())
            yield frame.time, picture

    end = min(piece.end + AFTER, begin + LONGEST)
    return cut_clip(site.footage_record(piece.footage_id), begin, end, drawn)
