"""Tracklets become trajectories within a camera, and trajectories identities across cameras."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders.seen import seen_tracklets
from app.encoders.versions import calibrate, embed_what_is_new, merge_rules, serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.leases import MERGING
from app.record.rows import AuditEntry, Correction, Merging
from app.search.indexes import build_indexes
from reid.merging import MergeError, in_context, merge_tracklets
from reid.spread import Spread

KEPT = 5  # mergings that can be undone


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What a merging found."""

    tracklets: int
    trajectories: int
    identities: int
    across: int  # identities that were in two cameras or more
    changed: bool  # from the merging before
    method: str
    transits: list[dict[str, Any]]  # from, to, count and seconds: how long people took, learned
    seconds: float


def merge(
    site: Site,
    *,
    who: str,
    method: str = "constrained",
    corrections: Sequence[Correction] = (),
    spread: Spread | None = None,
    progress: Progress = unheard,
) -> MergeReport:
    """Joins all tracklets of the site afresh. What has not changed keeps its numbers.

    corrections: what a person said of pairs, kept and obeyed from now on. Nothing is destroyed: tracklets stay, and the
    last few mergings can be undone. spread: where look-alikes are looked for, None for this process. Raises Busy where
    another process merges. Raises SiteError where there is nothing to merge. Raises SiteError too where corrections
    contradict each other or name what is no pair of tracklets.
    """
    with site.lease(MERGING):
        if corrections:
            site.correct(corrections, who, time.time())
        return _merged(site, who, method, spread, progress)


def undo(site: Site, *, who: str, spread: Spread | None = None) -> bool:
    """Takes back the latest merging. Returns whether an earlier one holds now. Raises SiteError where there is none.

    spread: where look-alikes are looked for, None for this process. The calibration learns from the earlier merging.
    """
    with site.lease(MERGING):
        if not site.undo_merging(AuditEntry(time.time(), who, "merge undone", {})):
            raise SiteError(f"The site at {site.path} has no merging to undo.")
        model = serving(site)
        site.set_calibration(model.name, calibrate(site, model, spread=spread).to_json())
        return site.merging() is not None


def _merged(site: Site, who: str, method: str, spread: Spread | None, progress: Progress) -> MergeReport:
    began = time.monotonic()
    model, before = embed_what_is_new(site, progress), site.merging()
    try:
        seen, names = seen_tracklets(site, store_of(site, model.name)), site.tracklet_table().names
        if not len(seen):
            raise SiteError(
                f"The site at {site.path} has no tracklets to merge: ingest footage with people in it first."
            )
        earlier = (None, None) if before is None else _earlier(before, seen.ids)
        around = in_context(seen, spread)
        within, across = merge_tracklets(
            seen, merge_rules(model), method=method, previous=earlier, around=around, spread=spread
        )
    except MergeError as error:
        raise SiteError(f"{error} (`python -m app.merge --join` or `--split` says otherwise of a pair).") from error
    transits = [
        {
            "from": names[t.origin],
            "to": names[t.destination],
            "count": t.count,
            "median": t.median,
            "p10": t.p10,
            "p90": t.p90,
        }
        for t in across.transit
    ]
    overlapping = [[names[a], names[b]] for a, b in across.overlapping]
    summary = {"transits": transits, "overlapping": overlapping}
    merging_now = Merging(0, time.time(), model.name, {"method": method}, summary, seen.ids, within, across.labels)
    changed = before is None or not _same(before, merging_now)
    if changed:
        entry = AuditEntry(merging_now.made, who, "merge", {"method": method, "tracklets": len(seen.ids)})
        site.add_merging(merging_now, entry, keep=KEPT)
    calibration = calibrate(site, model, afresh=changed, around=around, spread=spread)  # it learns from identities, too
    site.set_calibration(model.name, calibration.to_json())
    build_indexes(site, model.name, progress)
    return MergeReport(
        tracklets=len(seen.ids),
        trajectories=len(np.unique(within)),
        identities=len(np.unique(across.labels)),
        across=_across(across.labels, seen.camera),
        changed=changed,
        method=method,
        transits=transits,
        seconds=round(time.monotonic() - began, 2),
    )


def _earlier(before: Merging, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Trajectories and identities that tracklets had. New ones have -1."""
    trajectories, identities = before.of(ids)
    return trajectories.clip(-1), identities.clip(-1)


def _same(first: Merging, second: Merging) -> bool:
    return first.settings == second.settings and all(
        np.array_equal(getattr(first, name), getattr(second, name)) for name in ("ids", "trajectories", "identities")
    )


def _across(identity: NDArray[np.int64], camera: NDArray[np.int64]) -> int:
    """How many identities were in two cameras or more."""
    pairs = np.unique(np.stack([identity, camera], 1), axis=0)
    return int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())
