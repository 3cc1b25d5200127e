"""Cases hold what somebody collects, each change is noted, and an erased case leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import SiteError
from app.record import Site
from app.record.cases import LONGEST_NAME, LONGEST_NOTE, MOST_ITEMS, Cases
from app.record.forget import forget
from app.record.verify import damage
from tests.app.scenes import bytes_of
from tests.app.sites import People


@pytest.fixture
def figures(path: Path) -> Iterator[Site]:
    with Site.open_to_write(path) as site:
        yield site


def test_a_case_keeps_what_is_put_into_it(figures: Site, who: People) -> None:
    cases, (first, *_, last) = Cases(figures), sorted(who)
    number = cases.open("  The red\n coat ", "seen by\r\nthe door", who="alice")
    cases.add(number, last, "leaves", who="bob")
    cases.add(number, first, "", who="alice")
    cases.add(number, first, "comes", who="alice")
    case = cases.case(number)
    assert (case.name, case.note, case.who, case.closed) == ("The red coat", "seen by\nthe door", "alice", None)
    assert (case.items, case.cameras) == (2, {"camera0", "camera2"})
    items = cases.items(number)
    assert [(item.tracklet, item.note, item.who) for item in items] == [
        (first, "comes", "alice"),
        (last, "leaves", "bob"),
    ]
    piece = figures.searchable(first)
    assert (items[0].camera, items[0].start, items[0].end, items[0].kind) == (
        "camera0",
        piece.start,
        piece.end,
        "tracklet",
    )
    cases.change(number, "Blue coat", "", who="bob")
    cases.remove(number, last, who="bob")
    assert (cases.case(number).name, cases.case(number).note, cases.case(number).items) == ("Blue coat", "", 1)
    other = cases.open("Another", "", who="bob")
    assert [case.id for case in cases.all()] == [other, number]
    assert cases.all()[1] == cases.case(number)
    assert list(damage(figures)) == []
    rows = [entry for entry in figures.audit() if entry.action.startswith("case")]
    said = ["open", "add", "add", "add", "change", "remove", "open"]
    assert [entry.action for entry in rows] == [f"case {word}" for word in said]
    assert rows[1].who == "bob" and rows[1].details == {"case": number, "tracklet": last}
    assert not any("coat" in str(entry.details) for entry in rows)  # as the audit is never erased


def test_a_closed_case_stays_as_it_is(figures: Site, who: People) -> None:
    cases, tracklet = Cases(figures), min(who)
    number = cases.open("Red coat", "", who="alice")
    cases.add(number, tracklet, "", who="alice")
    cases.close(number, who="alice")
    closed = cases.case(number).closed
    assert closed is not None
    cases.close(number, who="bob")
    assert cases.case(number).closed == closed
    for change in (
        lambda: cases.change(number, "x", "", who="alice"),
        lambda: cases.add(number, tracklet, "x", who="alice"),
        lambda: cases.remove(number, tracklet, who="alice"),
    ):
        with pytest.raises(SiteError, match="closed: reopen it"):
            change()
    assert cases.items(number)[0].note == ""
    cases.reopen(number, who="alice")
    cases.reopen(number, who="alice")
    cases.remove(number, tracklet, who="alice")
    assert cases.items(number) == []
    said = [entry.action for entry in figures.audit() if entry.action.startswith("case")]
    assert said == ["case open", "case add", "case close", "case reopen", "case remove"]


def test_what_is_asked_wrongly_changes_nothing(figures: Site, who: People) -> None:
    cases = Cases(figures)
    for name in ("", " \n", "x" * (LONGEST_NAME + 1), "\ud800", "a\0b"):
        with pytest.raises(SiteError):
            cases.open(name, "", who="alice")
    with pytest.raises(SiteError, match="shorten it to 4,000"):
        cases.open("x", "y" * (LONGEST_NOTE + 1), who="alice")
    assert cases.all() == []
    number = cases.open("x", "", who="alice")
    audited = len(figures.audit())
    pieces = [row.id for row in figures.segments() if row.id not in who]
    for tracklet in (0, 2**62, *pieces[:1]):
        with pytest.raises(SiteError, match=f"no tracklet {tracklet}"):
            cases.add(number, tracklet, "", who="alice")
    with pytest.raises(SiteError, match="has no tracklet"):
        cases.remove(number, min(who), who="alice")
    asks: tuple[Callable[[int], object], ...] = (
        cases.case,
        lambda missing: cases.add(missing, min(who), "", who="alice"),
        lambda missing: cases.close(missing, who="alice"),
        lambda missing: cases.reopen(missing, who="alice"),
        lambda missing: cases.erase(missing, people=True, who="alice"),
    )
    for ask in asks:
        for missing in (0, number + 1):
            with pytest.raises(LookupError, match="no case"):
                ask(missing)
    assert len(figures.audit()) == audited and cases.case(number).items == 0


def test_a_case_has_an_end(figures: Site, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ITEMS >= 100
    monkeypatch.setattr("app.record.cases.MOST_ITEMS", 2)
    cases, (a, b, c) = Cases(figures), sorted(who)[:3]
    number = cases.open("x", "", who="alice")
    cases.add(number, a, "", who="alice")
    cases.add(number, b, "", who="alice")
    with pytest.raises(SiteError, match="at most 2"):
        cases.add(number, c, "", who="alice")
    cases.add(number, b, "still may have a note", who="alice")
    assert cases.items(number)[1].note == "still may have a note"


def test_who_is_erased_leaves_the_cases(figures: Site, who: People) -> None:
    cases, (a, b) = Cases(figures), sorted(who)[:2]
    number = cases.open("x", "", who="alice")
    for tracklet in (a, b):
        cases.add(number, tracklet, "", who="alice")
    forget(figures, who="alice", tracklets=[a])
    assert [item.tracklet for item in cases.items(number)] == [b]
    assert cases.case(number).items == 1


def test_an_erased_case_leaves_nothing_and_its_people_stay(figures: Site, who: People) -> None:
    cases, tracklet = Cases(figures), min(who)
    number = cases.open("Sought: zebra", "a note on a giraffe", who="alice")
    cases.add(number, tracklet, "an item with an okapi", who="alice")
    done = cases.erase(number, people=False, who="carol")
    assert (done.items, done.forgotten) == (1, None)
    assert cases.all() == [] and cases.items(number) == []
    left = bytes_of(figures.path)
    assert not any(word in left for word in (b"zebra", b"giraffe", b"okapi"))
    assert figures.searchable(tracklet).id == tracklet
    entry = figures.audit()[-1]
    assert (entry.action, entry.who) == ("case erase", "carol")
    assert entry.details == {"case": number, "items": 1, "people": False}


def test_a_case_may_take_its_people_with_it(figures: Site, who: People) -> None:
    cases, (a, b, kept) = Cases(figures), sorted(who)[:3]
    number = cases.open("x", "", who="alice")
    for tracklet in (a, b):
        cases.add(number, tracklet, "", who="alice")
    done = cases.erase(number, people=True, who="carol")
    assert done.forgotten is not None and done.forgotten.tracklets == 2 and done.forgotten.found == []
    ids = figures.searchable_table().ids.tolist()
    assert a not in ids and b not in ids and kept in ids
    assert [entry.action for entry in figures.audit()[-2:]] == ["forget", "case erase"]
    empty = cases.open("x", "", who="alice")
    assert cases.erase(empty, people=True, who="carol").forgotten is None


def test_no_case_gets_the_number_of_one_that_was(figures: Site) -> None:
    cases = Cases(figures)
    numbers = [cases.open("One", "", who="me"), cases.open("Two", "", who="me")]
    for number in numbers:
        cases.erase(number, people=False, who="me")
    numbers.append(cases.open("Three", "", who="me"))
    cases.erase(numbers[-1], people=False, who="me")
    numbers.append(cases.open("Four", "", who="me"))
    assert numbers == [1, 2, 3, 4]
    assert list(damage(figures)) == []
