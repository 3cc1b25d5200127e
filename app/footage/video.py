"""The pictures of one video file, in presentation order, from the start or from any frame met before."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from functools import cached_property, partial
from pathlib import Path

import av
import av.logging
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from app.errors import FootageError
from app.footage.clock import Clock
from app.footage.container import (
    AV_TIME_BASE,
    announced_end,
    clock_origin,
    frame_rate,
    left_out_streams,
    length_of,
    open_container,
)
from app.footage.mp4_boxes import recordings
from app.footage.picture import ALMOST, Image, Picture, Resume, checksum
from app.footage.rgb import Rgb
from app.remarks import Remark

UNREADABLE = "packets could not be decoded"
DAMAGED = "frames are damaged"
# Complaints of decoders about streams that decode well. Some cameras cause them with every group of pictures.
HARMLESS = ("mmco:", "co located POCs", "number of reference frames", "reference picture missing during reorder")
SEEK_WORTH = 20  # seconds of footage. Decoding less than this is quicker than finding one's way
SEEK_BACK = (0, 10, 30)  # seconds. Transport streams have no index, and seeking may end behind the last keyframe
REORDER = 32  # frames. No codec shows a frame later than 16 frames after one with a later stamp
PACKET_SIZES = (188, 192, 204)  # bytes of an MPEG transport stream packet: plain, with time code, with error correction
STUCK = 64  # read errors in a row after which the rest of a file is given up
POSITIONS = 64  # packets whose place is remembered. Decoders hold back at most 16


class Video:
    """A video file. `problems` and `remarks` grow while `pictures` is iterated and are complete when that ends."""

    def __init__(self, path: Path) -> None:
        """Opens the file's largest stream. Raises FootageError where it can't be opened as video at all."""
        self.path = path
        self._ended_early: list[str] = []
        self._goes_on = False
        self._interlaced = self._reshaped = 0
        self._open()
        self.rate = frame_rate(self._stream)
        self._clock = self._new_clock()
        context = self._stream.codec_context
        # What the header says, before anything is decoded: the same however the file is entered later.
        self._stored = (context.width, context.height) if context.width and context.height else None
        pixel_ratio = self._stream.sample_aspect_ratio
        self._rgb = Rgb(self._stored, pixel_ratio)
        self._of_header = left_out_streams(self.path, self._container, self._stream)
        if self._rgb.size != self._stored:
            self._of_header.append(
                Remark(
                    "files with pixels that are not square",
                    1,
                    "Pictures were stretched to square pixels, so that people keep their shape. Boxes and masks are in "
                    "pixels of the stretched picture.",
                )
            )
        elif pixel_ratio and abs(pixel_ratio - 1) >= ALMOST:
            self._of_header.append(
                Remark(
                    "files with a shape of pixels that can't be meant",
                    1,
                    "Their pixels were taken as square. Export them anew if people look too wide or too thin.",
                )
            )

    def _open(self) -> None:
        self._container: InputContainer
        self._stream: VideoStream
        self._container, self._stream = open_container(self.path)
        self._positions: dict[int, int] = {}
        self._origin = clock_origin(self._container)
        self._time_base = Fraction(self._stream.time_base or Fraction(1, AV_TIME_BASE))
        self._reached: Fraction | None = None
        self._forget_trouble()

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    @cached_property
    def length(self) -> float | None:
        """Seconds, as announced or estimated, or counted where the clock jumps."""
        return length_of(self._container, self._stream)

    @property
    def frames(self) -> int | None:
        """How many frames there should be. None when unknown."""
        return self._stream.frames or (round(self.length * self.rate) if self.length else None)

    @property
    def problems(self) -> list[str]:
        """One sentence for each kind of damage met so far."""
        counts = [
            f"{n} {what}, the first near {float(self._first_trouble[what]):.1f} s" for what, n in self._trouble.items()
        ]
        return counts + self._ended_early

    @property
    def remarks(self) -> list[Remark]:
        """What was left out, taken for something or contradicts itself so far.

        A run that goes on after an earlier one tells only what comes after that. So the sum over the runs counts each
        thing once.
        """
        told = [] if self._goes_on else list(self._of_header)
        if self._interlaced:
            told.append(
                Remark(
                    "interlaced frames",
                    self._interlaced,
                    "Rows that show another moment were made anew from their neighbours. Let the camera record "
                    "progressive film for more detail.",
                )
            )
        if self._reshaped:
            told.append(
                Remark(
                    "frames of another size than their file's first",
                    self._reshaped,
                    "They were scaled to the first frame's size, with black borders where the shape differs. Boxes are "
                    "in pixels of that size.",
                )
            )
        return told + self._clock.remarks

    def pictures(self, start: Resume | None = None) -> Iterator[Picture]:
        """All pictures from the one that `start` describes, itself included, or from the first.

        A frame is looked up by seeking to the keyframe before it. When the frame there is not beyond doubt the same
        one, the file is decoded from its beginning and counted. Either way the pictures are those of an uninterrupted
        run, bit by bit.

        Seconds are the container's own stamps, except where its clock jumps, see `app.footage.clock`. They may repeat
        or step back a little where the file has it so: AVI keeps no presentation stamps, and B-frames in it come with
        those of their neighbours. Where there is no stamp, frames follow each other at the average rate.

        Raises:
            FootageError: the frame that `start` describes is not in the file.
        """
        frames = None
        index = 0
        self._goes_on = start is not None and start.checksum is not None
        if start is not None:
            frames = self._sought(start)
            index = start.index
            if frames is None:
                self.close()
                self._open()
                index = 0
        self._clock = self._new_clock(start if frames is not None else None)
        duration: int | None = None
        for frame in frames if frames is not None else self._frames():
            duration = frame.duration
            seconds = self._clock.seconds(frame.pts)
            self._interlaced += frame.interlaced_frame
            self._reshaped += self._stored is not None and (frame.width, frame.height) != self._stored
            if start is not None and index == start.index:
                if frames is None and start.checksum is not None:
                    if (frame.pts, checksum(self._image(frame))) != (start.pts, start.checksum):
                        raise FootageError(
                            f"{self.path} has another frame {index} than when it was read before: it was replaced; "
                            "remove its footage from the site and ingest it again"
                        )
                    self._forget_trouble()
                self._forget_remarks()
            if start is None or index >= start.index:
                position = None if frame.pts is None else self._positions.get(frame.pts)
                place = Resume(index, frame.pts, None, *self._clock.state, position)
                yield Picture(place, seconds, partial(self._image, frame))
            index += 1
        if start is not None and index <= start.index:
            raise FootageError(
                f"{self.path} ends at frame {index}, before frame {start.index} that was read before: it was replaced; "
                "remove its footage from the site and ingest it again"
            )
        self._clock.ends(duration)
        self._check_end(index)

    def before(self, seconds: float) -> Resume | None:
        """The last frame before `seconds`, counted in packets without decoding them. None when that is not safe.

        Counting is safe where every packet is one frame and carries its presentation stamp, and the clock does not
        jump. Damaged packets before the frame are counted as frames here, while decoding leaves them out.
        """
        kind = self._container.format.name
        stamped = kind.startswith(("mov", "matroska")) or (
            kind == "avi" and not self._stream.codec_context.has_b_frames
        )
        if seconds < SEEK_WORTH or not stamped:
            return None
        limit = (Fraction(seconds) + self._origin) / self._time_base
        stamps: list[int] = []
        container, stream = open_container(self.path)
        with container:
            for packet in container.demux(stream):
                if packet.size == 0 or (packet.dts is not None and packet.dts >= limit):
                    break
                if (
                    packet.pts is None
                    or packet.is_corrupt
                    or packet.is_discard
                    or (not stamps and not packet.is_keyframe)
                    or (len(stamps) > REORDER and packet.pts < stamps[-REORDER])  # the clock jumps back
                ):
                    return None
                if packet.pts < limit:
                    insort(stamps, packet.pts)  # nearly sorted, so this is an append
        if not stamps or len(set(stamps)) < len(stamps):
            return None
        clock = self._new_clock()
        for stamp in stamps:
            clock.seconds(stamp)
        return None if clock.jumps else Resume(len(stamps) - 1, stamps[-1], None, *clock.state)

    def _sought(self, start: Resume) -> Iterator[VideoFrame] | None:
        """Frames from `start` on, or None when seeking does not lead to exactly that frame."""
        if start.pts is None or (start.shift and start.position is None):
            return None
        # A stamp alone does not show whether the picture is whole. With periodic intra refresh that takes a while.
        for back in SEEK_BACK if start.checksum is not None else SEEK_BACK[1:]:
            try:
                self._container.seek(start.pts - round(back / self._time_base), stream=self._stream)
            except (av.FFmpegError, OSError):
                continue
            frames = self._frames_from(start)
            if frames is not None:
                return frames
        return None

    def _frames_from(self, start: Resume) -> Iterator[VideoFrame] | None:
        """Frames from `start` on, if it is among those that follow here and there can be no mistake."""
        frames = self._frames()
        target = start.pts or 0
        later = 0
        for frame in frames:
            if frame.pts is None or later > REORDER:
                return None
            later += frame.pts > target
            if frame.pts != start.pts:
                continue
            if start.position is not None and self._positions.get(frame.pts) != start.position:
                return None  # another part of the file, where a clock that jumped shows the same time
            if start.checksum is not None and checksum(self._image(frame)) != start.checksum:
                return None
            following = next(frames, None)
            if following is not None and following.pts == start.pts:  # which of the two was it?
                return None
            self._forget_trouble()  # of frames that were read before, or broken by starting in the middle
            return _chain(frame, following, frames)
        return None

    def _frames(self) -> Iterator[VideoFrame]:
        """Decodes from where the container stands to its end, over damage."""
        packets = self._container.demux(self._stream)
        near = Fraction(0)
        stuck = 0
        while stuck < STUCK:
            frames: list[VideoFrame] = []
            with av.logging.Capture() as log:
                try:
                    packet = next(packets)
                except StopIteration:
                    return
                except (av.FFmpegError, OSError):
                    stuck += 1
                    self._note(UNREADABLE, near)
                    packets = self._container.demux(self._stream)  # the old generator ended with its exception
                    continue
                if packet.pts is not None:
                    near = packet.pts * self._time_base - self._origin
                    end = near + (packet.duration or 0) * self._time_base
                    near -= self._clock.shift
                    self._reached = end if self._reached is None else max(end, self._reached)
                    if packet.pos is not None:
                        self._positions[packet.pts] = packet.pos
                        if len(self._positions) > POSITIONS:
                            del self._positions[next(iter(self._positions))]
                try:
                    frames = packet.decode()
                    stuck = 0
                except (av.FFmpegError, OSError):
                    self._note(UNREADABLE, near)
                    log.clear()
            complaints = [text for _, _, text in log if not text.startswith(HARMLESS)]
            if complaints or packet.is_corrupt or any(frame.is_corrupt for frame in frames):
                self._note(DAMAGED, near)
            yield from frames

    def _image(self, frame: VideoFrame) -> Image:
        return self._rgb.image(frame, self._stream.codec_context.sample_aspect_ratio)

    def _new_clock(self, start: Resume | None = None) -> Clock:
        return Clock(self._time_base, self._origin, self.rate, start)

    def _forget_remarks(self) -> None:
        self._interlaced = self._reshaped = 0
        self._clock.forget()

    def _note(self, what: str, near: Fraction) -> None:
        self._first_trouble.setdefault(what, near)
        self._trouble[what] += 1

    def _forget_trouble(self) -> None:
        self._trouble: Counter[str] = Counter()
        self._first_trouble: dict[str, Fraction] = {}

    def _check_end(self, frames: int) -> None:
        """Records when less came than the file announces. Nothing is known of the rest, which is not "nobody"."""
        if frames == 0:
            self._ended_early.append("no frame could be decoded: the footage is damaged")
            return
        joined = recordings(self.path) if self._container.format.name.startswith("mov") else 1
        if joined > 1:
            self._ended_early.append(
                f"{joined} recordings are joined in this file, and only the first is read whole: split it"
            )
        announced = announced_end(self._container, self._stream)
        if announced is not None:
            end, slack = announced[0] - self._origin, announced[1]
            if self._reached is not None and self._reached < end - slack:
                self._ended_early.append(
                    f"ended at {float(self._reached):.1f} s of {float(end):.1f} s: "
                    "the file was cut off, probably while copying"
                )
        elif self._container.format.name == "mpegts" and all(self.path.stat().st_size % size for size in PACKET_SIZES):
            self._ended_early.append(
                f"ended at {float(self._reached or 0):.1f} s inside a packet: the file was cut off"
            )


def _chain(first: VideoFrame, second: VideoFrame | None, rest: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    yield first
    if second is not None:
        yield second
        yield from rest
