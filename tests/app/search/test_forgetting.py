"""Who is erased is named with the kept searches and uploaded films that still show them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.errors import SiteError
from app.record import Site, searches
from app.record.searches import SavedSearch, SearchFilters
from app.search.forgetting import forget_people, likely_searches
from app.search.searcher import Searcher
from tests.app.scenes import bytes_of
from tests.app.sites import People


@pytest.fixture
def figures(path: Path) -> Iterator[Site]:
    with Site.open_to_write(path) as site:
        yield site


def tracklets_of(who: People, person: int) -> list[int]:
    return sorted(tracklet for tracklet, shown in who.items() if shown == person)


def keep(site: Site, tracklet: int, name: str) -> SavedSearch:
    """Keeps a search by a picture of whom a tracklet shows."""
    picture = site.crop_jpeg(site.crops(tracklet)[0])
    return searches.save(site.database, name, picture, SearchFilters(), who="guard")


def test_searches_by_pictures_of_them_are_named_and_stay(figures: Site, who: People) -> None:
    leaving, other = tracklets_of(who, 3), tracklets_of(who, 8)
    of_them, of_another = keep(figures, leaving[-1], "visitor"), keep(figures, other[0], "another")
    searches.save(figures.database, "number", leaving[-1], SearchFilters(), who="guard")
    found = likely_searches(Searcher(figures), leaving)
    assert [search.id for search in found] == [of_them.id]
    assert (found[0].name, found[0].who, found[0].removed) == ("visitor", "guard", False)
    assert found[0].probability >= 0.5
    done = forget_people(figures, partial(Searcher, figures), who="me", tracklets=leaving, remove=[of_another.id])
    assert done.searches == found and done.tracklets == len(leaving)
    left = {search.id for search in searches.saved(figures.database)}
    assert left == {of_them.id, of_another.id}  # that by the tracklet left with it, and that of another is not theirs


def test_they_leave_with_their_bytes_where_that_is_said(figures: Site, who: People) -> None:
    leaving = tracklets_of(who, 3)
    kept, other = keep(figures, leaving[-1], "visitor"), keep(figures, tracklets_of(who, 8)[0], "another")
    picture = searches.picture_of(figures.database, kept.id)
    done = forget_people(figures, partial(Searcher, figures), who="me", tracklets=leaving, remove=None)
    assert [(search.id, search.removed) for search in done.searches] == [(kept.id, True)]
    assert searches.saved(figures.database) == [other]
    assert (figures.audit()[-1].action, figures.audit()[-1].who) == ("remove search", "me")
    assert picture not in bytes_of(figures.path)


def test_without_such_searches_no_model_is_opened(figures: Site, who: People) -> None:
    def never() -> Searcher:
        raise AssertionError("nothing is compared")

    done = forget_people(figures, never, who="me", tracklets=tracklets_of(who, 1))
    assert done.searches == [] and done.films == []


def test_a_model_that_cannot_be_read_keeps_nobody_from_erasing(figures: Site, who: People) -> None:
    def broken() -> Searcher:
        raise SiteError("The model is damaged.")

    leaving = tracklets_of(who, 3)
    keep(figures, leaving[0], "visitor")
    done = forget_people(figures, broken, who="me", tracklets=leaving)
    assert done.tracklets == len(leaving)
    assert "could not be compared with them (The model is damaged)" in done.left[-1]
