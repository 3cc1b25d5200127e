"""Whether browsers play a film as it is, and how a moment stands in it for them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.container import AV_TIME_BASE, open_container
from app.footage.decode import open_footage
from app.footage.discover import Footage

MP4, WEBM = "video/mp4", "video/webm"
SLACK = 0.025  # s by which a browser's clock may differ from ours: less than a frame
_CODECS = {MP4: {"h264", "vp9", "av1"}, WEBM: {"vp8", "vp9", "av1"}}
_PIXELS = {"yuv420p", "yuvj420p"}  # 8 bits a channel, 4:2:0. Others are decoded by few browsers
_EBML, _HEAD = b"\x1aE\xdf\xa3", 64  # how Matroska begins, and within how many bytes it says that it is WebM


@dataclass(frozen=True, slots=True)
class Played:
    """A moment of a film as a browser plays it."""

    width: int  # px of the pictures that boxes are on, upright and square
    height: int
    begin: float  # s on the film's own clock, of the moment's first frame


def browsers_type(path: Path) -> str | None:
    """The media type of a file of a kind that browsers know, by its first bytes. None for others.

    Raises OSError where it can't be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[4:8] == b"ftyp":
        return MP4
    return WEBM if head.startswith(_EBML) and b"webm" in head else None


def played(footage: Footage, begin: float) -> Played | None:
    """How browsers play a film from a time on, UTC seconds. None where they do not, or by another clock than ours.

    It decodes one frame, in a process of its own. Raises FootageError where the film can't be read.
    """
    with Worker() as worker:
        shown: Played | None = worker.call(footage.path, footage.size, _played, footage, begin)
    return shown


def _played(footage: Footage, begin: float) -> Played | None:
    """What the process does."""
    media_type = browsers_type(footage.path)
    if media_type is None:
        return None
    container, stream = open_container(footage.path)
    with container:
        context = stream.codec_context
        if context.codec.canonical_name not in _CODECS[media_type] or context.pix_fmt not in _PIXELS:
            return None
        if len(container.streams.video) > 1 or abs(container.start_time or 0) > SLACK * AV_TIME_BASE:
            return None  # browsers differ in which stream they show, and in where a late clock begins
        time_base = Fraction(stream.time_base or Fraction(1, AV_TIME_BASE))
    with open_footage(footage, begin=begin) as frames:
        frame = next(frames, None)
        place = frames.resume_point()
    if frame is None or place is None or place.pts is None:
        raise FootageError(f"The footage {footage.name} of {footage.camera} shows nothing at that time any more.")
    since = frame.time - footage.start
    if abs(float(place.pts * time_base) - since) > SLACK:
        return None  # its clock jumps: ours goes on, and theirs does not
    height, width = frame.image.shape[:2]
    return Played(width, height, since)
