"""One person of a site: all that was joined to one identity, by time, and the ways in between."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.record.rows import AuditEntry
from app.search.matches import Match, Stop, journey
from app.search.searcher import Searcher

MOST = 100  # tracklets of one person: those nearest in time to the one asked for


@dataclass(frozen=True, slots=True)
class Usual:
    """How long people take from one camera to the next, as merging learned it."""

    median: float  # s, negative where both cameras see somebody at once
    p10: float
    p90: float
    count: int  # people it was learned from


@dataclass(frozen=True, slots=True)
class Leg:
    """A stop, and what people usually take to it from the stop before. None where few went that way."""

    stop: Stop
    usual: Usual | None


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a tracklet shows, as merging knows them."""

    tracklet: int  # that was asked for
    matches: list[Match]  # all of the same identity, itself too, by time. Alike as to it
    legs: list[Leg]  # by time
    left_out: int  # tracklets beyond MOST


def person_of(searcher: Searcher, number: int, cameras: Collection[str] | None = None, *, who: str) -> Person:
    """Whom a tracklet shows. The audit notes that `who` looked.

    cameras: tells of these alone, None for all. Raises SiteError where there is no such tracklet.
    """
    site, merging, table = searcher.site, searcher.merging, searcher.table
    embedding, own, _ = searcher.tracklet(number)
    ids = np.array([number], np.int64)
    if merging is not None and (identity := int(merging.of(ids)[1][0])) >= 0:
        ids = merging.ids[merging.identities == identity]
        ids = ids[np.isin(ids, searcher.index.ids)]  # not those that were erased meanwhile
    rows = table.at(ids)
    if cameras is not None:
        seen = np.array([name in cameras for name in table.names], bool)[table.cameras[rows]]
        ids, rows = ids[seen], rows[seen]
    asked_at = table.start[table.at(np.array([number]))[0]]
    nearest = np.argsort(np.abs(table.start[rows] - asked_at), kind="stable")[:MOST]
    matches = sorted(searcher.likeness(embedding, ids[nearest], own), key=lambda match: (match.start, match.tracklet))
    usual = _usual({} if merging is None else merging.summary)
    stops = journey(matches)
    legs = [
        Leg(stop, None if before is None else usual.get((before.camera, stop.camera)))
        for before, stop in zip([None, *stops[:-1]], stops, strict=True)
    ]
    details = {"tracklet": number, "shown": sorted(match.tracklet for match in matches)}
    site.note(AuditEntry(time.time(), who, "view person", details))
    return Person(number, matches, legs, left_out=len(ids) - len(nearest))


def _usual(summary: dict[str, Any]) -> dict[tuple[str, str], Usual]:
    return {
        (way["from"], way["to"]): Usual(way["median"], way["p10"], way["p90"], way["count"])
        for way in summary.get("transits", [])
    }
