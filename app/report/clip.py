"""Clips of footage, cut when they are asked for: in memory, and H.264, which browsers play."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from app.errors import FootageError
from app.footage import Footage, open_footage
from app.footage.shrunk import shrunk
from app.record.films import film_of
from app.record.rows import FootageRecord
from deploy.detectors import Frame

Picture = NDArray[np.uint8]
Drawing = Callable[[Iterator[Frame]], Iterable[tuple[float, Picture]]]
SIDE = 960  # px of the longer side, at most
_TICKS = 1000  # a second
_HEAD = "262144"  # bytes kept for the index before the frames, so that playing begins at once


def cut_clip(record: FootageRecord, begin: float, end: float, draw: Drawing, *, fps: float | None = None) -> bytes:
    """An MP4 of what footage shows from `begin` to before `end`, UTC seconds.

    Args:
        record: the footage.
        begin: of the first frame, or just before it.
        end: after the last frame.
        draw: makes times and pictures of the frames, as `fitted` sizes them.
        fps: thins the frames to so many a second at most.

    Raises:
        FootageError: the footage is not where it was, can't be read, or shows nothing at that time.
    """
    clip = io.BytesIO()
    with (
        open_footage(filmed(record, (begin + end) / 2), begin=begin, end=end, fps=fps) as frames,
        av.open(clip, "w", format="mp4", options={"moov_size": _HEAD}) as movie,
    ):
        stream, last = None, -1
        for time, picture in draw(frames):
            if stream is None:
                stream = movie.add_stream("libx264", rate=25, options={"crf": "26", "preset": "veryfast"})
                stream.width, stream.height, stream.pix_fmt = picture.shape[1], picture.shape[0], "yuv420p"
                stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS)
                first_time = time
            image = av.VideoFrame.from_ndarray(picture, format="rgb24")
            last = max(last + 1, round((time - first_time) * _TICKS))
            image.pts, image.time_base = last, Fraction(1, _TICKS)
            movie.mux(stream.encode(image))
        if stream is None:
            raise shows_nothing(record)
        movie.mux(stream.encode())
    return clip.getvalue()


def filmed(record: FootageRecord, time: float) -> Footage:
    """Footage to open for a time, UTC seconds. Raises FootageError where it is not where it was ingested from."""
    film = film_of(record, time)
    if film is None and record.start_source == "camera":
        raise FootageError(f"No recording of {record.camera} shows this: it is not recorded, or was not kept so long.")
    if film is None:
        raise FootageError(
            f"The footage {record.name} of {record.camera} is not where it was ingested from: put it back, or start "
            "the server in the folder that `app.ingest` ran in."
        )
    return film


def shows_nothing(record: FootageRecord) -> FootageError:
    """That there is no frame where there was somebody."""
    return FootageError(f"The footage {record.name} of {record.camera} shows nothing at that time any more.")


def fitted(image: Picture) -> tuple[Picture, float]:
    """A frame as a clip has it, smaller and of even sides, to draw on, and by how much it shrank."""
    smaller, scale = shrunk(image, SIDE)
    height, width = (side // 2 * 2 for side in smaller.shape[:2])
    return np.ascontiguousarray(smaller[:height, :width]), scale
