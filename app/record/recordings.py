"""Who is erased leaves the recordings of live cameras, too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import select

from app.errors import StorageError
from app.footage.recording import recordings_of
from app.record.database import Database
from app.record.leases import ERASING
from app.record.schema import cameras, segments

_AT_ONCE = 1000  # ids in a statement

Span = tuple[float, float]  # UTC seconds, from and to


def cut_from_recordings(database: Database, folder: Path, ids: Sequence[int]) -> int:
    """Cuts the times at which segments were seen out of their cameras' recordings. May be repeated.

    Rows of the segments must still be there: they have the times. Returns how many pieces of film lost something.
    Raises StorageError where the disk refuses.
    """
    recorded = [path.name for path in recordings_of(folder).glob("*/") if any(path.iterdir())]
    if not recorded:
        return 0
    from app.record.cut_out import cut_out  # it brings PyAV

    spans: dict[str, list[Span]] = defaultdict(list)
    columns = (cameras.c.name, segments.c.start, segments.c.end)
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        wanted = select(*columns).join_from(segments, cameras).where(segments.c.id.in_(some))
        for name, start, end in database.all(wanted.where(cameras.c.name.in_(recorded))):
            spans[name].append((start, end))
    changed = 0
    with database.lease(ERASING):
        for name, times in spans.items():
            try:
                changed += cut_out(recordings_of(folder) / name, joined(times))
            except OSError as error:
                raise StorageError(
                    f"The recordings of {name} could not be changed ({error.strerror}): look at the disk, then erase "
                    "again."
                ) from error
    return changed


def joined(spans: Sequence[Span]) -> list[Span]:
    """Times in their order, those that overlap as one."""
    together: list[Span] = []
    for start, end in sorted(spans):
        if together and start <= together[-1][1]:
            together[-1] = (together[-1][0], max(together[-1][1], end))
        else:
            together.append((start, end))
    return together
