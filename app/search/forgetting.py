"""Erasing people together with the kept searches that look for them by a picture.

Searches for a tracklet leave with it. Whom a picture shows is a guess of the serving model. So those that likely show
somebody who leaves are named, and leave where the person who erases says so.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.asking import Progress, unheard
from app.errors import SiteError, StillError, StorageError
from app.record import Site, searches
from app.record.forget import Forgotten, forget, named_tracklets
from app.record.searches import LikelySearch
from app.search.matches import LIKELY
from app.search.searcher import Searcher, Wish
from app.search.still_apart import still_apart

UNKNOWN = "kept searches could not be compared with them ({}): look whether one has a picture of them"


def likely_searches(searcher: Searcher, tracklets: Collection[int]) -> list[LikelySearch]:
    """Kept searches whose picture shows with a probability of LIKELY or more whom some tracklets show.

    The likeliest come first. What is not embedded yet is not compared. A picture that can't be read any more is left
    out.
    """
    among, found = np.array(sorted(tracklets), np.int64), []
    for search in searches.saved(searcher.site.database) if len(among) else ():
        if search.tracklet is not None or not search.has_picture:
            continue
        try:
            picture = searches.picture_of(searcher.site.database, search.id)
            person = searcher.embed([still_apart(picture, Path("The kept picture")).pixels])[0]
        except (StillError, LookupError):  # it was damaged, or just removed
            continue
        _, probabilities = searcher.likely(person, Wish(), among, least=LIKELY)
        if len(probabilities):
            found.append(LikelySearch(search.id, search.name, search.who, float(probabilities[0]), False))
    return sorted(found, key=lambda search: -search.probability)


def forget_people(
    site: Site,
    searcher: Callable[[], Searcher],
    *,
    who: str,
    tracklets: Sequence[int] = (),
    identities: Sequence[int] = (),
    before: float | None = None,
    remove: Collection[int] | None = (),
    progress: Progress = unheard,
) -> Forgotten:
    """Erases as `app.record.forget.forget` does, and names the kept searches that likely look for them by a picture.

    searcher: makes the site ready to be asked, which is only done where such searches are kept. remove: which of those
    searches leave, too, None for all of them. Raises SiteError where something asked for is not there.
    """
    leaving = named_tracklets(site, tracklets, identities)
    if before is not None:
        leaving |= set(site.segments_before(before).tolist())
    likely: list[LikelySearch] = []
    unknown = []
    if any(search.has_picture for search in searches.saved(site.database)):
        try:
            likely = likely_searches(searcher(), leaving)
        except SiteError as error:  # nobody may be kept from erasing by a model that can't be read
            unknown.append(UNKNOWN.format(str(error).rstrip(".")))
    done = forget(site, who=who, tracklets=tracklets, identities=identities, before=before, progress=progress)
    told = []
    for search in likely:
        is_leaving = remove is None or search.id in remove
        if is_leaving:
            try:
                searches.remove(site.database, search.id, who=who)
            except LookupError:  # somebody else removed it
                pass
            except StorageError as error:
                unknown.append(str(error).rstrip("."))
        told.append(replace(search, removed=is_leaving))
    return replace(done, searches=told, left=[*done.left, *unknown])
