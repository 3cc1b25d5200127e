"""Erasure: tracklets leave the site for good, with their rows, the bytes of their crops and what derives from them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from app.asking import Progress, unheard
from app.errors import Busy, SiteError
from app.record import Site
from app.record.camera_clocks import drop_clocks_before
from app.record.leases import of_camera as lease_of_camera
from app.record.model_files import BROUGHT
from app.record.rows import AuditEntry, FootageRecord
from app.record.searches import LikelySearch
from app.record.uploads import Uploads


@dataclass(frozen=True, slots=True)
class UploadedFilm:
    """A film in the site's folder that shows who was erased, as `forget` changes no uploaded film."""

    upload: str
    label: str  # what its sender called it
    camera: str
    start: float  # UTC seconds
    seconds: float


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased, and what a look afterwards found of it."""

    segments: int  # pieces of tracks, tracklets among them
    tracklets: int  # or sightings
    crops: int
    crop_bytes: int
    boxes: int
    embeddings: int  # of all models
    adaptations: int  # that were under way: they begin anew
    open_tracks: int  # of theirs that interrupted footage had in sight, and has no more
    recordings: int  # pieces of live cameras' film that lost the seconds in which they were in sight
    models: list[str]  # versions that were trained while the site held them: weights can't be unlearned
    left: list[str]  # what may still hold bytes and can't be reached from here, a sentence each
    looked: list[str]  # where a look afterwards was for them
    found: list[str]  # what that found of them, a sentence each
    same_tracks: list[int]  # tracklets that stay, of tracks that were erased in part: they may show the same person
    films: list[UploadedFilm]  # that were uploaded, and show them still: remove them to be rid of that, too
    searches: list[LikelySearch] = field(default_factory=list)  # see `app.search.forgetting`


def forget(
    site: Site,
    *,
    who: str,
    tracklets: Sequence[int] = (),
    identities: Sequence[int] = (),
    before: float | None = None,
    of_camera: str | None = None,
    progress: Progress = unheard,
) -> Forgotten:
    """Erases tracklets or sightings by id, all of an identity, or all that ended before a time, and notes who did.

    of_camera: only what this camera saw ended before the time.

    Pieces of the same tracks that are neither leave, too, as nobody could name them later. Others of these tracks stay
    where they are not named, as a track may have gone over to somebody else. They are told.

    The time is in UTC seconds. No byte of them is left when it returns, in the record and its log, shards or
    embeddings. None is left in an adaptation that is under way, which begins anew. It looks at these afterwards and
    says what it found. Raises SiteError where something asked for is not there. Then nothing is erased.
    """
    there = set(site.searchable_table().ids.tolist())
    leaving = named_tracklets(site, tracklets, identities)
    with ExitStack() as leases:
        anew: list[FootageRecord] = []
        if before is not None:
            leaving |= set(site.segments_before(before, of_camera).tolist())
            anew = _interrupted(site, before, of_camera, leases)
        gone = leaving & there
        films = _uploaded_films(site, gone)
        same_tracks, pieces = site.of_the_same_tracks(gone)
        leaving |= pieces
        details: dict[str, Any] = {
            "tracklets": len(gone),
            "segments": len(leaving),
            "identities": list(identities),
            "before": before,
        }
        details |= {} if of_camera is None else {"of camera": of_camera}
        entry = AuditEntry(time.time(), who, "forget", details)
        erased = site.erase(sorted(leaving), entry, anew=anew, progress=progress)
        if before is not None:
            drop_clocks_before(site.database, before, of_camera)
    return Forgotten(
        segments=len(leaving),
        tracklets=len(gone),
        models=[
            model.name for model in site.models() if model.name != "base" and model.summary.get("method") != BROUGHT
        ],
        **asdict(erased),
        same_tracks=sorted(same_tracks - leaving),
        films=films,
    )


def named_tracklets(site: Site, tracklets: Collection[int], identities: Collection[int]) -> set[int]:
    """The tracklets and all of the identities. Raises SiteError where one of them is not there."""
    merge = site.merging()
    named = set(tracklets)
    if unknown := named - set(site.searchable_table().ids.tolist()) - site.left_to_erase:  # there a command died
        raise SiteError(f"The site at {site.path} has no tracklet {', '.join(map(str, sorted(unknown)))}.")
    for identity in identities:
        members = [] if merge is None else merge.ids[merge.identities == identity].tolist()
        if not members:
            raise SiteError(
                f"The site at {site.path} has no identity {identity}"
                + ("." if merge is not None else f" yet: `python -m app.merge --site {site.path}` first.")
            )
        named |= set(members)
    return named


def _uploaded_films(site: Site, tracklets: Collection[int]) -> list[UploadedFilm]:
    """Films in the site's folder that show tracklets."""
    table, uploads = site.searchable_table(), Uploads(site.path)
    footage = set(table.footage[np.isin(table.ids, list(tracklets))].tolist())
    return [
        UploadedFilm(upload.id, upload.wish.label, film.camera, film.start, film.seconds)
        for film in site.footage()
        if film.id in footage and (upload := uploads.owner(film.path)) is not None
    ]


def _interrupted(site: Site, before: float, camera: str | None, leases: ExitStack) -> list[FootageRecord]:
    """Footage whose ingest stopped before a time: its checkpoint has pictures of people who were in sight just then.

    Where an ingest goes on with it, these people are not of that time any more.
    """
    stopped = set()
    for name in sorted({record.camera for record in site.interrupted_before(before, camera)}):
        with suppress(Busy):
            leases.enter_context(site.lease(lease_of_camera(name)))
            stopped.add(name)
    return [record for record in site.interrupted_before(before, camera) if record.camera in stopped]
