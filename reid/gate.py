"""Judges an encoder on tracklets that nobody has labelled.

So a new one can be held against the one that serves. A tracklet's first and last third show one person in two moments.
From that and from cameras alone come four measures:

* `company`: Which share of the five nearest tracklets in another camera do the two thirds have in common?
* `cycle`: A tracklet's first third finds its nearest in another camera. That one's first third looks back at the last
  thirds. How high does the tracklet itself stand among those of its camera (reciprocal rank)?
* `stability`: Do the first and the last third find the same tracklet in another camera?
* `triangle`: Does the nearest in camera B have the same nearest in camera D as the tracklet itself?

`score` is their weighted mean. An encoder to which all look alike sends everybody to the same tracklet and would be
perfectly stable. So agreement counts only as far as it exceeds what the targets' popularity brings by itself (Cohen's
κ). Ties are lost. What a camera adds to everybody is taken out first, as a search does.

Why these: the nearest is what training fits, rightly or wrongly. A method that believes its own mistakes gains by the
last three among the tracklets that it learned from. So these are measured only on tracklets that were held back. Which
further tracklets it finds alike it has not fitted. There mistakes make `company` fall, and only what is true of more
than the nearest makes it rise. So it is measured on all tracklets, which are several times as many. Half and half, they
order encoders that were trained well and badly best by true cross-camera mAP. `python -m bench.gate` shows that for any
set of models.

Two more are measured and do not count. `split` is telling a tracklet's own end from all others. `apart` is telling
people apart who were seen side by side. Nearly every training improves them, also those that lose other cameras. But an
encoder that loses in them has learned to take people for others. It finds them in the others' company ever more
reliably. So they guard. `split` is measured on all tracklets, too.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid.camera_shift import without_camera
from reid.normalised import normalised
from reid.tracklets import overlapping

Floats = NDArray[np.float64]

WEIGHTS = {"company": 0.5, "cycle": 0.2, "stability": 0.2, "triangle": 0.1}
COMPANY = 5  # nearest tracklets
ONE_CAMERA = {"split_camera": 0.5, "apart": 0.5}  # where there is no other camera: a much weaker sign
GUARDS = {  # what a better model may lose at most, and what it says of one that loses more
    "apart": (0.02, "tells people who were seen side by side apart"),
    "split": (0.01, "finds a tracklet's other end among all others"),
}
OF_ALL = ("company", "split")  # measured on all tracklets, the other parts only on those that were held back
CONFIDENCE = 0.9  # that the gain, or the loss of a guard, is no accident of the sample
DRAWS = 2000  # of the bootstrap
BLOCK = 10  # tracklets that follow each other in time, which the bootstrap draws together
LEAST_QUERIES = 20  # tracklets, below which a part is not measured
LEAST_SPREAD = 1e-3  # standard deviation of tracklets' similarities below which an encoder is collapsed


class GateError(ValueError):
    """Arrays that do not fit together, or two scores that can't be compared. The message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class GateScore:
    """What the gate says of one encoder. Shares 0…1, the higher the better. None where it can't be measured."""

    score: float
    company: float | None  # κ of the five nearest in other cameras of the first and of the last third
    cycle: float | None  # mean reciprocal rank of the way to another camera and back
    stability: float | None  # κ of the two thirds' nearest neighbours in other cameras. Below 0: worse than chance
    triangle: float | None  # κ of going to a third camera directly and by way of a second
    split: float | None  # mean reciprocal rank of a tracklet's last third for its first, among all tracklets
    split_rank1: float | None
    split_camera: float | None  # the same as `split` among those of its camera
    apart: float | None  # share of cannot-link pairs less alike than the tracklet's own thirds
    below_median: float | None  # share of cannot-link pairs less alike than the median tracklet's own thirds
    lands_right: float | None
    """Share of cycles that land on the tracklet itself, of those that land on it or on one that is surely not it."""
    spread: float  # standard deviation of the similarities of tracklets
    collapsed: bool
    tracklets: int
    queries: int  # tracklets with two crops or more
    left_out: tuple[str, ...]  # what could not be measured, and why
    values: dict[str, Floats] = field(repr=False)
    """Of each part, (T,) what each tracklet adds. NaN: nothing."""
    block: NDArray[np.int64] = field(repr=False)
    """(T,) tracklets that follow each other in time. Pieces of one person are no independent evidence."""
    same_data: int = field(repr=False)  # equal for the same tracklets

    def plain(self) -> dict[str, Any]:
        """All but the single tracklets' values, for JSON."""
        entries = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("values", "block", "same_data")
        }
        return entries | {"left_out": list(self.left_out)}


def judge(
    rows: ArrayLike,
    tracklet: ArrayLike,
    camera: ArrayLike,
    start: ArrayLike,
    end: ArrayLike,
    cannot_link: ArrayLike,
    judged: ArrayLike | None = None,
) -> GateScore:
    """Measures an encoder by what it made of the crops of T tracklets.

    Args:
        rows: (N, D) float32 of length 1, a tracklet's in the order of time.
        tracklet: (N,) 0 … T − 1, each at least once.
        camera: (T,) any numbers.
        start: (T,) s, or NaN.
        end: (T,) s, or NaN.
        cannot_link: (P, 2) tracklets that were seen side by side. Where there are none, those of a camera whose times
            overlap stand for them.
        judged: (T,) which tracklets the judgement is about, by default all. The rest can be found, as in a search of a
            site. The encoder may have been trained on them, so only OF_ALL is measured on them.

    Returns:
        The score, its parts and what could not be measured.

    Raises:
        GateError: The arrays do not fit together.
    """
    crops, tracklets, cameras = np.asarray(rows, np.float32), np.asarray(tracklet, np.int64), np.asarray(camera)
    first_seen, last_seen = np.asarray(start, np.float64), np.asarray(end, np.float64)
    pairs = np.asarray(cannot_link, np.int64).reshape(-1, 2)
    count = len(cameras)
    _check(crops, tracklets, count, (first_seen, last_seen), pairs)
    if not len(pairs):
        pairs = overlapping(cameras, first_seen, last_seen)
    spread = _spread(_thirds(crops, tracklets, count)[2])  # before cameras' means are taken out, which leave noise
    early, late, whole, length = _thirds(without_camera(crops, cameras[tracklets]), tracklets, count)
    is_judged = np.ones(count, bool) if judged is None else np.asarray(judged, bool)
    if is_judged.shape != (count,):
        raise GateError(f"judged is (T,), not {is_judged.shape}")
    has_thirds = length > 1
    own = np.einsum("td,td->t", early, late).astype(np.float64)
    values: dict[str, Floats] = {}
    left_out: list[str] = []
    queries = int((has_thirds & is_judged).sum())
    enough = queries >= LEAST_QUERIES
    if not enough:
        left_out.append(
            f"split, company, cycle, stability: {queries} tracklets have two crops or more, {LEAST_QUERIES} are needed"
        )
    across, lands_right = _across(early, late, whole, cameras, has_thirds, pairs)
    camera_count = len(np.unique(cameras))
    for name, needs in (("company", 2), ("cycle", 2), ("stability", 2), ("triangle", 3)):
        if camera_count < needs:
            left_out.append(f"{name}: it needs {needs} cameras, there is {camera_count}")
        elif int((~np.isnan(across[name][is_judged])).sum()) >= LEAST_QUERIES:
            values[name] = across[name]
        elif name == "triangle":
            left_out.append(f"triangle: fewer than {LEAST_QUERIES} tracklets")
    split_rank1: float | None = None
    if enough:
        values["split"], values["split_camera"] = _split(early, late, own, cameras, has_thirds)
        split_rank1 = float((values["split"][has_thirds] == 1).mean())
    below_median: float | None = None
    sided = np.concatenate([pairs, pairs[:, ::-1]])
    sided = sided[(has_thirds & is_judged)[sided[:, 0]]]
    if enough and len(sided) >= LEAST_QUERIES:
        neighbour_similarity = np.einsum("pd,pd->p", early[sided[:, 0]], late[sided[:, 1]])
        values["apart"] = _mean_by(neighbour_similarity < own[sided[:, 0]], sided[:, 0], count)
        below_median = float((neighbour_similarity < np.median(own[has_thirds & is_judged])).mean())
    elif enough:
        left_out.append(f"apart: {len(pairs)} pairs of tracklets were seen side by side, {LEAST_QUERIES} are needed")
    values = {name: part if name in OF_ALL else np.where(is_judged, part, np.nan) for name, part in values.items()}
    means = {name: float(np.nanmean(part)) for name, part in values.items()}
    return GateScore(
        score=_combined(means),
        **{name: means.get(name) for name in (*WEIGHTS, "split", "split_camera", "apart")},
        split_rank1=split_rank1,
        below_median=below_median,
        lands_right=lands_right,
        spread=spread,
        collapsed=spread < LEAST_SPREAD,
        tracklets=count,
        queries=queries,
        left_out=tuple(left_out),
        values=values,
        block=np.argsort(np.argsort(first_seen, kind="stable")) // BLOCK,
        same_data=zlib.crc32(
            b"".join(np.ascontiguousarray(a).tobytes() for a in (tracklets, cameras, pairs, is_judged))
        ),
    )


def better(candidate: GateScore, serving: GateScore, *, must_gain: bool = True, seed: int = 0) -> tuple[bool, str]:
    """Decides whether a model may take over.

    The gain must be above 0 in CONFIDENCE of the draws of a paired bootstrap over blocks of tracklets. Neither people
    seen side by side may become more alike, nor a tracklet's end and those of other tracklets.

    Args:
        candidate: Score of the model that would take over.
        serving: Score of the model that serves, on the same tracklets.
        must_gain: Else it suffices that the gain is not below 0 in CONFIDENCE of the draws. That is for a method which
            is known to gain more often than this judgement sees it.
        seed: Of the bootstrap.

    Returns:
        Whether it may, and why, as a sentence.

    Raises:
        GateError: The two were judged on different tracklets.
    """
    if candidate.same_data != serving.same_data:
        raise GateError("the two models were judged on different tracklets: judge both on the same")
    if candidate.collapsed:
        return False, f"everybody looks alike to it (similarities differ by {candidate.spread:.5f} only)"
    weights = _weights(set(candidate.values) & set(serving.values))
    if not weights:
        return False, f"there is too little to judge by ({'; '.join(candidate.left_out)})"
    both = candidate.values.keys() & serving.values.keys() & {*weights, *GUARDS}
    change = {name: candidate.values[name] - serving.values[name] for name in sorted(both)}
    counted = ~np.all([np.isnan(value) for value in change.values()], axis=0)
    change = {name: value[counted] for name, value in change.items()}
    blocks, block = np.unique(candidate.block[counted], return_inverse=True)
    count = len(blocks)
    drawn = np.random.default_rng([seed, count]).multinomial(count, np.full(count, 1 / count), DRAWS)
    gain = np.sum([w * _resampled(change[n], block, drawn) for n, w in weights.items()], axis=0)
    mean = sum(w * float(np.nanmean(change[n])) for n, w in weights.items())
    scores = f"its score is {candidate.score:.3f} against {serving.score:.3f}"
    for name, (allowed_loss, skill) in GUARDS.items():
        if name not in change or -float(np.nanmean(change[name])) <= allowed_loss:
            continue
        if float(np.quantile(_resampled(change[name], block, drawn), CONFIDENCE)) < 0:
            now, before = getattr(candidate, name), getattr(serving, name)
            return False, f"it {skill} less often, {now:.3f} against {before:.3f} ({scores})"
    least, most = (float(np.quantile(gain, level)) for level in (1 - CONFIDENCE, CONFIDENCE))
    if not must_gain and least <= 0:
        if most < 0:
            return False, f"{scores}, a loss of {-mean:.3f}, at least {-most:.3f} with {CONFIDENCE:.0%} confidence"
        return True, f"{scores}, no loss that is more than chance"
    if mean <= 0:
        return False, f"{scores}, not better"
    if least <= 0:
        return False, f"{scores}, which may be chance: with other tracklets the gain could be {least:+.3f}"
    return True, f"{scores}, a gain of {mean:.3f}, at least {least:.3f} with {CONFIDENCE:.0%} confidence"


def _check(crops: NDArray, tracklets: NDArray, count: int, times: tuple[Floats, Floats], pairs: NDArray) -> None:
    if crops.ndim != 2 or tracklets.shape != crops.shape[:1] or any(t.shape != (count,) for t in times):
        raise GateError(
            f"rows are (N, D), tracklet (N,), camera, start and end (T,), not {crops.shape}, {tracklets.shape}, "
            f"{count}, {times[0].shape} and {times[1].shape}"
        )
    if not count or not len(crops):
        raise GateError("there is no tracklet to judge by")
    if tracklets.min() < 0 or tracklets.max() >= count or not np.bincount(tracklets, minlength=count).all():
        raise GateError(f"each of the tracklets 0 … {count - 1} needs a crop, and no other may have one")
    if pairs.size and not 0 <= pairs.min() <= pairs.max() < count:
        raise GateError(f"cannot-link pairs name tracklets outside 0 … {count - 1}")
    if not np.isfinite(crops).all():
        raise GateError("the embeddings hold values that are no numbers")


def _thirds(
    crops: NDArray[np.float32], tracklets: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """(T, D) means of each tracklet's first third, last third and all crops, of length 1.

    The last of the four is (T,) how many crops it has.
    """
    order = np.argsort(tracklets, kind="stable")
    crops, tracklets = crops[order], tracklets[order]
    length = np.bincount(tracklets, minlength=count)
    position = np.arange(len(tracklets)) - (np.cumsum(length) - length)[tracklets]
    third, of = ((length + 2) // 3)[tracklets], length[tracklets]

    def mean(kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        starts = np.searchsorted(tracklets[kept], np.arange(count))
        return normalised(np.add.reduceat(crops[kept], starts, 0))

    return mean(position < third), mean(position >= of - third), mean(np.ones(len(tracklets), bool)), length


def _split(
    early: NDArray, late: NDArray, own: Floats, cameras: NDArray, has_thirds: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """(T,) reciprocal ranks of the own last third, among all and among those of its camera. Ties are lost."""
    ranks = np.full((2, len(own)), np.nan)
    for part in np.array_split(np.flatnonzero(has_thirds), max(1, len(own) ** 2 // 2**24)):
        similarity = early[part] @ late.T
        above = similarity >= similarity[np.arange(len(part)), part][:, None]  # itself included
        ranks[0, part] = 1 / above.sum(1)
        ranks[1, part] = 1 / (above & (cameras[part][:, None] == cameras)).sum(1)
    return ranks[0], ranks[1]


def _across(
    early: NDArray,
    late: NDArray,
    whole: NDArray,
    cameras: NDArray,
    has_thirds: NDArray[np.bool_],
    pairs: NDArray[np.int64],
) -> tuple[dict[str, Floats], float | None]:
    """What each tracklet adds to the parts of the score, as means over the other cameras, and `lands_right`."""
    members = {c: np.flatnonzero(cameras == c) for c in np.unique(cameras)}
    count = len(cameras)
    apart = {(int(a), int(b)) for a, b in pairs} | {(int(b), int(a)) for a, b in pairs}
    added: dict[str, list[tuple[NDArray, Floats]]] = {name: [] for name in WEIGHTS}
    nearest = {c: np.full(count, -1) for c in members}  # camera → each tracklet's nearest there
    right = wrong = 0
    for here, members_here in members.items():
        for there, members_there in members.items():
            if here == there:
                continue
            nearest[there][members_here] = members_there[(whole[members_here] @ whole[members_there].T).argmax(1)]
            asking = np.flatnonzero(has_thirds[members_here])  # places in `members_here`
            if not len(asking):
                continue
            queries = members_here[asking]
            ends = (_nearest(side[queries] @ whole[members_there].T) for side in (early, late))
            added["company"].append((queries, _overlap(*ends)))
            first_match = (early[queries] @ late[members_there].T).argmax(1)
            back = (early[members_there] @ late[members_here].T)[first_match]
            rank = (back >= back[np.arange(len(asking)), asking][:, None]).sum(1)
            added["cycle"].append((queries, 1 / rank))
            landed = members_here[back.argmax(1)]
            right += int((rank == 1).sum())
            wrong += sum((int(a), int(b)) in apart for a, b in zip(queries, landed))
            last_match = (late[queries] @ early[members_there].T).argmax(1)
            added["stability"].append((queries, _agreement(first_match, last_match)))
    for here, members_here in members.items():
        for over in members:
            for there in members:
                if len({here, over, there}) == 3:
                    added["triangle"].append(
                        (
                            members_here,
                            _agreement(nearest[there][members_here], nearest[there][nearest[over][members_here]]),
                        )
                    )
    values = {
        name: _mean_by(np.concatenate([v for _, v in parts]), np.concatenate([at for at, _ in parts]), count)
        if parts
        else np.full(count, np.nan)
        for name, parts in added.items()
    }
    return values, right / (right + wrong) if right + wrong else None


def _agreement(a: NDArray[np.int64], b: NDArray[np.int64]) -> Floats:
    """What each of (n,) pairs of single choices adds to κ."""
    width = int(max(a.max(), b.max())) + 1
    chance = float((np.bincount(a, minlength=width) / len(a)) @ (np.bincount(b, minlength=width) / len(b)))
    return _beyond_chance(a == b, chance)


def _nearest(similarity: NDArray) -> NDArray[np.bool_]:
    """(n, m) which of m are among the COMPANY nearest."""
    count = min(COMPANY, similarity.shape[1])
    among = np.zeros(similarity.shape, bool)
    np.put_along_axis(among, np.argsort(-similarity, axis=1, kind="stable")[:, :count], True, axis=1)
    return among


def _overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> Floats:
    """What each of (n, m) pairs of choices, of the COMPANY nearest or all there are, adds to κ."""
    count = int(a[0].sum())
    return _beyond_chance((a & b).sum(1) / count, float(a.mean(0) @ b.mean(0)) / count)


def _beyond_chance(shared: NDArray, chance: float) -> Floats:
    """What each of (n,) agreements 0…1 adds to Cohen's κ, which is their mean. 0 where all chose the same."""
    return (shared - chance) / (1 - chance) if chance < 1 - 1e-9 else np.zeros(len(shared))


def _mean_by(values: NDArray, group: NDArray[np.int64], count: int) -> Floats:
    """(count,) means of values by group. NaN where a group is empty."""
    number = np.bincount(group, minlength=count)
    sums = np.bincount(group, np.asarray(values, np.float64), count)
    return np.where(number > 0, sums / np.maximum(number, 1), np.nan)


def _spread(whole: NDArray[np.float32]) -> float:
    """Standard deviation of the similarities of 20,000 pairs of tracklets, always the same ones."""
    if len(whole) < 2:
        return 0.0
    rng = np.random.default_rng(len(whole))
    left = rng.integers(0, len(whole), 20_000)
    right = (left + rng.integers(1, len(whole), 20_000)) % len(whole)
    return float(np.einsum("pd,pd->p", whole[left], whole[right]).astype(np.float64).std())


def _weights(measured: set[str]) -> dict[str, float]:
    """Weights, which sum to 1, of the parts that count and could be measured. Empty where there are none."""
    weights = {n: w for n, w in WEIGHTS.items() if n in measured} or {
        n: w for n, w in ONE_CAMERA.items() if n in measured
    }
    return {name: weight / sum(weights.values()) for name, weight in weights.items()}


def _combined(means: dict[str, float]) -> float:
    return sum((w * means[name] for name, w in _weights(set(means)).items()), 0.0)


def _resampled(values: Floats, block: NDArray[np.int64], drawn: NDArray[np.int64]) -> Floats:
    """Means of (T,) values whose blocks (T,) come as often as (R, B) draws say, without those that are NaN."""
    there, blocks = ~np.isnan(values), drawn.shape[1]
    sums = np.bincount(block[there], values[there], blocks)
    counts = np.bincount(block[there], minlength=blocks)
    return (drawn @ sums) / np.maximum(drawn @ counts, 1)
