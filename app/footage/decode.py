"""Footage as timed frames: every frame, some of them, or those after the last one seen."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from fractions import Fraction
from math import floor
from types import TracebackType
from typing import Any, Self

from app.footage.apart import WithPicture, Worker
from app.footage.discover import Footage
from app.footage.image_sequence import ImageSequence
from app.footage.picture import Picture, Resume, checksum
from app.footage.video import Video
from app.remarks import Remark
from deploy.detectors import Frame

Span = tuple[float, float]
SHOWN = (
    "frames of moments that other footage of the camera shows",
    "The moment is taken once, from the footage that began first. Nothing need be done.",
)
ROUNDING = Fraction(1, 1000)  # s. Containers round stamps to it, and 0.1333 s must still meet the tick at 2/15 s

__all__ = ["DecodedFrame", "Decoder", "Resume", "decode_apart", "open_footage"]


def open_footage(
    footage: Footage,
    *,
    every: int = 1,
    fps: float | None = None,
    begin: float | None = None,
    end: float | None = None,
    resume: Resume | None = None,
    zone: tzinfo = UTC,
    shown: Sequence[Span] = (),
) -> Decoder:
    """Opens `footage` for decoding. Iterate over the result for its frames.

    Args:
        footage: what to decode.
        every: keep frames 0, N, 2N… of the footage.
        fps: keep the first frame at or after each tick k/fps since the start of the footage. Ticks go by the frames'
            own times. A frame never comes twice, so slow footage stays as it is. Not together with `every`.
        begin: UTC seconds. Frames before are left out.
        end: UTC seconds. Frames from the first one at this time on are left out.
        resume: `Decoder.resume_point()` of an earlier run with the same arguments: go on at the frame after it.
        zone: of times in the names of pictures.
        shown: from when to when other footage shows the camera, in UTC seconds. These frames are left out.

    Raises:
        FootageError: the footage can't be opened, or (on the first frame) it is not the one `resume` comes from.
        ValueError: arguments that make no sense.
    """
    if every < 1:
        raise ValueError(f"every={every} keeps no frame: it must be 1 or more")
    if fps is not None and not fps > 0:
        raise ValueError(f"fps={fps} keeps no frame: it must be above 0")
    if fps is not None and every > 1:
        raise ValueError("every and fps both thin the frames: give one of them")
    ticks = None if fps is None else Fraction(fps).limit_denominator(1_000_000)
    return Decoder(footage, every, ticks, begin, end, resume, zone, shown)


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame from another process, or the end of the footage (frame None)."""

    frame: Frame | None
    resume: Resume | None = None  # set at the end of a chunk
    # Of the footage so far, set at the end of a chunk and of the footage:
    problems: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()


def decode_apart(
    worker: Worker, footage: Footage, number: int, chunk: int, **thinning: Any
) -> Generator[int | DecodedFrame | None, None, None]:
    """First how many frames to expect, then the frames, then one item without a frame: decoded by `worker`.

    Args:
        worker: The process that decodes.
        footage: What to decode.
        number: Of the first frame that comes, from 1.
        chunk: Each frame whose number it divides has a place to go on from.
        thinning: As for `open_footage`.

    Raises:
        FootageError: As `open_footage` and `Worker.call` do.
    """
    answers = worker.stream(footage.path, footage.size, _decoded, footage, number, chunk, thinning)
    yield next(answers)
    for answer in answers:
        if isinstance(answer, DecodedFrame):
            yield answer
        else:
            pixels, (index, time, resume, problems, remarks) = answer
            yield DecodedFrame(Frame(footage.camera, index, time, pixels), resume, problems, remarks)


def _decoded(footage: Footage, number: int, chunk: int, thinning: dict[str, Any]) -> Iterator[Any]:
    """What the worker does."""
    with open_footage(footage, **thinning) as decoder:
        yield decoder.frames_expected
        for count, frame in enumerate(decoder, number):
            due = count % chunk == 0
            resume = decoder.resume_point() if due else None
            problems = tuple(decoder.problems) if due else ()
            remarks = tuple(decoder.remarks) if due else ()
            yield WithPicture(frame.image, (frame.index, frame.time, resume, problems, remarks))
        yield DecodedFrame(None, problems=tuple(decoder.problems), remarks=tuple(decoder.remarks))


class Decoder(Iterator[Frame]):
    """An iterator over frames, to be made by `open_footage`.

    Partly damaged footage comes as far as it can be decoded, without an exception. Read `problems` afterwards. Every
    image of one footage has the same size and is the receiver's to change.
    """

    frames_expected: int | None  # how many frames will come, roughly. None when the file does not tell

    def __init__(
        self,
        footage: Footage,
        every: int,
        fps: Fraction | None,
        begin: float | None,
        end: float | None,
        resume: Resume | None,
        zone: tzinfo,
        shown: Sequence[Span],
    ) -> None:
        self.footage = footage
        self._shown, self._shown_frames = tuple(shown), 0
        self._source: ImageSequence | Video
        if footage.path.is_dir():
            self._source = ImageSequence(footage.path, zone)
        else:
            self._source = Video(footage.path)
        self._every, self._fps = every, fps
        self._begin, self._end = begin, end
        self._resume = resume
        self._last: Picture | None = None
        self.frames_expected = self._expected()
        self._frames = self._read()

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the footage's file."""
        self._frames.close()
        self._source.close()

    @property
    def problems(self) -> list[str]:
        """What was wrong with the footage decoded so far, a sentence each. Complete when the iteration has ended."""
        return list(self._source.problems)

    @property
    def remarks(self) -> list[Remark]:
        """What was left out, taken for something or contradicts itself in the footage decoded so far.

        Complete when the iteration has ended. After a resume it holds only what comes after that, so the sum of all
        runs (`app.remarks.summed`) counts each thing once.
        """
        shown = [Remark(SHOWN[0], self._shown_frames, SHOWN[1])] if self._shown_frames else []
        return [*self._source.remarks, *shown]

    def resume_point(self) -> Resume | None:
        """Where to go on after the last frame, None before the first. Costs a conversion and a checksum."""
        if self._last is None:
            return self._resume
        image = self._last.read()
        return replace(self._last.place, checksum=None if image is None else checksum(image))

    def _read(self) -> Generator[Frame, None, None]:
        start = self._resume
        if start is None and self._begin is not None:
            start = self._source.before(self._begin - self.footage.start)
        tick: int | None = None  # of the source frame before, kept or not: so the choice is the same after a resume
        for picture in self._source.pictures(start):
            keep = picture.index % self._every == 0
            if self._fps is not None:
                before, tick = tick, floor((picture.seconds + ROUNDING) * self._fps)
                keep = before is None or tick > before
            time = self.footage.start + float(picture.seconds)
            if self._resume is not None and picture.index <= self._resume.index:
                continue
            if self._end is not None and time >= self._end:
                return
            if not keep or (self._begin is not None and time < self._begin):
                continue
            if any(first <= time <= last for first, last in self._shown):
                self._shown_frames += 1
                continue
            image = picture.read()
            if image is None:
                continue
            self._last = picture
            yield Frame(self.footage.camera, picture.index, time, image)

    def _expected(self) -> int | None:
        frames, length = self._source.frames, self._source.length
        if frames is None or not length:
            return frames
        rate = frames / length
        first = max(0.0, 0.0 if self._begin is None else self._begin - self.footage.start)
        if self._resume is not None:
            first = max(first, (self._resume.index + 1) / rate)
        last = length if self._end is None else min(length, self._end - self.footage.start)
        kept = rate / self._every if self._fps is None else min(rate, float(self._fps))
        return max(0, round((last - first) * kept))
