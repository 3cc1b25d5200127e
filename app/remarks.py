"""What is told of footage beside errors: what was left out or taken for something, and how sure its times are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

StartSource = Literal["name", "uncertain name", "container", "given", "camera", "file time"]
CERTAINTY: dict[StartSource, str] = {
    "given": "sure",
    "name": "sure",
    "camera": "sure",  # a live one, whose frames are stamped as they come
    "container": "likely",
    "uncertain name": "uncertain",
    "file time": "uncertain",
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One line of a report."""

    what: str  # what was met, as "files that start at their file's time"
    count: int  # how many of these, above 0
    why: str  # what it means and what to do, a sentence


@dataclass(frozen=True, slots=True)
class Starts:
    """How many pieces of footage are known to have begun when they did by one source."""

    source: StartSource
    certainty: str
    count: int

    def __str__(self) -> str:
        return f"{self.count:,} {self.source} ({self.certainty})"


def starts_by(sources: Iterable[StartSource]) -> list[Starts]:
    """Starts by their sources, the surest first."""
    counts = Counter(sources)
    return [Starts(source, certainty, counts[source]) for source, certainty in CERTAINTY.items() if counts[source]]


def summed(remarks: Iterable[Remark]) -> list[Remark]:
    """One remark of each kind, in the order of their first, with the sum of their counts."""
    counts: dict[tuple[str, str], int] = {}
    for remark in remarks:
        kind = (remark.what, remark.why)
        counts[kind] = counts.get(kind, 0) + remark.count
    return [Remark(what, count, why) for (what, why), count in counts.items()]
