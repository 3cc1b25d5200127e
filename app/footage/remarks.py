"""What was left out, taken for something, or contradicts itself in footage: told with a count, but no error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a report."""

    what: str  # what was met, as "files that start at their file's time"
    count: int  # how many of these, above 0
    why: str  # what it means and what to do, a sentence


def summed(remarks: Iterable[Remark]) -> list[Remark]:
    """One remark of each kind, in the order of their first, with the sum of their counts."""
    counts: dict[tuple[str, str], int] = {}
    for remark in remarks:
        kind = (remark.what, remark.why)
        counts[kind] = counts.get(kind, 0) + remark.count
    return [Remark(what, count, why) for (what, why), count in counts.items()]
