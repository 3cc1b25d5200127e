"""Boxes of many tracklets at once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from app.record.database import Database
from app.record.rows import Boxes
from app.record.schema import segments

_AT_ONCE = 500  # ids in a statement
_BOXES = select(segments.c.id, segments.c.boxes, segments.c.length).where(
    segments.c.id.in_(bindparam("ids", expanding=True))
)


def boxes_of_many(database: Database, ids: Sequence[int]) -> list[Boxes]:
    """The boxes of a few hundred tracklets, in their order. Those that were erased meanwhile have none.

    Raises SiteError where some are damaged.
    """
    found: dict[int, Boxes] = {}
    for start in range(0, len(ids), _AT_ONCE):
        for row in database.all(_BOXES, ids=list(ids[start : start + _AT_ONCE])):
            try:
                found[row.id] = Boxes.unpacked(row.boxes, row.length)
            except ValueError as error:
                raise database.damaged(f"the boxes of the piece {row.id} of a track") from error
    return [found.get(number) or Boxes.none() for number in ids]
