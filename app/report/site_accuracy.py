"""How well a site knows its people, against truth that somebody has: trajectories, identities, queries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.encoders.versions import serving, store_of
from app.errors import FootageError, SiteError
from app.record import Site
from app.record.rows import lookup
from app.report.motchallenge import tracklet_rows
from app.search.gallery import gallery_of
from trackers.evaluate import evaluate_sequence, people_of
from trackers.motchallenge import FRAME, ID, Rows, read_rows
from trackers.tracklets import Kind

if TYPE_CHECKING:
    from reid.evaluate import ClusteringScores, RetrievalScores

GAP = 1000  # frames between two cameras' rows, where all are one sequence


@dataclass(frozen=True, slots=True)
class Groups:
    """How well groups of tracklets fit people, 0…1, over tracklets that show somebody."""

    nmi: float
    ari: float
    precision: float  # of pairs that are together
    recall: float
    f1: float
    groups: int
    fragments: float  # groups a person, and camera where it is of one camera


@dataclass(frozen=True, slots=True)
class SiteScores:
    """Figures of a site against truth."""

    model: str
    cameras: list[str]
    people: int
    tracklets: int  # that show somebody
    strangers: int  # that are on nobody
    before: Groups  # every tracklet by itself, within cameras
    trajectories: Groups | None  # within cameras; None: nothing was merged
    identities: Groups | None  # across cameras
    idf1: float | None  # of identities' boxes over all cameras as one sequence
    query: RetrievalScores | None  # each tracklet's own embedding against the gallery, but its own camera's tracklets


def evaluate_site(site: Site, truth: Path) -> SiteScores:
    """Compares a site with `truth/<camera>/gt/gt.txt`, where people are numbered alike in all cameras.

    Raises FootageError where there is no truth, SiteError where the site has none of its cameras.
    """
    import torch

    from reid.evaluate import Embeddings, EvaluationError, evaluate_retrieval

    person, rows = _compared(site, truth)
    cameras = list(rows)
    table = site.tracklet_table()
    inside = np.isin(table.cameras, [table.names.index(name) for name in cameras])
    ids, camera_of = table.ids[inside], table.cameras[inside]
    who = np.array([person.get(one, -1) for one in ids.tolist()], np.int64)
    shown = who >= 0
    if not shown.any():
        raise SiteError(f"None of the tracklets of {site.path} is on a person that {truth} knows.")
    here = np.unique(np.stack([camera_of, who], 1), axis=0, return_inverse=True)[1].ravel()
    merge, trajectories, identities, idf1 = site.merge(), None, None, None
    if merge is not None:
        trajectory, identity = merge.of(ids)
        trajectories = _groups(here[shown], trajectory[shown])
        identities = _groups(who[shown], identity[shown])
        idf1 = _idf1(list(rows.values()), dict(zip(ids.tolist(), identity.tolist())))
    model = serving(site)
    gallery = gallery_of(site, model.name)
    row, has = lookup(gallery.ids, ids)
    everyone = Embeddings(torch.from_numpy(gallery.known[row[has]]), np.where(shown, who, -2)[has], camera_of[has])
    own, plain = store_of(site, model.name).load_whole()
    asked = plain[lookup(own, ids[has])[0]].astype(np.float32)  # as a still is: nothing is known of it
    stills = Embeddings(torch.from_numpy(asked), everyone.people, camera_of[has]).where(shown[has])
    try:
        query = evaluate_retrieval(stills, everyone)
    except EvaluationError:
        query = None
    return SiteScores(
        *(model.name, cameras, len(np.unique(who[shown])), int(shown.sum()), int((~shown).sum())),
        *(_groups(here[shown], np.arange(int(shown.sum()))), trajectories, identities, idf1, query),
    )


def people_shown(site: Site, truth: Path) -> dict[int, int]:
    """Tracklet id → who it shows by `truth/<camera>/gt/gt.txt`; those on nobody are left out.

    Raises FootageError where there is no truth, SiteError where the site has none of its cameras.
    """
    return _compared(site, truth)[0]


def _compared(site: Site, truth: Path) -> tuple[dict[int, int], dict[str, tuple[Rows, Rows]]]:
    """Tracklet id → person, and camera → rows of truth and of the site's tracklets, numbered by their ids."""
    files = {path.parents[1].name: path for path in sorted(truth.glob("*/gt/gt.txt"))}
    if not files:
        raise FootageError(
            f"There is no ground truth in {truth}: it should hold <camera>/gt/gt.txt in MOTChallenge columns."
        )
    cameras = [c.camera for c in site.cameras() if c.camera in files]
    if not cameras:
        raise SiteError(f"The site at {site.path} has none of the cameras {', '.join(files)} that {truth} knows.")
    person: dict[int, int] = {}
    rows: dict[str, tuple[Rows, Rows]] = {}
    for camera in cameras:
        known, found = read_rows(files[camera]), tracklet_rows(site, camera)
        numbers = {segment.number: segment.id for segment in site.segments(camera, kind=Kind.TRACKLET)}
        person |= {numbers[number]: who for number, who in people_of(known, found).items()}
        found = found.copy()
        found[:, ID] = [numbers[int(number)] for number in found[:, ID]]
        rows[camera] = known, found
    return person, rows


def _groups(truth: NDArray[np.int64], found: NDArray[np.int64]) -> Groups:
    from reid.evaluate import evaluate_clustering

    scores: ClusteringScores = evaluate_clustering(truth, found)
    pairs = np.unique(np.stack([truth, found]), axis=1)
    return Groups(
        *(scores.nmi, scores.ari, scores.precision, scores.recall, scores.f1),
        groups=len(np.unique(found)),
        fragments=pairs.shape[1] / len(np.unique(truth)),
    )


def _idf1(cameras: list[tuple[Rows, Rows]], identity: dict[int, int]) -> float:
    """IDF1 with all cameras' frames one after the other: who keeps a number in all of them scores."""
    truth, found, offset = [], [], 0.0
    renumbered = {one: k for k, one in enumerate(sorted(set(identity.values())), 1)}
    for known, mine in cameras:
        known, mine = known.copy(), mine.copy()
        last = max(known[:, FRAME].max(initial=0), mine[:, FRAME].max(initial=0))
        known[:, FRAME] += offset
        mine[:, FRAME] += offset
        mine[:, ID] = [renumbered[identity[int(one)]] for one in mine[:, ID]]
        truth.append(known)
        found.append(_once(mine))
        offset += last + GAP
    return evaluate_sequence(np.concatenate(truth), np.concatenate(found)).idf1


def _once(rows: Rows) -> Rows:
    """At most one box of an identity a frame, the first: a merging that claims two is wrong in one of them."""
    _, first = np.unique(rows[:, [FRAME, ID]], axis=0, return_index=True)
    return rows[np.sort(first)]
