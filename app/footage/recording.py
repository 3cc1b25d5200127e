"""A live camera's film on the disk, as its packets came: nothing is encoded anew.

Each piece begins with a keyframe and is named by its first picture's time, as in `20261129T101500.040000Z.mp4`. Stamps
in it count from there. So the picture `t` seconds into a piece is the live picture of its name's time plus `t`: both
come from the same clock. Pieces are fragmented MP4. What a killed process leaves can be played up to its last fragment.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

NAME = "%Y%m%dT%H%M%S.%fZ"
SUFFIX = ".mp4"
FRAGMENT = 2.0  # s. So much is lost at most when the process is killed
MOST_WAITING = 2**25  # bytes of packets that wait for a slow disk. More ends the piece
RETRY = 30.0  # s after which a disk that took no more is tried again
TICKS = 90_000  # of a piece's clock, a second
_NAMED = re.compile(r"\d{8}T\d{6}\.\d{6}Z\.mp4")


def recordings_of(site: Path) -> Path:
    """Where a site keeps recordings, in a folder for each camera."""
    return site / "recordings"


@dataclass(frozen=True, slots=True)
class Recording:
    """Where a camera's film goes."""

    folder: Path  # of this camera alone
    piece: float = 600.0  # seconds of a file, and then up to the next keyframe


@dataclass(frozen=True, slots=True)
class Piece:
    """A file of a recording."""

    path: Path
    start: float  # UTC seconds of its first picture
    size: int  # bytes


def pieces(folder: Path) -> list[Piece]:
    """A camera's recordings, the oldest first. None where there is no such folder."""
    found = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _NAMED.fullmatch(path.name):
            try:
                start = datetime.strptime(path.name, NAME + SUFFIX).replace(tzinfo=UTC)
                found.append(Piece(path, start.timestamp(), path.stat().st_size))
            except (ValueError, FileNotFoundError):  # no date, or it was removed just now
                continue
    return found


def keep_only(folder: Path, *, since: float | None = None, most_bytes: int | None = None) -> list[Piece]:
    """Removes a camera's oldest recordings. The last piece stays, for it may be written just now.

    Args:
        folder: Of the camera.
        since: UTC seconds. Pieces that ended before are removed: those whose successor began before.
        most_bytes: Of all pieces together.

    Returns:
        What was removed.

    Raises:
        OSError: The disk refuses.
    """
    there = pieces(folder)
    total = sum(piece.size for piece in there)
    removed = []
    for piece, following in pairwise(there):
        old = since is not None and following.start < since
        if not old and (most_bytes is None or total <= most_bytes):
            break
        piece.path.unlink(missing_ok=True)
        total -= piece.size
        removed.append(piece)
    return removed


@dataclass(frozen=True, slots=True)
class Arrived:
    """A packet as it came."""

    data: bytes
    keyframe: bool
    time: float  # UTC seconds of its picture
    lead: float  # seconds from decoding to showing it


class Recorder:
    """Writes pieces in a thread of its own. A disk that is slow, full or gone ends a piece and never the stream."""

    def __init__(self, recording: Recording, stream: VideoStream) -> None:
        """Waits for the first keyframe. stream: what the packets come from."""
        self.problem: str | None = None  # why nothing is recorded at present
        self._recording, self._stream = recording, stream
        self._waiting: deque[Arrived] = deque()
        self._waiting_bytes = 0
        self._overrun = False
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def write(self, packet: Packet[VideoStream], time: float, lead: float) -> None:
        """Takes a packet and returns at once.

        Args:
            packet: As it came, in decoding order.
            time: UTC seconds of its picture.
            lead: Seconds from when it has to be decoded to when it is shown.
        """
        arrived = Arrived(bytes(packet), packet.is_keyframe, time, lead)
        with self._changed:
            if self._waiting_bytes > MOST_WAITING:
                self._waiting.clear()
                self._waiting_bytes, self._overrun = 0, True
            self._waiting.append(arrived)
            self._waiting_bytes += len(arrived.data)
            self._changed.notify()

    def close(self, seconds: float) -> None:
        """Ends the last piece properly, if the disk lets it within `seconds`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        piece: PieceWriter | None = None
        tried = float("-inf")
        for arrived, after_gap in self._arriving():
            if piece is not None and (after_gap or piece.is_over(arrived)):
                self._end(piece)
                piece = None
            try:
                if piece is None and arrived.keyframe and not tried <= arrived.time < tried + RETRY:
                    piece = PieceWriter(self._recording, self._stream, arrived.time)
                    self.problem, tried = None, float("-inf")
                if piece is not None:
                    piece.write(arrived)
            except (av.FFmpegError, OSError, ValueError) as error:
                if piece is not None:
                    self._end(piece)
                piece, tried = None, arrived.time
                self.problem = _said(error)
        if piece is not None:
            self._end(piece)

    def _arriving(self) -> Iterator[tuple[Arrived, bool]]:
        """Packets as they come, and whether some before were left out."""
        while True:
            with self._changed:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                arrived = self._waiting.popleft()
                self._waiting_bytes -= len(arrived.data)
                overrun, self._overrun = self._overrun, False
            if overrun:
                self.problem = "The disk is too slow: part of the film was left out."
            yield arrived, overrun

    def _end(self, piece: PieceWriter) -> None:
        try:
            piece.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            self.problem = _said(error)


class PieceWriter:
    """One file being written. Packets come in decoding order, the first one a keyframe."""

    def __init__(self, recording: Recording, stream: VideoStream, start: float) -> None:
        """start: UTC seconds of the first picture. Raises OSError where the disk refuses, or has such a piece."""
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=round(start * 1e6))
        path = recording.folder / (moment.strftime(NAME) + SUFFIX)
        recording.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._start, self._end = round(start * 1e6) / 1e6, start + recording.piece
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        self._container: OutputContainer = av.open(
            self._file,
            "w",
            format="mp4",
            options={
                "movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer",
                "frag_duration": str(round(FRAGMENT * 1e6)),
                "flush_packets": "1",
                "use_editlist": "0",
            },
        )
        self._stream = self._container.add_stream_from_template(stream)
        self._last = -1  # decoding stamp. Negative ones would move all pictures

    def is_over(self, arrived: Arrived) -> bool:
        """Whether a new piece begins with this packet: its time has come, times jumped, or the file was taken away.

        Who erases somebody takes it away. What stays of it has another file.
        """
        if os.fstat(self._file.fileno()).st_nlink == 0:
            return True
        return (arrived.keyframe and arrived.time >= self._end) or arrived.time < self._start

    def write(self, arrived: Arrived) -> None:
        """Adds a packet."""
        shown = round((arrived.time - self._start) * TICKS)
        decoded = max(shown - round(arrived.lead * TICKS), self._last + 1)
        packet = Packet(arrived.data)
        packet.pts, packet.dts, packet.time_base = max(shown, decoded), decoded, Fraction(1, TICKS)
        packet.is_keyframe = arrived.keyframe
        packet.stream = self._stream
        self._last = decoded
        self._container.mux(packet)
        self._file.flush()

    def close(self) -> None:
        """Ends the file, so that all of it can be played."""
        try:
            self._container.close()
        finally:
            self._file.close()


def _said(error: Exception) -> str:
    reason = getattr(error, "strerror", None) or type(error).__name__
    return f"The film can't be recorded ({reason}): make room on the disk, or check the folder. Pictures go on."
