"""Whether somebody whom a kept search looks for was seen again.

What is new is looked at once: how far that went, the alerts that are to be delivered, and the audit's row are written
together. A death before that loses nothing, as the next look finds the same. So each sighting alerts exactly once here.
Delivery then takes it to each place at least once: a death between taking and noting it takes it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.errors import SiteError, StillError
from app.record import Site, searches
from app.record.audit import add_entry
from app.record.rows import AuditEntry, TrackletTable
from app.record.searches import SavedSearch, Waiting
from app.search.matches import LIKELY
from app.search.searcher import Searcher, Wish
from app.search.still_apart import still_apart

log = logging.getLogger("sightline")

MOST_AT_ONCE = 100  # alerts of a search and look: of more, the most probable are told
_NUMBER = 2**32 - 1  # of a segment, in its id

Rights = Callable[[str], Collection[str] | None]
Person = tuple[NDArray[np.float32], str | None, NDArray[np.int64] | None]


@dataclass(frozen=True, slots=True)
class Alert:
    """That whom a kept search looks for was seen again."""

    search: SavedSearch
    tracklet: int
    camera: str
    start: float  # UTC seconds
    end: float
    probability: float
    since: float  # UTC seconds, when it was found


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look found."""

    alerts: int  # that are new
    news: dict[int, list[tuple[int, str]]]  # by search: tracklets that match and came since it was opened, and cameras


class Watcher:
    """Looks at what is new in a site. It remembers how pictures look, so that each is embedded once a model."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._embedded: dict[tuple[str, str], NDArray[np.float32]] = {}

    def look(
        self,
        searcher: Searcher,
        to: Sequence[str],
        rights: Rights = lambda who: None,
        *,
        alerts: bool = True,
    ) -> Looked:
        """Looks once. Alerts are to be delivered `to` these places.

        rights: the cameras that a user may see by now, None for all. alerts: whether it alerts, or only counts.
        """
        news: dict[int, list[tuple[int, str]]] = {}
        new = 0
        kept = searches.saved(self._site.database)
        keys = {(search.key, searcher.model.name) for search in kept}
        self._embedded = {key: vector for key, vector in self._embedded.items() if key in keys}
        for search in kept:
            try:
                person = self._person(searcher, search)
                if person is not None:
                    news[search.id] = self._news(searcher, search, person, rights)
                    new += self._alert(searcher, search, person, to, rights) if alerts else 0
            except (SiteError, StillError, LookupError) as error:  # its tracklet was just erased, or has no picture
                log.info("The kept search %s could not be looked at (%s)", search.id, type(error).__name__)
        return Looked(new, news)

    def _person(self, searcher: Searcher, search: SavedSearch) -> Person | None:
        """How the person looks, in which camera, and who is surely somebody else. None while it is being removed."""
        if search.tracklet is not None:
            return searcher.tracklet(search.tracklet)
        if not search.has_picture:
            return None
        key = (search.key, searcher.model.name)
        if key not in self._embedded:
            picture = searches.picture_of(self._site.database, search.id)
            self._embedded[key] = searcher.embed([still_apart(picture, Path("The picture")).pixels])[0]
        return self._embedded[key], None, None

    def _news(self, searcher: Searcher, search: SavedSearch, person: Person, rights: Rights) -> list[tuple[int, str]]:
        ids, _ = _found(searcher, search, person, search.told.opened, search.alert_from or LIKELY, rights)
        return list(zip(ids.tolist(), _cameras(searcher.table, ids)))

    def _alert(
        self,
        searcher: Searcher,
        search: SavedSearch,
        person: Person,
        to: Sequence[str],
        rights: Rights,
    ) -> int:
        """Writes down what is new of one search. Returns how many alerts."""
        before = search.told.looked
        looked = before | {k: max(last, before.get(k, 0)) for k, last in _last(searcher.table).items()}
        if search.alert_from is None or looked == before:
            return 0
        ids, probability = _found(searcher, search, person, before, search.alert_from, rights)
        more = max(0, len(ids) - MOST_AT_ONCE)
        ids, probability = ids[:MOST_AT_ONCE], probability[:MOST_AT_ONCE]
        now, who = time.time(), "alert"
        waiting = tuple(Waiting(tracklet, p, now, tuple(to)) for tracklet, p in zip(ids.tolist(), probability.tolist()))
        details = {"for": search.who, "search": search.name, "results": ids.tolist(), "to": list(to)}
        details |= {"more that are not told": more} if more else {}
        with self._site.database.transaction():
            is_kept = searches.set_looked(self._site.database, search.id, looked, waiting if to else ())
            if is_kept and waiting:
                add_entry(self._site.database, AuditEntry(now, who, "alert", details))
        return len(waiting) if is_kept else 0


def waiting(site: Site) -> list[Alert]:
    """Alerts that are still to be delivered, the oldest first. Those on who was erased since are not among them."""
    alerts = []
    for search in searches.saved(site.database):
        for wait in search.told.waiting:
            try:
                piece = site.searchable(wait.tracklet)
            except LookupError:
                for place in wait.to:
                    searches.set_delivered(site.database, search.id, wait.tracklet, place)
                continue
            alerts.append(Alert(search, piece.id, piece.camera, piece.start, piece.end, wait.probability, wait.since))
    return sorted(alerts, key=lambda alert: (alert.since, alert.search.id, alert.tracklet))


def still_to(alert: Alert) -> tuple[str, ...]:
    """Where an alert has not been taken yet."""
    return next((wait.to for wait in alert.search.told.waiting if wait.tracklet == alert.tracklet), ())


def wish_of(search: SavedSearch, cameras: Sequence[str] | None = None) -> Wish:
    """What a kept search asks for, in other cameras than its own where they are given."""
    filters = search.filters
    return Wish(filters.cameras if cameras is None else tuple(cameras), filters.begin, filters.end)


def _found(
    searcher: Searcher,
    search: SavedSearch,
    person: Person,
    since: dict[int, int],
    least: float,
    rights: Rights,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Tracklets `(n,)` that came since, are likely this person, and whose camera the search's owner may see."""
    ids = searcher.table.ids
    before = np.zeros(len(ids), np.int64)
    for camera, last in since.items():
        before[ids >> 32 == camera] = last
    cameras = rights(search.who)
    seen = np.array([cameras is None or name in cameras for name in searcher.table.names], bool)
    new = ids[(ids & _NUMBER > before) & seen[searcher.table.cameras]]
    if not len(new):
        return new, np.empty(0)
    vector, own, without = person
    return searcher.likely(vector, wish_of(search), new, least=least, own=own, without=without)


def _last(table: TrackletTable) -> dict[int, int]:
    """By camera id, the highest number of its tracklets."""
    camera, number = table.ids >> 32, table.ids & _NUMBER
    return {int(each): int(number[camera == each].max()) for each in np.unique(camera)}


def _cameras(table: TrackletTable, ids: NDArray[np.int64]) -> list[str]:
    return [table.names[camera] for camera in table.cameras[table.at(ids)]] if len(ids) else []
