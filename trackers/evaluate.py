"""How good tracks are: HOTA, CLEAR-MOT and IDF1 by TrackEval's metrics, and the purity of tracklets by ours.

MOTChallenge's preprocessing is applied first. Results on distractors (classes 2, 7, 8, 12) are dropped. Truth that is
not a pedestrian (class 1) or is marked to be ignored does not count. Truth without classes (MOT15: -1) keeps every
considered row.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from trackers.detections import iou
from trackers.motchallenge import CLASS, CONFIDENCE, CONSIDERED, FRAME, ID, VISIBILITY, Rows, boxes_of

PEDESTRIAN = 1
DISTRACTORS = (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
MATCH_IOU = 0.5
ROUNDING = float(np.finfo(float).eps)  # what TrackEval allows an IoU to miss its threshold by
GOES_ON = 1000.0  # what outweighs any IoU


@cache
def _trackeval() -> dict[str, Any]:
    """TrackEval's own, which is imported only to measure."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # TrackEval can plot, we never do
    from trackeval.metrics import CLEAR, HOTA, Identity

    return {
        "HOTA": HOTA(),
        "CLEAR": CLEAR({"PRINT_CONFIG": False, "THRESHOLD": MATCH_IOU}),
        "Identity": Identity({"PRINT_CONFIG": False, "THRESHOLD": MATCH_IOU}),
    }


@dataclass(frozen=True, slots=True)
class TrackingMetrics:
    """Figures of one camera, or of several taken together. All but the counts are 0..1."""

    hota: float
    deta: float
    assa: float
    mota: float
    idf1: float
    idsw: int
    truth_boxes: int
    result_boxes: int
    raw: dict[str, Any]  # TrackEval's own results, which `combine` adds up


@dataclass(frozen=True, slots=True)
class PurityCounts:
    """What purity is made of."""

    tracklets: int  # with at least one box of a person
    mixed_tracklets: int  # that hold boxes of two people or more
    people: int  # who appear in at least one tracklet
    appearances: int  # pairs of a tracklet and a person that it shows
    boxes: int
    matched_boxes: int  # that show a person
    main_boxes: int  # that show their tracklet's main person


@dataclass(frozen=True, slots=True)
class PurityMetrics:
    """How far each tracklet holds one person only.

    A box shows the person it is matched with at IoU ≥ 0.5. That is as CLEAR-MOT does it (Bernardin & Stiefelhagen
    2008). A tracklet and its person stay matched while that holds. Only then is the highest total IoU looked for. So a
    tracklet is mixed when it really leaves its person, not when somebody passes close by.
    """

    tracklets: int  # with at least one box of a person
    purity: float  # share of the matched boxes that show their tracklet's main person
    mixed: float  # share of tracklets that hold a box of anybody else
    tracklets_a_person: float
    people: int  # who appear in at least one tracklet
    matched_boxes: int
    unmatched: float  # share of all boxes that match nobody: false or badly placed
    counts: PurityCounts  # which `combine_purity` adds up


@dataclass(frozen=True, slots=True)
class _Matched:
    """One camera's rows by frame, after preprocessing, ids renumbered from 0."""

    truth_ids: list[NDArray[np.int64]]
    result_ids: list[NDArray[np.int64]]
    similarity: list[NDArray[np.float64]]
    visible: list[NDArray[np.float64]]  # share of each truth box that is not hidden behind others
    confidences: list[NDArray[np.float64]]
    people: NDArray[np.int64]  # what truth calls number 0, 1, 2…
    tracks: NDArray[np.int64]  # what the results call number 0, 1, 2…

    def for_trackeval(self) -> dict[str, Any]:
        return {
            "gt_ids": self.truth_ids,
            "tracker_ids": self.result_ids,
            "similarity_scores": self.similarity,
            "tracker_confidences": self.confidences,
            "num_timesteps": len(self.truth_ids),
            "num_gt_ids": _count(self.truth_ids),
            "num_tracker_ids": _count(self.result_ids),
            "num_gt_dets": sum(map(len, self.truth_ids)),
            "num_tracker_dets": sum(map(len, self.result_ids)),
        }


def evaluate_sequence(truth: Rows, results: Rows) -> TrackingMetrics:
    """Figures of one camera's results, both as MOTChallenge rows."""
    data = _match(truth, results).for_trackeval()
    return _metrics({name: metric.eval_sequence(data) for name, metric in _trackeval().items()})


def combine(sequences: Sequence[TrackingMetrics]) -> TrackingMetrics:
    """The figures of several cameras as one, as MOTChallenge combines sequences: from sums of counts, no mean."""
    return _metrics(
        {
            name: metric.combine_sequences(
                {str(number): sequence.raw[name] for number, sequence in enumerate(sequences)}
            )
            for name, metric in _trackeval().items()
        }
    )


def evaluate_purity(truth: Rows, tracklets: Rows, *, each_frame: bool = False) -> PurityMetrics:
    """Purity of one camera's tracklets.

    Args:
        truth: MOTChallenge rows.
        tracklets: MOTChallenge rows, their ids are the tracklets'.
        each_frame: Matches afresh in every frame. That is stricter: a box on two people who overlap changes sides.
    """
    data = _match(truth, tracklets)
    tracklet, person = _appearances(data, each_frame)
    shown, boxes = np.unique(np.stack([tracklet, person]), axis=1, return_counts=True)  # one column an appearance
    order = np.lexsort((-boxes, shown[0]))
    first = np.unique(shown[0, order], return_index=True)[1]  # each tracklet's main person comes first
    return _purity(
        PurityCounts(
            tracklets=len(first),
            mixed_tracklets=int((np.bincount(shown[0]) > 1).sum()),
            people=len(np.unique(person)),
            appearances=shown.shape[1],
            boxes=sum(map(len, data.result_ids)),
            matched_boxes=len(tracklet),
            main_boxes=int(boxes[order][first].sum()),
        )
    )


def people_of(truth: Rows, tracklets: Rows) -> dict[int, int]:
    """The person that each of one camera's tracklets shows most, by id. Tracklets that show nobody are left out.

    A box counts for each person whom it fits with an IoU of at least 0.5. It counts by its IoU times how much of them
    is seen, where truth tells it. Who walks hidden behind somebody has nearly the same box, but the pictures show the
    one in front.
    """
    data = _match(truth, tracklets)
    shown = np.zeros((len(data.tracks), len(data.people)))
    for truth_ids, result_ids, similarity, visible in zip(
        data.truth_ids, data.result_ids, data.similarity, data.visible, strict=True
    ):
        fits = np.where(similarity >= MATCH_IOU - ROUNDING, similarity, 0) * visible[:, None]
        shown[np.ix_(result_ids, truth_ids)] += fits.T
    if not shown.size:
        return {}
    main = shown.argmax(axis=1)
    return {
        track: person
        for track, person, most in zip(data.tracks.tolist(), data.people[main].tolist(), shown.max(axis=1), strict=True)
        if most > 0
    }


def _appearances(data: _Matched, each_frame: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tracklet and person of every matched box."""
    pairs = []
    shows = np.full(_count(data.result_ids), -1)  # the person each tracklet showed last
    for truth_ids, result_ids, similarity in zip(data.truth_ids, data.result_ids, data.similarity, strict=True):
        goes_on = (shows[result_ids] == truth_ids[:, None]) & (similarity >= MATCH_IOU)
        rows, columns = _best_pairs(similarity if each_frame else similarity + GOES_ON * goes_on)
        shows[result_ids[columns]] = truth_ids[rows]
        pairs.append(np.stack([result_ids[columns], truth_ids[rows]]))
    tracklet, person = np.concatenate(pairs, axis=1) if pairs else np.zeros((2, 0), np.int64)
    return tracklet, person


def combine_purity(sequences: Sequence[PurityMetrics]) -> PurityMetrics:
    """Several cameras as one. People are counted once a camera."""
    names = [field.name for field in fields(PurityCounts)]
    return _purity(PurityCounts(**{name: sum(getattr(s.counts, name) for s in sequences) for name in names}))


def _purity(counts: PurityCounts) -> PurityMetrics:
    return PurityMetrics(
        tracklets=counts.tracklets,
        purity=counts.main_boxes / counts.matched_boxes if counts.matched_boxes else 0.0,
        mixed=counts.mixed_tracklets / counts.tracklets if counts.tracklets else 0.0,
        tracklets_a_person=counts.appearances / counts.people if counts.people else 0.0,
        people=counts.people,
        matched_boxes=counts.matched_boxes,
        unmatched=1 - counts.matched_boxes / counts.boxes if counts.boxes else 0.0,
        counts=counts,
    )


def _metrics(raw: dict[str, Any]) -> TrackingMetrics:
    hota, clear, identity = raw["HOTA"], raw["CLEAR"], raw["Identity"]
    return TrackingMetrics(
        hota=float(np.mean(hota["HOTA"])),
        deta=float(np.mean(hota["DetA"])),
        assa=float(np.mean(hota["AssA"])),
        mota=float(clear["MOTA"]),
        idf1=float(identity["IDF1"]),
        idsw=int(clear["IDSW"]),
        truth_boxes=int(clear["CLR_TP"] + clear["CLR_FN"]),
        result_boxes=int(clear["CLR_TP"] + clear["CLR_FP"]),
        raw=raw,
    )


def _best_pairs(similarity: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """One-to-one pairs of highest total IoU among those of at least MATCH_IOU."""
    scores = np.where(similarity >= MATCH_IOU - ROUNDING, similarity, 0)
    rows, columns = linear_sum_assignment(-scores)
    matched = scores[rows, columns] > ROUNDING
    return rows[matched], columns[matched]


def counted(truth: Rows) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows `(N,)` of truth count, and the share `(N,)` of each box that is visible, 1 where nobody knows."""
    classes = _classes(truth)
    counts, visible = truth[:, CONSIDERED] != 0, np.ones(len(truth))
    if (classes > 0).any():
        if truth.shape[1] > VISIBILITY:
            visibility = truth[:, VISIBILITY]
            visible = np.where(visibility < 0, 1.0, visibility.clip(max=1))  # -1: unknown
        counts &= classes == PEDESTRIAN
    return counts, visible


def _classes(truth: Rows) -> NDArray[np.float64]:
    """`(N,)`, -1 where there are none."""
    return truth[:, CLASS] if truth.shape[1] > CLASS else np.full(len(truth), -1.0)


def _match(truth: Rows, results: Rows) -> _Matched:
    classes = _classes(truth)
    has_classes = bool((classes > 0).any())
    counts, visible = counted(truth)
    last = int(max(truth[:, FRAME].max(initial=0), results[:, FRAME].max(initial=0)))
    frames = np.arange(1, last + 2)
    truth_at, results_at = np.searchsorted(truth[:, FRAME], frames), np.searchsorted(results[:, FRAME], frames)
    truth_boxes, result_boxes = boxes_of(truth).astype(np.float64), boxes_of(results).astype(np.float64)
    kept_truth, kept_results, similarities = [], [], []
    for t in range(last):
        in_truth, in_results = slice(*truth_at[t : t + 2]), slice(*results_at[t : t + 2])
        similarity = np.asarray(iou(truth_boxes[in_truth], result_boxes[in_results]), np.float64)
        keep = np.ones(similarity.shape[1], bool)
        if has_classes and similarity.size:
            rows, columns = _best_pairs(similarity)
            keep[columns[np.isin(classes[in_truth][rows], DISTRACTORS)]] = False
        kept_truth.append(np.arange(in_truth.start, in_truth.stop)[counts[in_truth]])
        kept_results.append(np.arange(in_results.start, in_results.stop)[keep])
        similarities.append(similarity[counts[in_truth]][:, keep])
    return _Matched(
        truth_ids=_renumber(truth[:, ID], kept_truth),
        result_ids=_renumber(results[:, ID], kept_results),
        similarity=similarities,
        visible=[visible[kept] for kept in kept_truth],
        confidences=[results[kept, CONFIDENCE] for kept in kept_results],
        people=_named(truth[:, ID], kept_truth),
        tracks=_named(results[:, ID], kept_results),
    )


def _named(ids: NDArray[np.float64], kept: list[NDArray[np.intp]]) -> NDArray[np.int64]:
    return np.unique(ids[np.concatenate(kept)] if kept else ids[:0]).astype(np.int64)


def _renumber(ids: NDArray[np.float64], kept: list[NDArray[np.intp]]) -> list[NDArray[np.int64]]:
    """The ids of the kept rows frame by frame, as 0, 1, 2… over those that are kept at all."""
    if not kept:
        return []
    numbers = np.unique(ids[np.concatenate(kept)], return_inverse=True)[1]
    return np.split(numbers, np.cumsum([len(rows) for rows in kept])[:-1])


def _count(ids: list[NDArray[np.int64]]) -> int:
    return max((int(numbers.max()) for numbers in ids if len(numbers)), default=-1) + 1
