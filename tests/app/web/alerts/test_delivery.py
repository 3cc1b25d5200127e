"""A server's alerts: taken at least once, tried again, given up after a day, and by one process of a site."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.record import Site, searches
from app.record.alert_settings import WEBHOOK, AlertSettings, write_alert_settings
from app.record.forget import forget
from app.record.leases import ALERTING
from app.record.searches import SearchFilters
from app.search.alerts import waiting
from app.search.warm import WarmSearcher
from app.web.alerts import delivery as module
from app.web.alerts.delivery import FIRST_PAUSE, MOST_REFUSALS, Alerting
from app.web.alerts.webhook import NotTaken
from tests.app.sites import People, figure_site
from tests.app.web.conftest import Clock

URL, SECRET = "https://hooks.example/TOP", "sixteen-letters-or-more"
LEAST = 0.05


class Hook:
    """A webhook that takes what comes, or raises what it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.options: list[dict[str, Any]] = []
        self.tries = 0
        self.before: BaseException | None = None
        self.after: BaseException | None = None

    def __call__(self, url: str, secret: str, content: dict[str, Any], **options: Any) -> None:
        assert (url, secret) == (URL, SECRET)
        self.tries += 1
        if self.before is not None:
            raise self.before
        self.taken.append(content)
        self.options.append(options)
        if self.after is not None:
            raise self.after


class Kill(BaseException):
    """The process dies here."""


@pytest.fixture
def site(path: Path) -> Iterator[Site]:
    figure_site(path, people=6, cameras=2)
    with Site.open_to_write(path) as opened:
        settings = AlertSettings(webhook_url=URL, webhook_secret=SECRET, address="https://site.example/")
        write_alert_settings(opened.database, settings, who="root")
        yield opened


def keep(site: Site) -> searches.SavedSearch:
    (first, *_) = site.searchable_table().ids.tolist()
    return searches.save(site.database, "coat", first, SearchFilters(), alert_from=LEAST, who="alice")


def another_day(site: Site) -> People:
    return figure_site(site.path, people=4, cameras=2, day=1)


def alerting_of(site: Site, hook: Hook, clock: Clock | None = None, **options: Any) -> Alerting:
    return Alerting(site, WarmSearcher(site), clock=clock or Clock(), post=hook, **options)


def test_an_alert_goes_to_the_webhook_once(site: Site) -> None:
    kept, hook, counted = keep(site), Hook(), []
    alerting = alerting_of(site, hook, count=lambda to, result: counted.append((to, result)))
    alerting.step()
    assert hook.taken == [] and alerting.news(kept.id) == []
    day = another_day(site)
    alerting.step()
    assert hook.taken and {content["tracklet"] for content in hook.taken} <= set(day)
    assert waiting(site) == [] and set(counted) == {(WEBHOOK, "taken")} and len(counted) == len(hook.taken)
    best = max(hook.taken, key=lambda content: content["probability"])
    assert day[best["tracklet"]] == 0 and best["search"] == "coat" and best["camera"] in ("camera0", "camera1")
    assert best["start"].startswith("2026-11-21T14:3") and best["start"].endswith("Z")
    assert best["link"] == f"https://site.example/tracklets/{best['tracklet']}"
    assert "picture" not in best and hook.options[0]["delivery"] == hook.taken[0]["id"]
    assert hook.options[0]["private"] is False
    assert len(alerting.news(kept.id)) == len(hook.taken)
    before = hook.tries
    alerting.step()
    assert hook.tries == before
    alerting.opened(kept.id)
    assert alerting.news(kept.id) == []


def test_a_picture_goes_along_only_where_it_is_asked_for(site: Site) -> None:
    settings = AlertSettings(webhook_url=URL, webhook_secret=SECRET, webhook_picture=True)
    write_alert_settings(site.database, settings, who="root")
    keep(site)
    another_day(site)
    hook = Hook()
    alerting_of(site, hook).step()
    crops = site.crops(hook.taken[0]["tracklet"])
    assert base64.b64decode(hook.taken[0]["picture"]) in [site.crop_jpeg(crop) for crop in crops]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_while_it_is_taken_loses_nothing(site: Site, moment: str) -> None:
    keep(site)
    another_day(site)
    dying = Hook()
    setattr(dying, moment, Kill())
    killed = alerting_of(site, dying)
    with pytest.raises(Kill):
        killed.step()
    killed.stop()  # as the system gives a dead process's lease back
    number = len(waiting(site))
    hook = Hook()
    alerting_of(site, hook).step()
    ids = [content["id"] for content in hook.taken]
    assert len(ids) == len(set(ids)) == number and waiting(site) == []
    # One that was taken, and not noted, comes again under the same name: at least once, then.
    assert [content["id"] for content in dying.taken] == ([ids[0]] if moment == "after" else [])
    assert len([entry for entry in site.audit() if entry.action == "alert"]) == 1


def test_what_is_not_taken_is_tried_again_after_longer_pauses(site: Site) -> None:
    keep(site)
    another_day(site)
    hook, clock = Hook(), Clock()
    alerting = alerting_of(site, hook, clock)
    hook.before = NotTaken("https://hooks.example answered 503")
    tried = []
    for _ in range(40):
        before = hook.tries
        alerting.step()
        tried += [clock.seconds] * (hook.tries - before)
        clock.seconds += FIRST_PAUSE
    assert tried == [0.0, 5.0, 15.0, 35.0, 75.0, 155.0]
    assert alerting.problems() == {WEBHOOK: "https://hooks.example answered 503"}
    number = len(waiting(site))
    hook.before = None
    alerting.changed()
    alerting.step()
    assert len(hook.taken) == number and alerting.problems() == {}


def test_what_is_refused_again_and_again_holds_up_no_other(site: Site) -> None:
    keep(site)
    another_day(site)
    hook, clock, counted = Hook(), Clock(), []
    alerting = alerting_of(site, hook, clock, count=lambda to, result: counted.append(result))
    hook.before = NotTaken("https://hooks.example answered 400", lasting=True)
    for _ in range(MOST_REFUSALS):
        alerting.step()
        clock.seconds += 3600.0
    assert counted == ["failed"] * MOST_REFUSALS + ["given up"]
    given_up = [entry for entry in site.audit() if entry.action == "alert given up"]
    assert len(given_up) == 1 and given_up[0].who == "alert" and given_up[0].details["for"] == "alice"
    hook.before = None
    left = len(waiting(site))
    clock.seconds += 3600.0
    alerting.step()
    assert len(hook.taken) == left > 0
    assert given_up[0].details["results"][0] not in {content["tracklet"] for content in hook.taken}


def test_after_a_day_it_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(site)
    another_day(site)
    hook, clock, counted = Hook(), Clock(), []
    hook.before = NotTaken("away")
    alerting = alerting_of(site, hook, clock, count=lambda to, result: counted.append(result))
    alerting.step()
    monkeypatch.setattr(module, "DAY", -1.0)
    number = len(waiting(site))
    alerting.step()
    assert waiting(site) == [] and counted == ["failed"] + ["given up"] * number


def test_a_place_that_is_no_more_is_waited_for_no_more(site: Site) -> None:
    keep(site)
    another_day(site)
    hook = Hook()
    hook.before = NotTaken("away")
    alerting = alerting_of(site, hook)
    alerting.step()
    assert waiting(site)
    write_alert_settings(site.database, AlertSettings(), who="root")
    alerting.step()
    assert waiting(site) == []


def test_who_is_erased_before_it_is_taken_is_told_of_no_more(site: Site) -> None:
    keep(site)
    day = another_day(site)
    hook, clock = Hook(), Clock()
    hook.before = NotTaken("away")
    alerting = alerting_of(site, hook, clock)
    alerting.step()
    forget(site, who="test", tracklets=sorted(day))
    hook.before = None
    clock.seconds += 3600.0
    alerting.step()
    assert hook.taken == [] and waiting(site) == []


def test_one_process_alerts_and_the_next_goes_on(site: Site) -> None:
    kept = keep(site)
    with Site.open_to_write(site.path) as other:
        first, second = Hook(), Hook()
        one, two = alerting_of(site, first), alerting_of(other, second)
        one.step()
        two.step()
        another_day(site)
        two.step()
        assert second.taken == [] and len(two.news(kept.id)) > 0  # it counts what is new, no more
        assert waiting(site) == []
        one.stop()
        two.step()
        assert second.taken and first.taken == []


def test_it_rests_after_a_look(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(site)
    clock, looks = Clock(), []

    def slow(*_: object, **__: object) -> module.Watcher:
        looks.append(clock.seconds)
        clock.seconds += 4.0
        return look(*_, **__)

    alerting = alerting_of(site, Hook(), clock)
    look = alerting._watcher.look
    monkeypatch.setattr(alerting._watcher, "look", slow)
    alerting.step()
    another_day(site)
    for _ in range(10):
        clock.seconds += 3.0
        alerting.step()
    assert len(looks) == 2 and looks[1] - 4.0 >= module.REST * 4.0


def test_the_thread_looks_by_itself_and_survives_errors(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.02)
    keep(site)
    hook, failed = Hook(), threading.Event()
    alerting = alerting_of(site, hook)
    state = site.searched_state

    def broken() -> Any:
        monkeypatch.setattr(site, "searched_state", state)
        failed.set()
        raise RuntimeError("for once")

    monkeypatch.setattr(site, "searched_state", broken)
    another_day(site)
    alerting.start()
    try:
        limit = time.monotonic() + 20
        while not hook.taken and time.monotonic() < limit:
            time.sleep(0.02)
        assert failed.is_set() and hook.taken
        (entry,) = [entry for entry in site.audit() if entry.action == "alert"]
        assert (entry.who, entry.session) == ("alert", "server")
    finally:
        alerting.stop()
    with site.lease(ALERTING):
        pass
