"""Cases: what somebody collects who looks for a person. A case has tracklets, each with a note.

A tracklet that is erased leaves its cases, see `app.record.erasure`. The audit has the numbers of cases and tracklets,
and no name or note: they could tell of a person, and it is never erased.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select

from app.asking import Progress, unheard
from app.errors import SiteError
from app.record import Site
from app.record.audit import add_entry
from app.record.checksums import insert_rows, update_row
from app.record.database import Values
from app.record.forget import Forgotten, forget
from app.record.numbers import new_number
from app.record.rows import AuditEntry
from app.record.schema import cameras, case_items, cases, segments
from trackers.segments import SEARCHABLE

LONGEST_NAME = 100  # characters
LONGEST_NOTE = 4000
MOST_ITEMS = 200  # of a case


@dataclass(frozen=True, slots=True)
class Case:
    """A case, without its tracklets."""

    id: int
    name: str
    note: str
    who: str  # made it
    made: float  # UTC seconds
    closed: float | None  # UTC seconds, None while it is open
    items: int
    cameras: frozenset[str]  # of its tracklets


@dataclass(frozen=True, slots=True)
class CaseItem:
    """A tracklet of a case."""

    tracklet: int
    camera: str
    kind: str
    start: float  # UTC seconds
    end: float
    note: str
    who: str  # added it
    made: float  # UTC seconds


@dataclass(frozen=True, slots=True)
class CaseErased:
    """What left with a case."""

    items: int
    forgotten: Forgotten | None  # the people in it, where they were erased, too
    left: list[str]  # where the server may still have bytes of the case, a sentence each


class Cases:
    """The cases of a site. Each change leaves a row in the audit."""

    def __init__(self, site: Site) -> None:
        self._site, self._database = site, site.database

    def all(self) -> list[Case]:
        """All cases, the latest first."""
        cameras_of: dict[int, list[str]] = defaultdict(list)
        joined = select(case_items.c.case_id, cameras.c.name).select_from(case_items).join(segments).join(cameras)
        for number, camera in self._database.all(joined):
            cameras_of[number].append(camera)
        rows = self._database.all(select(cases).order_by(cases.c.id.desc()))
        return [_case(row, cameras_of[row.id]) for row in rows]

    def case(self, number: int) -> Case:
        """One case. Raises LookupError where there is none."""
        row = self._database.first(select(cases).where(cases.c.id == number))
        if row is None:
            raise LookupError(f"the site at {self._site.path} has no case {number}")
        return _case(row, [item.camera for item in self.items(number)])

    def items(self, number: int) -> list[CaseItem]:
        """The tracklets of a case, by when they were seen."""
        columns: list[Any] = [segments.c[name] for name in ("kind", "start", "end")]
        columns += [case_items.c.tracklet_id.label("tracklet"), cameras.c.name.label("camera")]
        columns += [case_items.c[name] for name in ("note", "who", "made")]
        joined = select(*columns).select_from(case_items).join(segments).join(cameras)
        wanted = joined.where(case_items.c.case_id == number).order_by(segments.c.start, segments.c.id)
        return [CaseItem(**row._mapping) for row in self._database.all(wanted)]

    def open(self, name: str, note: str, *, who: str) -> int:
        """Makes a case and returns its number. Raises SiteError where the name or note can't be kept."""
        values = {"name": _name(name), "note": _note(note), "who": who, "closed": None}
        with self._database.transaction():
            number = new_number(self._database, cases)
            entry = AuditEntry(time.time(), who, "case open", {"case": number})
            insert_rows(self._database, cases, [{"id": number, "made": entry.time, **values}])
            add_entry(self._database, entry)
        return number

    def change(self, number: int, name: str, note: str, *, who: str) -> None:
        """Gives an open case another name and note. Raises SiteError where they can't be kept, or it is closed."""
        values = {"name": _name(name), "note": _note(note)}
        with self._changing(number):
            update_row(self._database, cases, number, values)
            add_entry(self._database, AuditEntry(time.time(), who, "case change", {"case": number}))

    def add(self, number: int, tracklet: int, note: str, *, who: str) -> None:
        """Adds a tracklet or sighting to an open case. One that is there already gets the note.

        Raises SiteError where there is no such tracklet or the case is closed or full, LookupError without a case.
        """
        note = _note(note)
        with self._changing(number):
            there = select(segments.c.id).where(segments.c.id == tracklet, segments.c.kind.in_(map(str, SEARCHABLE)))
            if self._database.first(there) is None:
                raise SiteError(f"The site at {self._site.path} has no tracklet {tracklet}.")
            entry = AuditEntry(time.time(), who, "case add", {"case": number, "tracklet": tracklet})
            item = self._item(number, tracklet)
            if item is not None:
                update_row(self._database, case_items, item, {"note": note})
            else:
                count = select(func.count()).where(case_items.c.case_id == number)
                if (self._database.first(count) or (0,))[0] >= MOST_ITEMS:
                    raise SiteError(f"A case holds at most {MOST_ITEMS} tracklets: open another one.")
                row: Values = {"id": self._database.next_id(case_items), "case_id": number, "tracklet_id": tracklet}
                row |= {"note": note, "who": who, "made": entry.time}
                insert_rows(self._database, case_items, [row])
            add_entry(self._database, entry)

    def remove(self, number: int, tracklet: int, *, who: str) -> None:
        """Takes a tracklet out of an open case. It stays in the site. Raises SiteError where it is not in the case."""
        with self._changing(number):
            item = self._item(number, tracklet)
            if item is None:
                raise SiteError(f"The case {number} has no tracklet {tracklet}.")
            self._database.execute(delete(case_items).where(case_items.c.id == item))
            details = {"case": number, "tracklet": tracklet}
            add_entry(self._database, AuditEntry(time.time(), who, "case remove", details))

    def close(self, number: int, *, who: str) -> None:
        """Closes a case: it stays to be looked at, and nothing in it changes. One that is closed stays so."""
        with self._database.transaction():
            if self.case(number).closed is None:
                entry = AuditEntry(time.time(), who, "case close", {"case": number})
                update_row(self._database, cases, number, {"closed": entry.time})
                add_entry(self._database, entry)

    def reopen(self, number: int, *, who: str) -> None:
        """Opens a closed case again."""
        with self._database.transaction():
            if self.case(number).closed is not None:
                update_row(self._database, cases, number, {"closed": None})
                add_entry(self._database, AuditEntry(time.time(), who, "case reopen", {"case": number}))

    def erase(
        self,
        number: int,
        *,
        people: bool,
        who: str,
        forgetting: Callable[..., Forgotten] = forget,
        progress: Progress = unheard,
    ) -> CaseErased:
        """Erases a case with its items and notes, for good. Its people stay in the site, unless `people` says so.

        People are erased first, as `app.record.forget.forget` does, or `forgetting`. Raises LookupError where there is
        no case, and StorageError where bytes are left.
        """
        self.case(number)
        items = self.items(number)
        forgotten = None
        if people and items:
            leaving = [item.tracklet for item in items]
            forgotten = forgetting(self._site, who=who, tracklets=leaving, progress=progress)
        with self._database.transaction():
            self._database.execute(delete(case_items).where(case_items.c.case_id == number))
            self._database.execute(delete(cases).where(cases.c.id == number))
            details = {"case": number, "items": len(items), "people": people}
            add_entry(self._database, AuditEntry(time.time(), who, "case erase", details))
        return CaseErased(len(items), forgotten, self._database.forget_deleted())

    def _item(self, number: int, tracklet: int) -> int | None:
        wanted = select(case_items.c.id).where(case_items.c.case_id == number, case_items.c.tracklet_id == tracklet)
        row = self._database.first(wanted)
        return None if row is None else int(row.id)

    @contextmanager
    def _changing(self, number: int) -> Iterator[None]:
        """A transaction around a change of what an open case holds."""
        with self._database.transaction():
            if self.case(number).closed is not None:
                raise SiteError(f"The case {number} is closed: reopen it first.")
            yield


def _case(row: Any, seen_by: list[str]) -> Case:
    names = ("id", "name", "note", "who", "made", "closed")
    return Case(**{name: getattr(row, name) for name in names}, items=len(seen_by), cameras=frozenset(seen_by))


def _name(text: str) -> str:
    text = " ".join(_kept(text, LONGEST_NAME, "name").split())
    if not text:
        raise SiteError("A case needs a name: give it a few words.")
    return text


def _note(text: str) -> str:
    return _kept(text.replace("\r\n", "\n"), LONGEST_NOTE, "note").strip()


def _kept(text: str, longest: int, what: str) -> str:
    """The text, where a record can keep it."""
    if len(text) > longest:
        raise SiteError(f"The {what} has {len(text):,} characters: shorten it to {longest:,}.")
    try:
        text.encode()
    except UnicodeError as error:
        raise SiteError(f"The {what} has characters that are none: type it again.") from error
    if "\0" in text:
        raise SiteError(f"The {what} has a NUL character: type it again.")
    return text
