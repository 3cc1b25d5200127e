"""A searcher is kept as long as the site stays as it is."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import app.search.warm
from app.encoders.versions import use
from app.record import Site
from app.record.forget import forget
from app.record.rows import SearchedState
from app.search.merging import merge, undo
from app.search.query import query
from app.search.searcher import Searcher, Wish
from app.search.warm import WarmSearcher
from tests.app.sites import People, add_version, figure_site


def test_it_is_made_anew_once_the_site_changed(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        warm = WarmSearcher(site)
        first = warm.ready()
        assert warm.ready() is first
        query(site, next(iter(who)), ready=first, who="test")
        assert warm.ready() is first
        merge(site, who="test")
        merged = warm.ready()
        assert merged is not first
        undo(site, who="test")
        assert warm.ready() is not merged
        version = add_version(path, "v1")
        before = warm.ready()
        use(site, version.name, who="test")
        switched = warm.ready()
        assert switched is not before and switched.model.name == "v1"
        day = figure_site(path, people=3, cameras=1, day=1)
        grown = warm.ready()
        assert grown is not switched and set(day) <= set(grown.index.ids.tolist())


def test_who_was_erased_is_not_found(path: Path, who: People) -> None:
    asked, *others = [tracklet for tracklet, person in who.items() if person == 0]
    with Site.open_to_write(path) as site:
        warm = WarmSearcher(site)
        report, _ = query(site, asked, Wish(top=1000), ready=warm.ready(), who="test")
        assert {match.tracklet for match in report.people[0].matches} >= set(others[1:])
        forget(site, who="test", tracklets=others)
        report, _ = query(site, asked, Wish(top=1000), ready=warm.ready(), who="test")
        assert not {match.tracklet for match in report.people[0].matches} & set(others)
        assert not set(warm.ready().index.ids.tolist()) & set(others)


def test_those_who_waited_share_the_next_one(path: Path, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even of a site that is another one at each look."""
    begun, go_on = threading.Event(), threading.Event()
    made = []

    def slowly(site: Site) -> Searcher:
        made.append(Searcher(site))
        begun.set()
        assert go_on.wait(20)
        return made[-1]

    states = itertools.count()
    monkeypatch.setattr(app.search.warm, "made_ready", slowly)
    monkeypatch.setattr(Site, "searched_state", lambda _: SearchedState((), next(states), ()))
    with Site.open_to_write(path) as site, ThreadPoolExecutor(6) as threads:
        warm = WarmSearcher(site)
        first = threads.submit(warm.ready)
        assert begun.wait(20)
        waiting = [threads.submit(warm.ready) for _ in range(5)]
        while sum(future.running() for future in waiting) < 5:
            pass
        threading.Event().wait(0.2)  # so that all of them ask before the first one is made
        go_on.set()
        assert first.result() is made[0]
        assert {id(future.result()) for future in waiting} == {id(made[1])}
        assert warm.ready() is made[2] and len(made) == 3
