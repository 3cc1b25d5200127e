"""How well a site knows its people, against truth that somebody has: trajectories, identities, queries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.encoders.versions import serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.rows import lookup
from app.remarks import Remark
from app.report.motchallenge import read_files, tracklet_rows, truth_files
from app.search.gallery import gallery_of
from trackers.evaluate import evaluate_sequence, people_of
from trackers.motchallenge import FRAME, ID, Rows
from trackers.segments import Kind

if TYPE_CHECKING:
    from reid.evaluate import ClusteringScores, RetrievalScores
    from reid.spread import Spread

GAP = 1000  # frames between two cameras' rows, where all are one sequence
NOBODY = -2  # instead of a person, where a tracklet is on none. A gallery leaves out -1, which is junk.


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
    trajectories: Groups | None  # within cameras. None: nothing was merged
    identities: Groups | None  # across cameras
    idf1: float | None  # of identities' boxes over all cameras as one sequence
    query: RetrievalScores | None  # each tracklet's own embedding against the gallery, but its own camera's tracklets
    remarks: list[Remark]  # on the truth


def evaluate_site(site: Site, truth: Path, spread: Spread | None = None) -> SiteScores:
    """Compares a site with `truth/<camera>/gt/gt.txt`, where people are numbered alike in all cameras.

    spread: where tracklets are searched for, None for this process.

    Raises:
        FootageError: there is no truth.
        SiteError: the site has none of its cameras, or nobody that it knows.
    """
    person_of, rows, remarks = _compared(site, truth)
    cameras = list(rows)
    table = site.tracklet_table()
    inside = np.isin(table.cameras, [table.names.index(name) for name in cameras])
    ids, camera_of = table.ids[inside], table.cameras[inside]
    person = np.array([person_of.get(tracklet_id, NOBODY) for tracklet_id in ids.tolist()], np.int64)
    on_somebody = person != NOBODY
    if not on_somebody.any():
        raise SiteError(f"None of the tracklets of {site.path} is on a person that {truth} knows.")
    person_in_camera = np.unique(np.stack([camera_of, person], 1), axis=0, return_inverse=True)[1].ravel()
    merge, trajectories, identities, idf1 = site.merging(), None, None, None
    if merge is not None:
        trajectory, identity = merge.of(ids)
        trajectories = _groups(person_in_camera[on_somebody], trajectory[on_somebody])
        identities = _groups(person[on_somebody], identity[on_somebody])
        idf1 = _idf1(list(rows.values()), dict(zip(ids.tolist(), identity.tolist())))
    model = serving(site)
    tracklets = int(on_somebody.sum())
    return SiteScores(
        model=model.name,
        cameras=cameras,
        people=len(np.unique(person[on_somebody])),
        tracklets=tracklets,
        strangers=len(ids) - tracklets,
        before=_groups(person_in_camera[on_somebody], np.arange(tracklets)),
        trajectories=trajectories,
        identities=identities,
        idf1=idf1,
        query=_query_scores(site, model.name, ids, person, camera_of, spread),
        remarks=remarks,
    )


def _query_scores(
    site: Site,
    model: str,
    ids: NDArray[np.int64],
    person: NDArray[np.int64],
    camera_of: NDArray[np.int64],
    spread: Spread | None,
) -> RetrievalScores | None:
    """Each tracklet that shows somebody as a query. None where no query has a match."""
    import torch

    from reid.evaluate import Embeddings, EvaluationError, evaluate_retrieval

    gallery = gallery_of(site, model)
    row, embedded = lookup(gallery.ids, ids)
    people, cameras = person[embedded], camera_of[embedded]
    everyone = Embeddings(torch.from_numpy(gallery.drawn[row[embedded]].astype(np.float32)), people, cameras)
    stored_ids, stored = store_of(site, model).load_whole()
    # As a still is: neither what its camera adds nor its identity is known.
    plain = stored[lookup(stored_ids, ids[embedded])[0]].astype(np.float32)
    stills = Embeddings(torch.from_numpy(plain), people, cameras).where(people != NOBODY)
    try:
        return evaluate_retrieval(stills, everyone, spread=spread)
    except EvaluationError:
        return None


def people_shown(site: Site, truth: Path) -> dict[int, int]:
    """Tracklet id → who it shows by `truth/<camera>/gt/gt.txt`. Those on nobody are left out.

    Raises:
        FootageError: there is no truth.
        SiteError: the site has none of its cameras.
    """
    return _compared(site, truth)[0]


def _compared(site: Site, truth: Path) -> tuple[dict[int, int], dict[str, tuple[Rows, Rows]], list[Remark]]:
    """Tracklet id → person, camera → rows of truth and of the site's tracklets, numbered by their ids, and remarks."""
    files = truth_files(truth)
    cameras = [c.camera for c in site.cameras() if c.camera in files]
    if not cameras:
        raise SiteError(f"The site at {site.path} has none of the cameras {', '.join(files)} that {truth} knows.")
    person_of: dict[int, int] = {}
    rows: dict[str, tuple[Rows, Rows]] = {}
    people_by_camera, remarks = read_files({camera: files[camera] for camera in cameras}, "truth")
    for camera, people in people_by_camera.items():
        tracklets = tracklet_rows(site, camera)
        ids = {segment.number: segment.id for segment in site.segments(camera, kind=Kind.TRACKLET)}
        person_of |= {ids[number]: person for number, person in people_of(people, tracklets).items()}
        tracklets[:, ID] = [ids[int(number)] for number in tracklets[:, ID]]
        rows[camera] = people, tracklets
    return person_of, rows, remarks


def _groups(truth: NDArray[np.int64], labels: NDArray[np.int64]) -> Groups:
    from reid.evaluate import evaluate_clustering

    scores: ClusteringScores = evaluate_clustering(truth, labels)
    pairs = np.unique(np.stack([truth, labels]), axis=1)
    return Groups(
        nmi=scores.nmi,
        ari=scores.ari,
        precision=scores.precision,
        recall=scores.recall,
        f1=scores.f1,
        groups=len(np.unique(labels)),
        fragments=pairs.shape[1] / len(np.unique(truth)),
    )


def _idf1(cameras: list[tuple[Rows, Rows]], identity_of: dict[int, int]) -> float:
    """IDF1 with all cameras' frames one after the other: who keeps a number in all of them scores."""
    truth, results, offset = [], [], 0.0
    numbers = {identity: number for number, identity in enumerate(sorted(set(identity_of.values())), 1)}
    for people, tracklets in cameras:
        people, tracklets = people.copy(), tracklets.copy()
        last = max(people[:, FRAME].max(initial=0), tracklets[:, FRAME].max(initial=0))
        people[:, FRAME] += offset
        tracklets[:, FRAME] += offset
        tracklets[:, ID] = [numbers[identity_of[int(tracklet_id)]] for tracklet_id in tracklets[:, ID]]
        truth.append(people)
        results.append(_once(tracklets))
        offset += last + GAP
    return evaluate_sequence(np.concatenate(truth), np.concatenate(results)).idf1


def _once(rows: Rows) -> Rows:
    """At most one box of an identity a frame, the first. A merging that claims two is wrong in one of them."""
    _, first = np.unique(rows[:, [FRAME, ID]], axis=0, return_index=True)
    return rows[np.sort(first)]
