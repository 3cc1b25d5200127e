"""Where else was this person? A still, or a tracklet of the site, against all that the site saw."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.errors import SiteError, StillError
from app.record import Site
from app.record.rows import CropRecord
from app.record.settings import read_settings
from app.remarks import Remark
from app.search.matches import Finding, QueryView, percent
from app.search.searcher import Answer, Box, Searcher, Wish, made_ready
from app.search.still import Still, cut, is_grey, people_in
from deploy.detectors.load import load_detector
from reid.pictures import decode_picture

log = logging.getLogger("sightline")

LONGEST_REASON = 200  # characters
NO_COLOUR = "The still shows no colour, so clothes were compared without it."
GREY_WHY = (
    "Encoders compare clothes by their colour, and probabilities are calibrated with it: judge the nearest matches by "
    "eye, or search with a still in colour."
)


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What one still was answered with."""

    site: str
    model: str
    still: str  # SHA-256 of its file, or the tracklet
    asked: float  # UTC seconds
    filters: dict[str, str]
    people: list[Answer]
    audit: str  # hash of this query's entry in the audit, or a later one: it vouches for all before
    remarks: list[Remark]  # on what the still lacks


def query(
    site: Site,
    still: Still | int,
    wish: Wish = Wish(),
    *,
    person: int | None = None,
    box: Box | None = None,
    whole: bool = False,
    detector: str = "shipped",
    ready: Searcher | None = None,
    who: str,
    reason: str = "",
    progress: Progress = unheard,
) -> tuple[QueryReport, Still | None]:
    """Searches the people of a still, or a tracklet of the site by its id.

    The audit notes that `who` did, and the reason, which a site may demand. What the serving model has not embedded yet
    is embedded first.

    person: only this one, from 1 in the order in which people are listed. ready: a searcher of the site as it is now,
    where one is kept, see `app.search.warm`. Raises SiteError, StillError, DetectorError,
    and LookupError where the still shows nobody.
    """
    reason = checked_reason(site, reason)
    searcher = made_ready(site, progress) if ready is None else ready
    asked_at = time.time()
    remarks: list[Remark] = []
    if isinstance(still, int):
        vector, own, without = searcher.tracklet(still)
        name = f"tracklet {still}"
        boxes: list[Box | None] = [None]
        answers = searcher.search(vector[None], wish, who=who, still=name, own=own, without=without, reason=reason)
    else:
        if box is not None:
            box = _scaled(box, 1 / still.reduced)
        name, boxes = still.sha256, _people(still, person, box, whole, detector)
        crops = [still.pixels if box_of_person is None else cut(still.pixels, box_of_person) for box_of_person in boxes]
        answers = searcher.search(searcher.embed(crops), wish, who=who, still=name, own=wish.inside, reason=reason)
        grey = [is_grey(crop) for crop in crops]
        answers = [
            _without_colour(answer) if is_without else answer for answer, is_without in zip(answers, grey, strict=True)
        ]
        boxes = [None if box_of_person is None else _scaled(box_of_person, still.reduced) for box_of_person in boxes]
        remarks += still.remarks
        if any(grey):
            remarks.append(Remark("people in the still without colour", sum(grey), GREY_WHY))
    answers = [replace(answer, box=box_of_person) for answer, box_of_person in zip(answers, boxes, strict=True)]
    model = searcher.model
    report = QueryReport(
        str(site.path), model.name, name, asked_at, wish.filters(), answers, site.audit_head(), remarks
    )
    return report, still if isinstance(still, Still) else None


def checked_reason(site: Site, reason: str) -> str:
    """A reason as the audit keeps it. Raises SiteError where the site demands one and there is none, or it is long."""
    reason = " ".join(reason.split())
    if len(reason) > LONGEST_REASON:
        raise SiteError(f"A reason has at most {LONGEST_REASON} characters.")
    if not reason and read_settings(site.database).reason_required:
        raise SiteError(f"The site at {site.path} demands a reason for each search: give --reason.")
    return reason


def _without_colour(answer: Answer) -> Answer:
    """The answer for a person in grey. That nobody is alike says little then, so it is not said."""
    if answer.finding == Finding.UNSEEN and answer.matches:
        best = percent(max(match.probability for match in answer.matches))
        verdict = f"Nobody can say: nothing is more alike than strangers are (the best match: {best})."
        return replace(answer, finding=Finding.PERHAPS, verdict=f"{verdict} {NO_COLOUR}")
    return replace(answer, verdict=f"{answer.verdict} {NO_COLOUR}")


def _scaled(box: Box, factor: float) -> Box:
    """A box in pixels of the file as one in pixels of a still that was decoded smaller, or the other way round."""
    x1, y1, x2, y2 = (side * factor for side in box)
    return x1, y1, x2, y2


def _people(still: Still, person: int | None, box: Box | None, whole: bool, detector: str) -> list[Box | None]:
    """Where the people to search for are in a still. None where all of it shows one."""
    if box is not None or whole:
        return [box]
    people = people_in(still, load_detector(detector))
    if not len(people.boxes):
        raise LookupError(
            f"{still.path} shows nobody that the detector finds: name the person's place with --box, or search "
            "the picture as it is with --whole."
        )
    boxes: list[Box | None] = [(float(a), float(b), float(c), float(d)) for a, b, c, d in people.boxes]
    if people.whole:
        boxes = [None]
    if person is None:
        return boxes
    if not 1 <= person <= len(boxes):
        raise StillError(f"{still.path} shows {len(boxes)} people: --person is 1 to {len(boxes)}.")
    return [boxes[person - 1]]


def view(site: Site, report: QueryReport, still: Still | None) -> QueryView:
    """What the pictures show: one person's answer. Raises SiteError where the still has several."""
    if len(report.people) != 1:
        raise SiteError(f"The still shows {len(report.people)} people, and a report is of one: choose with --person N.")
    answer = report.people[0]
    box = answer.box
    if still is None:  # a tracklet: its middle crop stands for it
        crops = site.crops(int(report.still.rpartition(" ")[2]))
        if not crops:
            raise SiteError(f"The {report.still} of {site.path} was just erased.")
        pixels = _middle_of(site, crops)
    else:
        pixels = still.pixels
        box = None if box is None else _scaled(box, 1 / still.reduced)
    return QueryView(
        site=report.site,
        model=report.model,
        asked_at=report.asked,
        still=pixels,
        box=box,
        filters=report.filters,
        matches=answer.matches,
        finding=answer.finding,
        verdict=answer.verdict,
        gallery=answer.gallery,
        audit=report.audit,
        remarks=report.remarks,
    )


def _middle_of(site: Site, crops: Sequence[CropRecord]) -> NDArray[np.uint8]:
    """The middle crop `(h, w, 3)` RGB, or that next to it which can be read. Raises SiteError where none can."""
    for k in sorted(range(len(crops)), key=lambda k: abs(k - len(crops) // 2)):
        with suppress(ValueError, OSError):  # `app.site --verify` tells of damage
            return decode_picture(site.crop_jpeg(crops[k]))
    raise SiteError(
        f"The tracklet has no crop that can be read: `python -m app.site --repair --site {site.path}` drops it."
    )
