"""Kept searches, as a visitor may see them: their own, and an administrator all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.engine.crops import as_jpeg
from app.footage.shrunk import shrunk
from app.record import searches
from app.record.searches import SavedSearch, SearchFilters
from app.record.users import Role
from app.search.alerts import wish_of
from app.search.searcher import Wish
from app.search.still import Still, cut
from app.search.still_apart import still_apart
from app.web.alerts.delivery import Alerting
from app.web.errors import Refused
from app.web.stills import Asked
from app.web.visit import Searched, Visit

SIDE, QUALITY = 640, 92  # px of a kept picture's longer side, and of its JPEG


def kept_searches(here: Visit) -> list[SavedSearch]:
    """By name, those of whose person the visitor may see the camera."""
    return [search for search in searches.saved(here.site.database) if _may_use(here, search)]


def kept_search(here: Visit, number: int) -> SavedSearch:
    """One of them. Raises Refused where there is none, or it is another's."""
    try:
        search = searches.saved_one(here.site.database, number)
    except LookupError:
        search = None
    if search is None or not _may_use(here, search):
        raise Refused(404, "There is no such search", "It was removed, or its tracklet was erased.")
    return search


def keep(
    here: Visit, name: str, whom: int | Asked | Still, wish: Wish, *, person: int = 0, alert_from: float | None = None
) -> SavedSearch:
    """Keeps a search. Of a picture only the person is kept, counted from 1, or with 0 all of it.

    Raises Refused where the visitor may not, and SiteError where it can't be.
    """
    if alert_from is not None:
        may_alert(here)
    if isinstance(whom, int):
        here.tracklet(whom)
    subject = whom if isinstance(whom, int) else _person(whom, person)
    filters = SearchFilters(wish.cameras, wish.begin, wish.end)
    return searches.save(
        here.site.database, name, subject, filters, alert_from=alert_from, who=here.who, reason=here.reason
    )


def run_kept(here: Visit, search: SavedSearch, alerting: Alerting, wish: Wish) -> Searched:
    """Asks a kept search again. From now on only what comes later is new. Raises SiteError."""
    if search.tracklet is not None:
        found = here.search(search.tracklet, wish)
    elif search.has_picture:
        still = still_apart(searches.picture_of(here.site.database, search.id), Path("The kept picture"))
        found = here.search(still, wish, whole=True)
    else:
        raise Refused(410, "This search has no picture any more", "Its removal was held up: remove it again.")
    searches.set_opened(here.site.database, search.id)
    alerting.opened(search.id)
    return found


def wish_here(here: Visit, search: SavedSearch, top: int = 20) -> Wish:
    """What a kept search asks for, in the cameras that the visitor may see by now."""
    wanted = [name for name in search.filters.cameras if here.may_see(name)]
    if search.filters.cameras and not wanted:
        raise Refused(404, "There is no camera left that it searches", "Remove it, and keep another one.")
    wish = wish_of(search, here.searched_cameras(wanted))
    return Wish(wish.cameras, wish.begin, wish.end, top=top)


def news_of(here: Visit, kept: Sequence[SavedSearch], alerting: Alerting) -> dict[int, list[int]]:
    """By search, tracklets that came since it was opened and that the visitor may see."""
    return {
        search.id: [tracklet for tracklet, camera in alerting.news(search.id) if here.may_see(camera)]
        for search in kept
    }


def may_alert(here: Visit) -> None:
    """Raises Refused where the visitor may not switch alerts on or off."""
    if here.session.role < Role.OPERATOR:
        raise Refused(403, "Alerts need the role operator", "Keep the search without, or ask an administrator.")


def _may_use(here: Visit, search: SavedSearch) -> bool:
    if search.tracklet is not None and here.session.cameras is not None:
        try:
            if not here.may_see(here.site.searchable(search.tracklet).camera):
                return False
        except LookupError:
            return False
    is_admin = here.session.role >= Role.ADMIN and here.session.cameras is None
    return search.who == here.who or is_admin


def _person(whom: Asked | Still, person: int) -> bytes:
    if isinstance(whom, Still):
        pixels = whom.pixels
    elif person > len(whom.boxes):
        raise Refused(404, "There is no such person", f"The picture shows {len(whom.boxes)}.")
    elif person == 0 or whom.people.whole:
        pixels = whom.still.pixels
    else:
        pixels = cut(whom.still.pixels, whom.people.boxes[person - 1])
    return as_jpeg(shrunk(pixels, SIDE)[0], QUALITY)
