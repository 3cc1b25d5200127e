"""Kept searches: names, what is new since, and pictures whose bytes are gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import SiteError, StorageError
from app.record import Site, searches
from app.record.database import FILE
from app.record.looking import patterns_in
from app.record.rows import AuditEntry
from app.record.searches import SearchFilters, Waiting
from app.record.verify import damage
from tests.app.record.test_site import filled
from tests.app.records import on_postgres

EVERYWHERE = SearchFilters()
PICTURE = b"\xff\xd8" + bytes(range(256)) * 40 + b"\xff\xd9"


def last_action(site: Site) -> tuple[str, str]:
    return site.audit()[-1].who, site.audit()[-1].action


def test_a_kept_search_comes_back_as_it_was(site: Site, tmp_path: Path) -> None:
    a, *_ = filled(site, tmp_path)
    filters = SearchFilters(("hall", 'back "door"'), 100.0, None)
    of_tracklet = searches.save(site.database, " red   coat ", a, filters, alert_from=0.7, who="alice")
    of_picture = searches.save(site.database, "visitor", PICTURE, EVERYWHERE, who="bob")
    assert (of_tracklet.name, of_tracklet.tracklet, of_tracklet.has_picture) == ("red coat", a, False)
    assert searches.saved(site.database) == [of_tracklet, of_picture]
    assert searches.picture_of(site.database, of_picture.id) == PICTURE
    for number in (of_tracklet.id, 99):
        with pytest.raises(LookupError):
            searches.picture_of(site.database, number)
    assert last_action(site) == ("bob", "save search")
    assert list(damage(site)) == []


def test_a_name_that_is_taken_gets_a_number(site: Site, tmp_path: Path) -> None:
    a, b, *_ = filled(site, tmp_path)
    names = [searches.save(site.database, "coat", whom, EVERYWHERE, who="me").name for whom in (a, b, PICTURE)]
    assert names == ["coat", "coat 2", "coat 3"]


@pytest.mark.parametrize("name", ["", " \t ", "x" * 81, "a\x00b", "a\u202eb"])
def test_a_name_must_be_one(site: Site, name: str) -> None:
    with pytest.raises(SiteError, match="needs a name"):
        searches.save(site.database, name, PICTURE, EVERYWHERE, who="me")
    assert site.audit() == []


def test_what_can_not_be_kept_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for whom, why in ((5, "no tracklet 5"), (b"", "at most"), (bytes(2**20 + 1), "at most")):
        with pytest.raises(SiteError, match=why):
            searches.save(site.database, "x", whom, EVERYWHERE, who="me")
    for alert_from in (0.0, -1.0, 1.01, float("nan")):
        with pytest.raises(SiteError, match="from a probability"):
            searches.save(site.database, "x", PICTURE, EVERYWHERE, alert_from=alert_from, who="me")
    monkeypatch.setattr(searches, "MOST", 1)
    searches.save(site.database, "x", PICTURE, EVERYWHERE, who="me")
    with pytest.raises(SiteError, match="remove one first"):
        searches.save(site.database, "y", PICTURE, EVERYWHERE, who="me")


def test_a_removed_picture_leaves_no_byte(site: Site) -> None:
    kept = searches.save(site.database, "visitor", PICTURE, EVERYWHERE, who="alice")
    other = searches.save(site.database, "other", PICTURE[::-1], EVERYWHERE, who="alice")
    files = [] if on_postgres() else [site.path / FILE, site.path / f"{FILE}-wal"]
    part = {PICTURE[100:400]}
    assert on_postgres() or any(patterns_in(path, part) for path in files)
    searches.remove(site.database, kept.id, who="alice")
    assert not any(patterns_in(path, part) for path in files)
    assert searches.saved(site.database) == [other]
    assert last_action(site) == ("alice", "remove search")
    with pytest.raises(LookupError):
        searches.remove(site.database, kept.id, who="alice")


def test_a_removal_that_is_held_up_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = searches.save(site.database, "visitor", PICTURE, EVERYWHERE, alert_from=0.5, who="alice")

    def held_up() -> list[str]:
        raise StorageError("another program reads")

    with monkeypatch.context() as held:
        held.setattr(site.database, "forget_deleted", held_up)
        with pytest.raises(StorageError):
            searches.remove(site.database, kept.id, who="alice")
    left = searches.saved_one(site.database, kept.id)
    assert (left.tracklet, left.has_picture, left.alert_from) == (None, False, None)
    searches.remove(site.database, kept.id, who="alice")
    assert searches.saved(site.database) == []


def test_a_search_leaves_with_its_tracklet(site: Site, tmp_path: Path) -> None:
    a, b, *_ = filled(site, tmp_path)
    for whom in (a, b):
        searches.save(site.database, "coat", whom, EVERYWHERE, who="me")
    site.erase([a], AuditEntry(9.0, "me", "forget", {}))
    assert [search.tracklet for search in searches.saved(site.database)] == [b]


def test_what_was_there_is_not_new(site: Site, tmp_path: Path) -> None:
    a, *_ = filled(site, tmp_path)
    there = searches.latest(site.database)
    assert there and max(there.values()) > 1
    kept = searches.save(site.database, "coat", a, EVERYWHERE, alert_from=0.5, who="me")
    assert (kept.told.looked, kept.told.opened) == (there, there)
    with site.database.transaction():
        assert searches.set_looked(site.database, kept.id, {1: 0}, (Waiting(a, 0.9, 1.0, ("webhook", "mqtt")),))
    searches.set_opened(site.database, kept.id)
    told = searches.saved_one(site.database, kept.id).told
    assert (told.looked, told.opened, len(told.waiting)) == (there, there, 1)  # never back
    searches.set_delivered(site.database, kept.id, a, "webhook")
    assert searches.saved_one(site.database, kept.id).told.waiting == (Waiting(a, 0.9, 1.0, ("mqtt",)),)
    searches.set_delivered(site.database, kept.id, a, "mqtt")
    assert searches.saved_one(site.database, kept.id).told.waiting == ()


def test_alerts_that_are_switched_off_wait_no_more(site: Site, tmp_path: Path) -> None:
    a, *_ = filled(site, tmp_path)
    kept = searches.save(site.database, "coat", a, EVERYWHERE, alert_from=0.5, who="me")
    waiting = Waiting(a, 0.9, 1.0, ("mqtt",))
    with site.database.transaction():
        searches.set_looked(site.database, kept.id, {}, (waiting,))
    assert searches.set_alert(site.database, kept.id, 0.8, who="me").told.waiting == (waiting,)
    off = searches.set_alert(site.database, kept.id, None, who="bob")
    assert off == searches.saved_one(site.database, kept.id) and off.told.waiting == ()
    assert last_action(site) == ("bob", "set alert")
    with site.database.transaction():
        assert not searches.set_looked(site.database, kept.id, {}, (waiting,))
        assert not searches.set_looked(site.database, 99, {}, (waiting,))
    searches.set_delivered(site.database, 99, a, "mqtt")
    assert searches.saved_one(site.database, kept.id).told.waiting == ()


def test_the_oldest_alerts_leave_for_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "MOST_WAITING", 3)
    kept = searches.save(site.database, "x", PICTURE, EVERYWHERE, alert_from=0.5, who="me")
    some = tuple(Waiting(k, 0.9, float(k), ("mqtt",)) for k in range(5))
    with site.database.transaction():
        searches.set_looked(site.database, kept.id, {}, some)
    assert searches.saved_one(site.database, kept.id).told.waiting == some[2:]


def test_its_key_is_another_where_a_number_is_given_again(site: Site) -> None:
    kept = searches.save(site.database, "x", PICTURE, EVERYWHERE, who="me")
    assert kept.key != replace(kept, made=kept.made + 0.002).key
    assert kept.key.startswith(f"{kept.id}-")


def test_no_search_gets_the_number_of_one_that_was(site: Site, tmp_path: Path) -> None:
    a, *_ = filled(site, tmp_path)
    numbers = []
    for whom in (PICTURE, a, PICTURE):
        numbers.append(searches.save(site.database, "coat", whom, EVERYWHERE, who="me").id)
        searches.remove(site.database, numbers[-1], who="me")
    assert numbers == [1, 2, 3]
    assert list(damage(site)) == []
