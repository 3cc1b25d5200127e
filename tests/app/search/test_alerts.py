"""Who was seen again is told once, whoever dies when."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.record import Site, searches
from app.record.forget import forget
from app.record.searches import SavedSearch, SearchFilters
from app.search import alerts
from app.search.alerts import Watcher, still_to, waiting
from app.search.searcher import Searcher
from app.search.warm import WarmSearcher
from tests.app.sites import START, People, figure_site

LEAST = 0.05  # low, since figures of three cameras calibrate nothing
TO = ("webhook", "mqtt")
EVERYWHERE = SearchFilters()


class Kill(BaseException):
    """The process dies here."""


def keep(site: Site, whom: int | bytes, filters: SearchFilters = EVERYWHERE, who: str = "alice") -> SavedSearch:
    return searches.save(site.database, "coat", whom, filters, alert_from=LEAST, who=who)


def person_of(who: People, person: int) -> int:
    return next(tracklet for tracklet, shown in who.items() if shown == person)


def look(site: Site, watcher: Watcher | None = None, **options: object) -> alerts.Looked:
    return (watcher or Watcher(site)).look(WarmSearcher(site).ready(), TO, **options)  # type: ignore[arg-type]


def alerted(site: Site) -> list[dict]:
    return [entry.details for entry in site.audit() if entry.action == "alert"]


def another_day(path: Path) -> People:
    return figure_site(path, people=4, cameras=2, day=1)


def test_what_was_there_alerts_nobody(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        kept = keep(site, person_of(who, 0))
        assert look(site) == alerts.Looked(0, {kept.id: []})
        assert alerted(site) == [] and waiting(site) == []


def test_who_comes_again_alerts_once(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        kept = keep(site, person_of(who, 0))
        day = another_day(path)
        first = look(site)
        assert first.alerts > 0
        told = waiting(site)
        assert {alert.tracklet for alert in told} <= set(day)
        best = max(told, key=lambda alert: alert.probability)
        assert day[best.tracklet] == 0 and still_to(best) == TO and best.camera in ("camera0", "camera1")
        (row,) = alerted(site)
        assert (row["for"], row["search"], row["to"]) == ("alice", "coat", list(TO))
        assert set(row["results"]) == {alert.tracklet for alert in told}
        assert site.audit()[-1].who == "alert"
        assert set(dict(first.news[kept.id])) == set(row["results"])
        again = look(site)
        assert again.alerts == 0 and len(alerted(site)) == 1 and waiting(site) == told
        assert again.news == first.news  # until somebody opens it
        searches.set_opened(site.database, kept.id)
        assert look(site).news == {kept.id: []}


def test_a_picture_alerts_too_and_is_embedded_once(path: Path, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    embed = Searcher.embed
    with Site.open_to_write(path) as site:
        tracklet = person_of(who, 0)
        keep(site, site.crop_jpeg(site.crops(tracklet)[0]))
        another_day(path)
        monkeypatch.setattr(Searcher, "embed", lambda *given: calls.append(1) or embed(*given))
        watcher = Watcher(site)
        assert look(site, watcher).alerts > 0
        look(site, watcher)
        assert len(calls) == 1


def test_filters_and_rights_hold(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        keep(site, person_of(who, 0), SearchFilters(("camera1",)))
        keep(site, person_of(who, 0), SearchFilters(end=START + 86400))
        keep(site, person_of(who, 0), who="bob")
        another_day(path)
        found = look(site, rights=lambda user: {"camera0"} if user == "bob" else None)
        cameras = {
            search.name: {alert.camera for alert in waiting(site) if alert.search.id == search.id}
            for search in searches.saved(site.database)
        }
        assert cameras == {"coat": {"camera1"}, "coat 2": set(), "coat 3": {"camera0"}}
        assert found.alerts == len(waiting(site))
        bobs = searches.saved_one(site.database, 3)
        assert {camera for _, camera in found.news[bobs.id]} == {"camera0"}


@pytest.mark.parametrize("place", ["set_looked", "add_entry"])
def test_a_death_before_it_is_written_loses_and_doubles_nothing(
    path: Path, who: People, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with Site.open_to_write(path) as site:
        keep(site, person_of(who, 0))
        another_day(path)

        def die(*_: object) -> None:
            raise Kill

        where = searches if place == "set_looked" else alerts
        with monkeypatch.context() as killing:
            killing.setattr(where, place, die)
            with pytest.raises(Kill):
                look(site)
        assert alerted(site) == [] and waiting(site) == []
    with Site.open_to_write(path) as site:
        number = look(site).alerts
        assert number == len(waiting(site)) > 0
        assert look(site).alerts == 0 and len(alerted(site)) == 1


def test_a_death_after_it_is_written_keeps_what_waits(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        kept = keep(site, person_of(who, 0))
        another_day(path)
        look(site)
    with Site.open_to_write(path) as site:
        first, *others = waiting(site)
        searches.set_delivered(site.database, kept.id, first.tracklet, "webhook")
    with Site.open_to_write(path) as site:
        again, *rest = waiting(site)
        assert still_to(again) == ("mqtt",)
        assert [alert.tracklet for alert in rest] == [alert.tracklet for alert in others]


def test_who_was_erased_is_told_of_no_more(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        kept = keep(site, site.crop_jpeg(site.crops(person_of(who, 0))[0]))
        another_day(path)
        look(site)
        gone, *others = waiting(site)
        forget(site, who="test", tracklets=[gone.tracklet])
        assert {alert.tracklet for alert in waiting(site)} == {alert.tracklet for alert in others}
        waits = searches.saved_one(site.database, kept.id).told.waiting
        assert gone.tracklet not in {alert.tracklet for alert in waits}


def test_a_search_that_can_not_be_asked_holds_up_no_other(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        broken = keep(site, b"\xff\xd8 no picture")
        kept = keep(site, person_of(who, 0))
        another_day(path)
        found = look(site)
        assert found.alerts > 0 and set(found.news) == {kept.id}
        assert broken.id not in found.news


def test_of_very_many_the_most_probable_are_told(path: Path, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    with Site.open_to_write(path) as site:
        keep(site, person_of(who, 0))
        another_day(path)
        monkeypatch.setattr(alerts, "MOST_AT_ONCE", 1)
        assert look(site).alerts == 1
        (row,) = alerted(site)
        assert len(row["results"]) == 1 and row["more that are not told"] > 0


def test_nowhere_to_tell_waits_for_nothing(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        keep(site, person_of(who, 0))
        another_day(path)
        found = Watcher(site).look(WarmSearcher(site).ready(), ())
        assert found.alerts > 0 and waiting(site) == [] and len(alerted(site)) == 1
