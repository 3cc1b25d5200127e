"""Searches that are kept: to be asked again, to count what is new since, and to alert.

Whom one searches is a tracklet, with which it leaves, or a picture cut to one person. A picture's bytes are gone before
the row is, so whoever is told that they could not be removed finds the search still listed, and removes it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from sqlalchemy import delete, func, select

from app.errors import SiteError
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Database
from app.record.numbers import new_number
from app.record.rows import AuditEntry, segment_id
from app.record.schema import cameras, searches, segments

_WITHOUT_PICTURE = select(
    *(column for column in searches.columns if column.name != "picture"),
    searches.c.picture.is_not(None).label("has_picture"),
)
MOST = 500  # searches of a site
MOST_WAITING = 1000  # alerts of a search that wait to be delivered: the oldest leave for the next
LONGEST_NAME = 80  # characters
MOST_BYTES = 2**20  # of a picture


@dataclass(frozen=True, slots=True)
class SearchFilters:
    """What a kept search is narrowed to. Times are UTC seconds."""

    cameras: tuple[str, ...] = ()  # names, none for all
    begin: float | None = None
    end: float | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """From JSON."""
        return cls(tuple(stored["cameras"]), stored["begin"], stored["end"])


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert that is still to be delivered."""

    tracklet: int
    probability: float
    since: float  # UTC seconds
    to: tuple[str, ...]  # where it has not been taken yet


@dataclass(frozen=True, slots=True)
class Told:
    """How far a search was looked at: by camera id, the highest number of its segments then."""

    looked: dict[int, int] = field(default_factory=dict)  # for alerts
    opened: dict[int, int] = field(default_factory=dict)  # when somebody last opened the search
    waiting: tuple[Waiting, ...] = ()

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """From JSON."""
        looked, opened = ({int(camera): last for camera, last in stored[name].items()} for name in ("looked", "opened"))
        return cls(looked, opened, tuple(Waiting(row[0], row[1], row[2], tuple(row[3])) for row in stored["waiting"]))

    def as_json(self) -> str:
        """As the record stores it."""
        waiting = [[alert.tracklet, alert.probability, alert.since, list(alert.to)] for alert in self.waiting]
        return json.dumps({"looked": self.looked, "opened": self.opened, "waiting": waiting})


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search that is kept. It has a tracklet or a picture, and neither while its picture is being removed."""

    id: int
    name: str
    who: str  # whose it is
    made: float  # UTC seconds
    tracklet: int | None
    has_picture: bool  # of the person, see `picture_of`
    filters: SearchFilters
    alert_from: float | None  # the probability from which a match alerts
    told: Told

    @property
    def key(self) -> str:
        """Names it also after a number was given again, as programs elsewhere know it."""
        return f"{self.id}-{int(1000 * self.made):x}"


@dataclass(frozen=True, slots=True)
class LikelySearch:
    """A kept search whose picture likely shows somebody who leaves the site."""

    id: int
    name: str
    who: str
    probability: float
    removed: bool


def save(
    database: Database,
    name: str,
    whom: int | bytes,
    filters: SearchFilters,
    *,
    alert_from: float | None = None,
    who: str,
    reason: str = "",
) -> SavedSearch:
    """Keeps a search for a tracklet, or for the person of a JPEG, and notes who did.

    A name that is taken gets a number, so nobody learns of others' searches. What is there by now counts as looked at.
    Raises SiteError where the tracklet is gone, the name or picture can't be used, or there are MOST.
    """
    name = _sound_name(name)
    picture = whom if isinstance(whom, bytes) else None
    if picture is not None and not 0 < len(picture) <= MOST_BYTES:
        raise SiteError(f"A kept picture has at most {MOST_BYTES // 2**20} MB: cut the person out.")
    _check_probability(alert_from)
    with database.transaction():
        names = {row.name for row in database.all(select(searches.c.name))}
        if len(names) >= MOST:
            raise SiteError(f"{MOST} searches are kept already: remove one first.")
        if not isinstance(whom, bytes) and not len(database.ids(select(segments.c.id).where(segments.c.id == whom))):
            raise SiteError(f"There is no tracklet {whom}: it was erased, or never was.")
        last = latest(database)
        new = SavedSearch(
            id=new_number(database, searches),
            name=_free_name(name, names),
            who=who,
            made=time.time(),
            tracklet=None if isinstance(whom, bytes) else int(whom),
            has_picture=picture is not None,
            filters=filters,
            alert_from=alert_from,
            told=Told(last, last),
        )
        row = {"id": new.id, "name": new.name, "who": who, "made": new.made, "tracklet_id": new.tracklet}
        row |= {"picture": picture, "filters": json.dumps(asdict(filters)), "alert_from": alert_from}
        insert_rows(database, searches, [{**row, "told": new.told.as_json()}])
        details: dict[str, Any] = {"search": new.name, "of": "a picture" if new.tracklet is None else new.tracklet}
        details |= {} if alert_from is None else {"alert from": alert_from}
        details |= {"reason": reason} if reason else {}
        add_entry(database, AuditEntry(new.made, who, "save search", details))
    return new


def saved(database: Database) -> list[SavedSearch]:
    """All kept searches, by name."""
    return [_of_row(database, row) for row in database.all(_WITHOUT_PICTURE.order_by(searches.c.name))]


def saved_one(database: Database, number: int) -> SavedSearch:
    """One of them. Raises LookupError where there is none."""
    row = database.first(_WITHOUT_PICTURE.where(searches.c.id == number))
    if row is None:
        raise LookupError(f"there is no kept search {number}")
    return _of_row(database, row)


def picture_of(database: Database, number: int) -> bytes:
    """The JPEG that a search has of the person. Raises LookupError where it has none."""
    row = database.first(select(searches.c.picture).where(searches.c.id == number))
    if row is None or row.picture is None:
        raise LookupError(f"the kept search {number} has no picture")
    return bytes(row.picture)


def remove(database: Database, number: int, *, who: str) -> None:
    """Removes a search, the bytes of its picture first, and notes who did.

    Raises LookupError where there is none. Raises StorageError where bytes are left: the same call, repeated, goes on.
    """
    with database.transaction():
        search = saved_one(database, number)
        if search.has_picture:
            update_row(database, searches, number, {"picture": None, "alert_from": None})
        add_entry(database, AuditEntry(time.time(), who, "remove search", {"search": search.name}))
    if search.tracklet is None:
        database.forget_deleted()
    with database.transaction():
        database.execute(delete(searches).where(searches.c.id == number))


def set_alert(database: Database, number: int, alert_from: float | None, *, who: str) -> SavedSearch:
    """From which probability on a search alerts, None for not at all, and notes who said so.

    What is there by now alerts no more. Raises LookupError, and SiteError for what is no probability.
    """
    _check_probability(alert_from)
    with database.transaction():
        search = saved_one(database, number)
        told = replace(search.told, looked=latest(database), waiting=search.told.waiting if alert_from else ())
        update_row(database, searches, number, {"alert_from": alert_from, "told": told.as_json()})
        details = {"search": search.name, "alert from": alert_from}
        add_entry(database, AuditEntry(time.time(), who, "set alert", details))
    return replace(search, alert_from=alert_from, told=told)


def set_opened(database: Database, number: int) -> None:
    """That somebody opened a search just now: what is there is new no more. Who asked is in the search's own row."""
    with database.transaction():
        told = saved_one(database, number).told
        update_row(database, searches, number, {"told": replace(told, opened=latest(database)).as_json()})


def set_looked(database: Database, number: int, looked: dict[int, int], alerts: tuple[Waiting, ...]) -> bool:
    """In the caller's transaction: up to where a search was looked at, and what is to be delivered for it.

    False, and nothing is written, where the search is gone or alerts no more.
    """
    try:
        search = saved_one(database, number)
    except LookupError:
        return False
    if search.alert_from is None:
        return False
    before = search.told.looked
    looked = before | {camera: max(last, before.get(camera, 0)) for camera, last in looked.items()}
    waiting = (*search.told.waiting, *alerts)[-MOST_WAITING:]
    update_row(database, searches, number, {"told": replace(search.told, looked=looked, waiting=waiting).as_json()})
    return True


def set_delivered(database: Database, number: int, tracklet: int, to: str) -> None:
    """That an alert was taken somewhere, or is given up: it waits for that no more."""
    with database.transaction():
        try:
            told = saved_one(database, number).told
        except LookupError:
            return
        waiting = [
            replace(alert, to=tuple(name for name in alert.to if name != to)) if alert.tracklet == tracklet else alert
            for alert in told.waiting
        ]
        told = replace(told, waiting=tuple(alert for alert in waiting if alert.to))
        update_row(database, searches, number, {"told": told.as_json()})


def latest(database: Database) -> dict[int, int]:
    """By camera id, the highest number of its segments. The key's index answers that."""
    last = {}
    for camera in database.ids(select(cameras.c.id)).tolist():
        first_id, end_id = segment_id(camera, 0), segment_id(camera + 1, 0)
        row = database.first(select(func.max(segments.c.id)).where(segments.c.id >= first_id, segments.c.id < end_id))
        if row is not None and row[0] is not None:
            last[camera] = int(row[0]) - first_id
    return last


def _of_row(database: Database, row: Any) -> SavedSearch:
    try:
        filters = SearchFilters.of(database.json(row.filters, "searches"))
        told = Told.of(database.json(row.told, "searches"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise database.damaged("a kept search") from error
    return SavedSearch(
        row.id, row.name, row.who, row.made, row.tracklet_id, bool(row.has_picture), filters, row.alert_from, told
    )


def _sound_name(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise SiteError(f"A kept search needs a name of 1 to {LONGEST_NAME} characters that can be seen.")
    return name


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name[: LONGEST_NAME - 4]} {number}"
    return free


def _check_probability(value: float | None) -> None:
    if value is not None and not 0 < value <= 1:
        raise SiteError("A search alerts from a probability above 0 and up to 1, as 0.7.")
