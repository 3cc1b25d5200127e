"""From the cosine of two tracklets to the probability that they show one person, learned without a label.

What is at hand is biased, each kind of evidence in its own way:

* The two halves of a tracklet show one person. But they are in one camera and seconds apart, far more alike than the
  same person seen again. They stand for pairs within a camera.
* Reciprocal nearest neighbours of two cameras show one person more often than not. But they were chosen for being
  alike. The same person in another pose, half hidden, is not among them. They stand for pairs across cameras.
* Random pairs mostly show two people. Tracklets seen side by side surely do, but in one camera only.

So a logistic curve is fitted to each, and then corrected for what its positives lack. It is made flatter. Its middle is
moved towards the negatives, by constants in units of the negatives' spread. People are known of the synthetic site
world-a and of Market-1501's training part. There, with the base encoder, the uncorrected curves are 1.3 to 2.4 times as
steep as the truth's. The constants below are the means of the two. `python -m bench.gate` measures what is left.

A mixture of two Gaussians on the reciprocal pairs' similarities was tried, to keep the right ones only. It keeps the
easy ones and is worse.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, NamedTuple, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reid.normalised import normalised

Floats = NDArray[np.float64]

NEIGHBOURS = 2  # reciprocal nearest that count as positives, of each two cameras
LEAST_PAIRS = 40  # positives (and negatives) below which nothing is fitted
MOST_TRACKLETS = 6000  # looked at. Of more, a random choice
MOST_PAIRS = 100_000  # random negatives, of each kind
AT_ONCE = 2048  # pairs
FLATTER_WITHIN, FLATTER_ACROSS = 0.72, 0.44  # true slope / fitted slope: 0.67 and 0.78, 0.46 and 0.42 (see above)
TOWARDS = 0.6  # negatives' standard deviations by which the middle moves down: 0.8 and 0.4, 0.55 and 0.66
LEAST_SPREAD = 1e-4  # of negatives' similarities. Below it, all embeddings are alike
FAR = (0.01, 0.1)  # false alarm rates that are reported


class CalibrationError(ValueError):
    """Arrays that do not fit together, or a stored calibration that is none. The message says what was expected."""


class Curve(NamedTuple):
    """P(same person) = 1 / (1 + exp(−slope · (similarity − middle))) at equal prior odds."""

    slope: float  # above 0
    middle: float  # similarity at which both are equally likely


class Tail(NamedTuple):
    """Of similarities of different people: their Fisher transform artanh(s) is about normal."""

    mean: float
    spread: float  # standard deviation


DEFAULT_WITHIN, DEFAULT_ACROSS = Curve(10.2, 0.51), Curve(9.7, 0.45)  # by truth, see docs/decisions.md
DEFAULT_TAIL = Tail(0.25, 0.27)
DEFAULT_SHARE = 0.01
DEFAULT = "default: the base encoder's, from sets with known people"
SITE = "this site's tracklets, without labels"
SIDE_BY_SIDE, RANDOM = "people seen side by side", "random pairs, which makes thresholds too low"
STRANGERS = "the best matches of tracklets outside of their identities"
LEVELS = np.linspace(0, 1, 101)  # at which the distribution of strangers' best matches is kept


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one encoder's similarities mean at one site. Create it with `fit`, or without arguments: the default."""

    within: Curve = DEFAULT_WITHIN
    across: Curve = DEFAULT_ACROSS
    tail: Tail = DEFAULT_TAIL
    share: float = DEFAULT_SHARE
    """Share of random pairs across cameras that show one person, as merging counts them. Before it, it is too low."""
    source_within: str = DEFAULT
    source_across: str = DEFAULT
    source_tail: str = DEFAULT
    strangers: tuple[float, ...] = ()
    """Quantiles, at LEVELS, of the similarity of the best match of somebody who is not in the gallery.

    Empty: unknown. Then the tail has to do.
    """
    strangers_gallery: int = 0  # tracklets in that gallery
    positives_within: int = 0  # pairs that the curves were fitted to
    positives_across: int = 0

    @property
    def source(self) -> str:
        """Where the curves come from, a sentence's part."""
        if self.source_within == self.source_across:
            return self.source_within
        return f"within a camera {self.source_within}; across cameras {self.source_across}"

    @overload
    def probability(self, similarity: float, across: bool, prior: float = 0.5) -> float: ...
    @overload
    def probability(self, similarity: ArrayLike, across: ArrayLike, prior: float = 0.5) -> Any: ...
    def probability(self, similarity: ArrayLike, across: ArrayLike, prior: float = 0.5) -> Any:
        """That two tracklets show one person.

        Args:
            similarity: Cosine of the two, of any shape.
            across: Whether they are of two cameras, of a shape that broadcasts.
            prior: How likely it was before looking: `share` for a random pair, 0.5 where similarity alone speaks.

        Returns:
            A float, or an array of the arguments' shape.

        Raises:
            CalibrationError: The prior is not between 0 and 1.
        """
        evidence = self.evidence(similarity, across) + _logit(prior)
        chance = _sigmoid(evidence)
        return float(chance) if chance.ndim == 0 else chance

    def evidence(self, similarity: ArrayLike, across: ArrayLike) -> Floats:
        """Log of P(similarity | one person) / P(similarity | two people), of any shape."""
        s, apart = np.asarray(similarity, np.float64), np.asarray(across, bool)
        slope, middle = (np.where(apart, y, x) for x, y in zip(self.within, self.across))
        return slope * (s - middle)

    def threshold(self, gallery: int, false_alarms: float = 0.1) -> float:
        """Similarity that the best match in a gallery of so many tracklets exceeds with this chance if nobody fits.

        Where merging has found identities, each tracklet's best match outside of its own stands for a stranger's. Those
        are identities that merging is nearly certain of. In a smaller or larger gallery, the best of G independent ones
        is below t with P(s ≤ t)^G. Before merging, P(s > t) is extrapolated from the people who were seen side by side.
        It is a guide at best. `python -m bench.gate` shows what both come to where people are known.

        Args:
            gallery: Tracklets in the gallery, at least 1.
            false_alarms: The chance, between 0 and 1.

        Returns:
            A cosine.

        Raises:
            CalibrationError: An argument is out of its range.
        """
        if gallery < 1 or not 0 < false_alarms < 1:
            raise CalibrationError(
                f"a threshold is for at least 1 tracklet and a rate between 0 and 1, not {gallery} and {false_alarms}"
            )
        if self.strangers:
            level = (1 - false_alarms) ** (self.strangers_gallery / gallery)
            return float(np.interp(level, LEVELS, self.strangers))
        single = -math.expm1(math.log1p(-false_alarms) / gallery)  # of a single stranger
        return math.tanh(self.tail.mean - self.tail.spread * NormalDist().inv_cdf(single))

    def is_seen(self, best: float, gallery: int, false_alarms: float = 0.1) -> bool:
        """Whether the best match, of this similarity, is more than chance would find in a gallery of that size."""
        return best >= self.threshold(gallery, false_alarms)

    def to_json(self) -> dict[str, Any]:
        """Plain fields, which `from_json` takes back."""
        return {name: list(x) if isinstance(x, tuple) else x for name, x in asdict(self).items()}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The calibration of such fields. Raises CalibrationError where they are none."""
        try:
            kinds: dict[str, Any] = {"within": Curve, "across": Curve, "tail": Tail}
            plain: dict[str, Any] = {**fields, "strangers": tuple(map(float, fields.get("strangers", ())))}
            calibration = cls(
                **{name: kinds[name](*map(float, x)) if name in kinds else x for name, x in plain.items()}
            )
        except (TypeError, ValueError) as error:
            raise CalibrationError(f"these are not the fields of a calibration: {error}") from error
        numbers = (
            *calibration.within,
            *calibration.across,
            *calibration.tail,
            calibration.share,
            *calibration.strangers,
        )
        if (
            not np.isfinite(numbers).all()
            or min(calibration.within.slope, calibration.across.slope, calibration.tail.spread) <= 0
        ):
            raise CalibrationError(f"a calibration's slopes are above 0 and its numbers finite, not {numbers}")
        return calibration

    @classmethod
    def fit(
        cls,
        halves: ArrayLike,
        cameras: ArrayLike,
        cannot_link: ArrayLike,
        identity: ArrayLike | None = None,
        unlearned: ArrayLike | None = None,
        *,
        sure: ArrayLike | None = None,
        seed: int = 0,
    ) -> Self:
        """Learns from T tracklets of one site, without labels.

        What there is too little of for a fit stays the default's, and `source` says so.

        Args:
            halves: (T, 2, D), mean embeddings of the earlier and the later crops of each. They are equal for a tracklet
                of one crop, which then tells nothing.
            cameras: (T,) any numbers.
            cannot_link: (P, 2) rows of tracklets that were seen side by side.
            identity: (T,) what merging found, if it did.
            unlearned: (T,) which tracklets the encoder was not trained on, by default all. It is surer of those that it
                learned from than of a new picture, right or wrong. So where there are enough, identities count by pairs
                with an unlearned one.
            sure: (T,) what a merging finds that joins only what it is nearly certain of, by default `identity`. Who is
                outside of it stands for a stranger. With `identity` whoever was joined wrongly would be missing there.
            seed: Of random pairs.

        Returns:
            The calibration.

        Raises:
            CalibrationError: The arrays do not fit together.
        """
        half, camera = np.asarray(halves, np.float32), np.asarray(cameras)
        pairs = np.asarray(cannot_link, np.int64).reshape(-1, 2)
        if half.ndim != 3 or half.shape[1] != 2 or camera.shape != half.shape[:1]:
            raise CalibrationError(f"halves are (T, 2, D) and cameras (T,), not {half.shape} and {camera.shape}")
        identities = None if identity is None else np.asarray(identity)
        sure_identities = identities if sure is None else np.asarray(sure)
        for labels in (identities, sure_identities):
            if labels is not None and labels.shape != camera.shape:
                raise CalibrationError(f"identities are (T,), not {labels.shape}")
        fresh = np.ones(len(camera), bool) if unlearned is None else np.asarray(unlearned, bool)
        if fresh.shape != camera.shape:
            raise CalibrationError(f"what was not learned from is (T,), not {fresh.shape}")
        if pairs.size and not 0 <= pairs.min() <= pairs.max() < len(half):
            raise CalibrationError(f"cannot-link pairs name tracklets outside 0 … {len(half) - 1}")
        if not np.isfinite(half).all():
            raise CalibrationError("the embeddings hold values that are no numbers")
        rng = np.random.default_rng([seed, len(half)])
        kept, pairs = _some(len(half), pairs, rng)
        half, camera = normalised(half[kept]), camera[kept]
        rows = normalised(half.sum(1))
        own = np.einsum("td,td->t", half[:, 0], half[:, 1]).astype(np.float64)
        own = own[(half[:, 0] != half[:, 1]).any(1)]
        apart = _similarities(rows, pairs[:, 0], pairs[:, 1])
        inside, outside = _random_pairs(rows, camera, rng)
        reciprocal = _reciprocal(rows, camera)
        fields: dict[str, Any] = {}
        strangers = np.concatenate([inside, apart])
        within = _corrected(own, strangers, FLATTER_WITHIN)
        if within is not None:
            fields |= {"within": within, "source_within": SITE, "positives_within": len(own)}
        across = _corrected(reciprocal, outside, FLATTER_ACROSS)
        if across is not None:
            share = _share(outside, fit_curve(reciprocal, outside))  # the corrected curve is too flat to count by
            fields |= {"across": across, "share": share, "source_across": SITE, "positives_across": len(reciprocal)}
        sure = apart if len(apart) >= LEAST_PAIRS else np.concatenate([inside, outside])
        least = LEAST_PAIRS if sure is apart else 10 * LEAST_PAIRS  # most of these tell the same
        if len(sure) >= least and sure.std() >= LEAST_SPREAD:
            transformed = np.arctanh(sure.clip(-0.999, 0.999))
            fields |= {
                "tail": Tail(float(transformed.mean()), float(transformed.std())),
                "source_tail": SIDE_BY_SIDE if sure is apart else RANDOM,
            }
        if identities is not None and len(rows) >= LEAST_PAIRS:
            fresh = fresh[kept] if fresh[kept].sum() >= LEAST_PAIRS else np.ones(len(rows), bool)
            fields |= _from_identities(cls(**fields), rows, camera, identities[kept], fresh, rng)
            assert sure_identities is not None
            fields |= _strangers(rows, sure_identities[kept], fresh)
        return cls(**fields)


def _some(count: int, pairs: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """At most MOST_TRACKLETS of so many, rising, and the pairs among them by their rows there."""
    if count <= MOST_TRACKLETS:
        return np.arange(count), pairs
    kept = np.sort(rng.choice(count, MOST_TRACKLETS, replace=False))
    new_row = np.full(count, -1)
    new_row[kept] = np.arange(len(kept))
    pairs = new_row[pairs]
    return kept, pairs[(pairs >= 0).all(1)]


def _from_identities(
    before: Calibration,
    rows: NDArray,
    camera: NDArray,
    identity: NDArray,
    fresh: NDArray[np.bool_],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """What identities tell beside the fields that were learned without them.

    A curve fitted to the pairs of identities is too steep, as merging joined them for being alike. Those corrected for
    what their positives lack are too flat at the upper end, which queries are about. The truth lies about in the
    middle. `python -m bench.gate --plot` shows it where people are known.
    """
    fields: dict[str, Any] = {}
    share = _share_of(identity, camera)
    if share > 0:
        fields["share"] = share
    joined = np.stack(_pairs_within(identity, rng))
    random = rng.integers(0, len(rows), (2, 2 * MOST_PAIRS))
    random = random[:, identity[random[0]] != identity[random[1]]]
    joined, random = (pairs[:, fresh[pairs].any(0)] for pairs in (joined, random))
    for name, across in (("within", False), ("across", True)):
        same, different = (
            _similarities(rows, a, b)
            for a, b in (x[:, (camera[x[0]] != camera[x[1]]) == across] for x in (joined, random))
        )
        if min(len(same), len(different)) >= LEAST_PAIRS:
            steep, flat = fit_curve(same, different), getattr(before, name)
            fields[name] = Curve((steep.slope + flat.slope) / 2, (steep.middle + flat.middle) / 2)
    return fields


def _strangers(rows: NDArray, sure: NDArray, fresh: NDArray[np.bool_]) -> dict[str, Any]:
    """How similar the best match of somebody is who is not there, by those outside of `sure` identities (T,)."""
    best = _best_of_others(rows, sure, np.flatnonzero(fresh))
    if len(best) < LEAST_PAIRS:
        return {}
    quantiles = tuple(map(float, np.quantile(best, LEVELS)))
    return {"strangers": quantiles, "strangers_gallery": len(rows), "source_tail": STRANGERS}


def _pairs_within(identity: NDArray, rng: np.random.Generator) -> tuple[NDArray, NDArray]:
    """Random pairs of rows of one identity, in which each identity has its share."""
    order = np.argsort(identity, kind="stable")
    length = np.unique(identity, return_counts=True)[1]
    first = np.repeat(np.cumsum(length) - length, length)
    size = np.repeat(length, length)
    several = np.flatnonzero(size > 1)
    if not len(several):
        return several, several
    rows = rng.choice(several, 2 * MOST_PAIRS, p=(size[several] - 1) / (size[several] - 1).sum())
    offset = 1 + (rng.random(len(rows)) * (size[rows] - 1)).astype(np.int64)
    return order[rows], order[first[rows] + (rows - first[rows] + offset) % size[rows]]


def _share_of(identity: NDArray, camera: NDArray) -> float:
    """Share of all pairs of two cameras that are of one identity. 0 where there are none."""
    both = np.unique(np.stack([identity, np.unique(camera, return_inverse=True)[1]]), axis=1, return_inverse=True)[1]

    def pairs(group: NDArray) -> int:
        count = np.unique(group, return_counts=True)[1]
        return int((count * (count - 1) // 2).sum())

    across = len(camera) * (len(camera) - 1) // 2 - pairs(camera)
    return (pairs(identity) - pairs(both.ravel())) / across if across else 0.0


def _best_of_others(rows: NDArray, identity: NDArray, queries: NDArray) -> Floats:
    """Similarity of each query row's best match of another identity. Empty where there is only one identity."""
    best = [np.zeros(0)]
    for part in np.array_split(queries, max(1, len(queries) // 512)):
        best.append(np.where(identity[part, None] == identity, -np.inf, rows[part] @ rows.T).max(1))
    similarity = np.concatenate(best).astype(np.float64)
    return similarity[np.isfinite(similarity)]


def _random_pairs(rows: NDArray, camera: NDArray, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Similarities of random pairs within a camera and across cameras."""
    count = len(rows)
    if count < 2:
        return np.zeros(0), np.zeros(0)
    wanted = min(2 * MOST_PAIRS, count * (count - 1) // 2)
    left = rng.integers(0, count, wanted)
    right = (left + rng.integers(1, count, wanted)) % count  # never itself
    similarity = _similarities(rows, left, right)
    alike = camera[left] == camera[right]
    return similarity[alike], similarity[~alike]


def _similarities(rows: NDArray, left: NDArray, right: NDArray) -> Floats:
    """(P,) of pairs of rows, some thousand at a time: all of them at once would be copied, a gigabyte."""
    parts = zip(*(np.array_split(side, max(1, len(left) // AT_ONCE)) for side in (left, right)))
    return np.concatenate([np.einsum("pd,pd->p", rows[a], rows[b]) for a, b in parts]).astype(np.float64)


def _reciprocal(rows: NDArray, camera: NDArray) -> Floats:
    """Similarities of pairs of which each is among the other's NEIGHBOURS nearest in its camera."""
    members = [np.flatnonzero(camera == c) for c in np.unique(camera)]
    similarities = [np.zeros(0)]
    for i, first in enumerate(members):
        for second in members[i + 1 :]:
            block = rows[first] @ rows[second].T
            of_rows = block >= _kth(block, 1)
            of_columns = block >= _kth(block, 0)
            similarities.append(block[of_rows & of_columns].astype(np.float64))
    return np.concatenate(similarities)


def _kth(block: NDArray, axis: int) -> NDArray:
    """The NEIGHBOURS-th largest along an axis, which stays, with one entry."""
    k = max(block.shape[axis] - NEIGHBOURS, 0)
    return np.take(np.partition(block, k, axis), [k], axis)


def _corrected(same: Floats, different: Floats, flatter: float) -> Curve | None:
    """The fitted curve, corrected for what its positives lack. None where the two kinds can't be told apart."""
    if min(len(same), len(different)) < LEAST_PAIRS:
        return None
    spread = float(different.std())
    if spread < LEAST_SPREAD or np.median(same) <= np.median(different):  # all embeddings alike, or of no use
        return None
    fitted = fit_curve(same, different)
    return Curve(flatter * fitted.slope, fitted.middle - TOWARDS * spread)


def fit_curve(same: ArrayLike, different: ArrayLike, steps: int = 50) -> Curve:
    """The logistic curve of greatest likelihood, both kinds of pairs weighing the same.

    Newton's method in units of the similarities' spread, with a little ridge (1e-5 on the slope). So kinds that do not
    overlap give a steep curve and no infinite one. The slope is at least 1e-3 in those units: a curve never falls.

    Args:
        same: (P,) similarities of pairs that show one person.
        different: (N,) similarities of pairs that show two.
        steps: Of Newton's method, at most.

    Returns:
        The curve at equal prior odds.
    """
    positive, negative = np.asarray(same, np.float64), np.asarray(different, np.float64)
    s = np.concatenate([positive, negative])
    centre, scale = float(s.mean()), max(float(s.std()), 1e-9)
    x = (s - centre) / scale
    y = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    weight = np.concatenate([np.full(len(positive), 0.5 / len(positive)), np.full(len(negative), 0.5 / len(negative))])
    design = np.stack([x, np.ones_like(x)], 1)
    ridge = np.diag([1e-5, 1e-8])
    t = np.zeros(2)
    for _ in range(steps):
        p = _sigmoid(design @ t)
        gradient = design.T @ (weight * (p - y)) + ridge @ t
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + ridge
        step = np.linalg.solve(curvature, gradient)
        t -= step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-12))  # far from the end Newton overshoots
        if np.abs(step).max() < 1e-9:
            break
    slope = max(float(t[0]), 1e-3)
    return Curve(slope / scale, centre - scale * float(t[1]) / slope)


def _share(similarity: Floats, curve: Curve, rounds: int = 100) -> float:
    """The share of one-person pairs among random ones that fits the curve best (Saerens et al., 2002), 1e-4 or more."""
    ratio = np.exp(np.clip(curve.slope * (similarity - curve.middle), -50, 50))
    share = DEFAULT_SHARE
    for _ in range(rounds):
        share = float((share * ratio / (share * ratio + 1 - share)).mean())
    return min(max(share, 1e-4), 0.5)


def _logit(p: float) -> float:
    if not 0 < p < 1:
        raise CalibrationError(f"a prior is between 0 and 1, not {p}")
    return math.log(p / (1 - p))


def _sigmoid(x: ArrayLike) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(x, np.float64), -500, 500))))


# --- measured against truth, for reports only


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Predicted probability against what was observed, in `bins` of equal width. Empty ones are left out."""

    predicted: Floats  # (B,) mean
    observed: Floats  # (B,) share of one-person pairs
    count: Floats  # (B,) pairs, or their weight
    error: float  # expected calibration error: mean |predicted − observed| by count (Naeini et al., 2015)


def reliability(
    probability: ArrayLike, same: ArrayLike, *, bins: int = 10, weight: ArrayLike | None = None
) -> Reliability:
    """Compares the probabilities of N pairs with the truth.

    Args:
        probability: (N,) 0…1, as predicted.
        same: (N,) bool, whether they show one person.
        bins: How many, of equal width.
        weight: (N,) of the pairs, by default 1.

    Returns:
        What was predicted and observed in each bin.

    Raises:
        CalibrationError: The arrays do not fit together, or are empty.
    """
    said, truth = np.asarray(probability, np.float64), np.asarray(same, np.float64)
    if said.shape != truth.shape or said.ndim != 1 or not len(said):
        raise CalibrationError(f"probabilities and truth are (N,) each, not {said.shape} and {truth.shape}")
    weights = np.ones(len(said)) if weight is None else np.asarray(weight, np.float64)
    bin_number = np.minimum((said * bins).astype(np.int64), bins - 1)
    sums = [np.bincount(bin_number, weights * x, bins).astype(np.float64) for x in (np.ones(len(said)), said, truth)]
    kept = sums[0] > 0
    count = sums[0][kept]
    predicted, observed = sums[1][kept] / count, sums[2][kept] / count
    error = float((count * np.abs(predicted - observed)).sum() / count.sum())
    return Reliability(predicted=predicted, observed=observed, count=count, error=error)


def even_weights(same: ArrayLike) -> Floats:
    """(N,) weights with which pairs of one person and of two weigh the same: equal prior odds."""
    truth = np.asarray(same, bool)
    return np.where(truth, 0.5 / max(int(truth.sum()), 1), 0.5 / max(int((~truth).sum()), 1))


@dataclass(frozen=True, slots=True)
class OpenSetScores:
    """How well somebody is found who is enrolled, when hardly any stranger is."""

    detected: dict[float, float]  # DIR by false alarm rate, 0…1
    threshold: dict[float, float]  # of the best match's similarity
    enrolled: int  # searches for people who are in the gallery
    strangers: int  # searches for people who are not


def open_set(
    enrolled: ArrayLike, right: ArrayLike, strangers: ArrayLike, rates: Sequence[float] = FAR
) -> OpenSetScores:
    """Detection and identification rates at false alarm rates.

    As Phillips et al., "Evaluation methods in face recognition", 2011. The threshold is the lowest that at most a share
    `rate` of the strangers exceed. A search for somebody enrolled counts where its best match is right and above it.

    Args:
        enrolled: (K,) similarity of the best match of searches for people who are in the gallery.
        right: (K,) whether that match shows them.
        strangers: (U,) similarity of the best match of searches for people who are not in the gallery.
        rates: False alarm rates, 0…1.

    Returns:
        The scores at each rate.

    Raises:
        CalibrationError: There are no searches of one of the kinds.
    """
    best_similarity, is_right, alarms = (
        np.asarray(enrolled, np.float64),
        np.asarray(right, bool),
        np.asarray(strangers, np.float64),
    )
    if best_similarity.shape != is_right.shape or not len(best_similarity) or not len(alarms):
        raise CalibrationError("an open-set test needs searches for people who are there and for others")
    falling = np.sort(alarms)[::-1]
    allowed = {rate: min(math.floor(rate * len(falling) + 1e-9), len(falling) - 1) for rate in rates}
    threshold = {rate: float(falling[k]) for rate, k in allowed.items()}
    detected = {rate: float((is_right & (best_similarity > t)).mean()) for rate, t in threshold.items()}
    return OpenSetScores(detected=detected, threshold=threshold, enrolled=len(best_similarity), strangers=len(alarms))


def searches(
    query: ArrayLike, gallery: ArrayLike, people: tuple[ArrayLike, ArrayLike], cameras: tuple[ArrayLike, ArrayLike]
) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Searches a gallery for `open_set`.

    Each query whose person is in another camera of the gallery is searched twice. Once it is searched as it is, without
    the person in the query's own camera. Once the person is taken out of the gallery.

    Args:
        query: (Q, D) rows of length 1.
        gallery: (G, D) rows of length 1.
        people: (Q,) of the queries and (G,) of the gallery.
        cameras: (Q,) of the queries and (G,) of the gallery.

    Returns:
        The first three arguments of `open_set`.
    """
    q, g = np.asarray(query, np.float32), np.asarray(gallery, np.float32)
    (query_people, gallery_people), (query_cameras, gallery_cameras) = (
        tuple(map(np.asarray, pair)) for pair in (people, cameras)
    )
    enrolled, right, strangers = [], [], []
    for part in np.array_split(np.arange(len(q)), max(1, len(q) * len(g) // 2**22)):
        similarity = q[part] @ g.T
        same = query_people[part][:, None] == gallery_people[None]
        there = same & (query_cameras[part][:, None] != gallery_cameras[None])
        counts = there.any(1) & (~same).any(1)
        own_best = np.where(there, similarity, -np.inf).max(1)[counts]
        stranger_best = np.where(same, -np.inf, similarity).max(1)[counts]
        enrolled.append(np.maximum(own_best, stranger_best))
        right.append(own_best > stranger_best)
        strangers.append(stranger_best)
    return (
        np.concatenate(enrolled).astype(np.float64),
        np.concatenate(right),
        np.concatenate(strangers).astype(np.float64),
    )
