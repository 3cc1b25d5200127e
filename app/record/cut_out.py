"""Times are cut out of a camera's recordings, as when somebody is erased who was in sight then.

A recording is not encoded anew. What leaves are its groups of pictures from keyframe to keyframe, so some seconds
around a time leave with it. The rest stays, in pieces that are named by their own first pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import av
from av.container import InputContainer

from app.footage.recording import Arrived, Piece, PieceWriter, Recording, pieces
from app.record.private_files import wipe

AROUND = 1.0  # s before and after, in which somebody may be seen whom no box shows yet, or any more
_LEAVING, _STAYING = "leaving", "staying"  # folders in that of the camera

Span = tuple[float, float]  # UTC seconds, from and to


def cut_out(folder: Path, spans: Sequence[Span]) -> int:
    """Removes what a camera's recordings show of some times, and overwrites it. May be repeated.

    A piece that is being written loses these times, too. Its recorder then begins another one.

    Returns:
        How many pieces lost something.

    Raises:
        OSError: The disk refuses.
    """
    for rest in (folder / _LEAVING, folder / _STAYING):  # of who died in the middle
        wipe(rest)
    there, changed = pieces(folder), 0
    for piece, following in zip_longest(there, there[1:]):
        until = math.inf if following is None else following.start
        within = [span for span in spans if span[0] - AROUND < until and span[1] + AROUND > piece.start]
        changed += bool(within) and _cut(piece, within)
    return changed


def _cut(piece: Piece, spans: Sequence[Span]) -> bool:
    """Whether a piece lost something. One that nobody can read is removed as a whole."""
    staying, leaving = (piece.path.parent / name for name in (_STAYING, _LEAVING))
    try:
        lost = _write_what_stays(piece, spans, staying)
    except (av.FFmpegError, IndexError, ValueError):
        lost = True
    if lost:
        leaving.mkdir(mode=0o700, exist_ok=True)
        piece.path.rename(leaving / piece.path.name)
        for part in pieces(staying):
            part.path.rename(piece.path.with_name(part.path.name))
    wipe(leaving)
    wipe(staying)
    return lost


def _write_what_stays(piece: Piece, spans: Sequence[Span], folder: Path) -> bool:
    """Writes pieces without some times. Returns whether there was anything of these."""
    lost, writer = False, None
    with av.open(str(piece.path)) as film:
        try:
            for group in _groups(film, piece.start):
                begin, end = min(a.time for a in group), max(a.time for a in group)
                if any(span[0] - AROUND <= end and span[1] + AROUND >= begin for span in spans):
                    lost = True
                    if writer is not None:
                        writer.close()
                        writer = None
                    continue
                if writer is None:
                    writer = PieceWriter(Recording(folder, math.inf), film.streams.video[0], begin)
                for arrived in group:
                    writer.write(arrived)
        finally:
            if writer is not None:
                writer.close()
    return lost


def _groups(film: InputContainer, start: float) -> Iterator[list[Arrived]]:
    """A piece's packets, from keyframe to keyframe, with the times of their pictures."""
    group: list[Arrived] = []
    stream = film.streams.video[0]
    for packet in film.demux(stream):
        if packet.pts is None or packet.dts is None:
            continue
        if packet.is_keyframe and group:
            yield group
            group = []
        time, lead = (float(stamp * packet.time_base) for stamp in (packet.pts, packet.pts - packet.dts))
        group.append(Arrived(bytes(packet), packet.is_keyframe, start + time, lead))
    if group:
        yield group
