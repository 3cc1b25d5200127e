"""The moment of a tracklet: its footage from shortly before to shortly after, with the person's box drawn.

The clip is cut when it is asked for, in memory, and H.264, which browsers play. Footage that left its place has none.
"""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage import Footage, open_footage
from app.record import Site
from app.record.boxes import footage_of
from app.record.rows import Boxes, SegmentRecord
from app.report.outlined import outline, shrunk
from deploy.detectors import Frame

BEFORE, AFTER = 3.0, 2.0  # s
LONGEST = 30.0  # s of a clip
SIDE = 960  # px of the longer side, at most
ROUNDING = 1e-3  # s, of containers' stamps
_TICKS = 1000  # a second
_HEAD = "262144"  # bytes kept for the index before the frames, so that playing begins at once
_NEAR = 0.5  # s from a box to a frame that still shows it


def filmed(site: Site, piece: SegmentRecord) -> Footage:
    """The footage of a tracklet. Raises FootageError where it is not where it was."""
    record = site.footage_record(piece.footage_id)
    if not record.path.exists():
        raise FootageError(
            f"The footage {record.name} of {record.camera} is not where it was ingested from: put it back, or start "
            "the server in the folder that `app.ingest` ran in."
        )
    return footage_of(record)


def cut_moment(site: Site, piece: SegmentRecord) -> bytes:
    """An MP4 of a tracklet's moment. Raises FootageError where its footage is not where it was, or can't be read."""
    footage = filmed(site, piece)
    boxes = site.boxes(piece.id)
    begin = piece.start - BEFORE
    end = min(piece.end + AFTER, begin + LONGEST)
    clip = io.BytesIO()
    with (
        open_footage(footage, begin=begin, end=end) as frames,
        av.open(clip, "w", format="mp4", options={"moov_size": _HEAD}) as movie,
    ):
        stream, last = None, -1
        for frame in frames:
            picture = _drawn(frame, boxes)
            if stream is None:
                stream = movie.add_stream("libx264", rate=25, options={"crf": "26", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
                first_time = frame.time
            image = av.VideoFrame.from_ndarray(picture, format="rgb24")
            last = max(last + 1, round((frame.time - first_time) * _TICKS))
            image.pts, image.time_base = last, Fraction(1, _TICKS)
            movie.mux(stream.encode(image))
        if stream is None:
            raise FootageError(f"The footage {footage.name} of {footage.camera} shows nothing at that time any more.")
        movie.mux(stream.encode())
    return clip.getvalue()


def _drawn(frame: Frame, boxes: Boxes) -> NDArray[np.uint8]:
    """The picture, smaller and of even sides, with the box that the frame has."""
    smaller, scale = shrunk(frame.image, SIDE)
    height, width = (side // 2 * 2 for side in smaller.shape[:2])
    picture = np.ascontiguousarray(smaller[:height, :width])
    nearest = int(np.abs(boxes.times - frame.time).argmin())
    inside = boxes.times[0] - ROUNDING <= frame.time <= boxes.times[-1] + ROUNDING
    if inside and abs(boxes.times[nearest] - frame.time) <= _NEAR:
        outline(picture, (boxes.boxes[nearest] * scale).tolist())
    return picture
