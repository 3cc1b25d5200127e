"""What a person can do.

A person is in one place at a time and moves no faster than people do. A person goes on where a track broke.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reid.merging.seen import Seen

CLOCK_SLACK = 1.0  # s by which two cameras' clocks may differ
CONTINUITY = 20.0  # by how much the odds rise where one tracklet begins just when and where another ended
_CONTINUITY_SECONDS = 1.0  # s of a gap after which that is worth 1/e of it
_SPEED = 4.0  # body heights a second that nobody exceeds: a sprint, 7 m/s
_JITTER = 1.0  # body heights that a box may be off on top of it: half-covered people have half a box
_CHUNK = 2**20  # pairs at once
_WALK = 0.4  # body heights a second by which somebody unseen comes back farther off. Many walk along the view
_SPREAD = 0.15  # body heights by which a box that breaks off or begins is off
_GROWTH = 0.2  # by which its height is, as a logarithm


@dataclass(frozen=True, eq=False)
class Motion:
    """When and where tracklets begin and end, and in which of C cameras."""

    camera: NDArray[np.int64]  # (T,) 0 … C − 1
    start: NDArray[np.float64]  # (T,) s. NaN: unknown
    end: NDArray[np.float64]
    first_box: NDArray[np.float32] | None  # (T, 4) px
    last_box: NDArray[np.float32] | None
    shared: NDArray[np.bool_] | None = None
    """(C, C) whether two cameras' views overlap, and of one with itself. None: cameras do not matter."""

    @classmethod
    def of(cls, seen: Seen) -> Motion:
        """Of the tracklets that were seen, in their order."""
        camera = np.unique(seen.camera, return_inverse=True)[1]
        return cls(camera=camera, start=seen.start, end=seen.end, first_box=seen.first_box, last_box=seen.last_box)

    def possible(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether tracklets `a` and `b`, rows of shapes that broadcast, may show one person.

        Nobody is in one camera twice at once. A frame that both begin or end in is once too often. Nobody is in two
        cameras at once whose views do not overlap, beyond what their clocks may differ. Nobody reappears farther away
        than anybody gets in the time. There is no rule for the picture's border. Who leaves there and comes back
        elsewhere is held to the same speed.
        """
        here = self.camera[a] == self.camera[b]
        gap = np.maximum(self.start[a], self.start[b]) - np.minimum(self.end[a], self.end[b])
        impossible = here & (gap <= 0)
        if self.shared is not None:
            impossible |= ~self.shared[self.camera[a], self.camera[b]] & (gap < -CLOCK_SLACK)
        moved = self._moved(a, b) if here.any() else None
        if moved is not None:
            impossible |= here & (moved[0] > _JITTER + _SPEED * gap)
        return ~impossible

    def together(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
        """Whether no tracklet of group `a` (m,) rules out one of group `b` (n,)."""
        step = max(1, _CHUNK // len(b))
        return all(bool(self.possible(a[k : k + step, None], b).all()) for k in range(0, len(a), step))

    def continuity(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(P,) log-odds that one of the pair goes on where the other broke off. 0 where nothing says so."""
        moved = self._moved(a, b)
        gap = np.maximum(self.start[a], self.start[b]) - np.minimum(self.end[a], self.end[b])
        with np.errstate(invalid="ignore"):
            near = (gap > 0) & (self.camera[a] == self.camera[b])
        if moved is None:
            return np.zeros(near.shape)
        gap = np.where(near, gap, 0.0)
        off = np.square(moved[0] / (_SPREAD + _WALK * gap)) + np.square(moved[1] / _GROWTH)
        worth = (CONTINUITY - 1) * np.exp(-gap / _CONTINUITY_SECONDS - off / 2)
        return np.log1p(np.where(near, worth, 0.0))

    def crowd(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
        """(P,) the later tracklet's place, from 1, among those that its camera saw begin since the earlier one ended.

        Where times are unknown it is the number of all that the camera saw.
        """
        later = self.start[b] >= self.start[a]
        last, first = np.where(later, a, b), np.where(later, b, a)
        count = np.maximum(self._begun[0, first] - self._begun[1, last] + 1, 1)
        timeless = np.isnan(self.start[a] + self.end[a] + self.start[b] + self.end[b])
        return np.where(timeless, np.bincount(self.camera)[self.camera[a]], count)

    def successors(self, most: int) -> NDArray[np.int64]:
        """(P, 2) each tracklet with the next `most` of its camera that begin while its end still says something."""
        horizon = _CONTINUITY_SECONDS * np.log(CONTINUITY)  # s. Worth e⁰·⁷ and less from here on
        pairs = []
        for number in range(int(self.camera.max(initial=-1)) + 1):
            members = np.nonzero((self.camera == number) & np.isfinite(self.start) & np.isfinite(self.end))[0]
            members = members[np.argsort(self.start[members], kind="stable")]
            start, end = self.start[members], self.end[members]
            first = np.searchsorted(start, end, side="right")
            count = np.minimum(np.searchsorted(start, end + horizon, side="right") - first, most)
            before = np.repeat(np.arange(len(members)), count)
            within = np.arange(len(before)) - np.repeat(np.cumsum(count) - count, count)
            pairs.append(np.stack([members[before], members[first[before] + within]], axis=1))
        return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)

    def _moved(
        self, a: NDArray[np.int64], b: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """How far the later one's first box is from the earlier one's last, and by which logarithm it grew.

        The distance is in heights of the larger. None where no boxes are known.
        """
        if self.first_box is None or self.last_box is None:
            return None
        later = self.start[b] >= self.start[a]
        last, first = np.where(later, a, b), np.where(later, b, a)
        (x0, y0, h0), (x1, y1, h1) = self._last[:, last], self._first[:, first]
        return np.hypot(x1 - x0, y1 - y0) / np.maximum(h0, h1), np.log(h1 / h0)

    @cached_property
    def _begun(self) -> NDArray[np.int64]:
        """(2, T) how many tracklets of the same camera began before each began, and by the time it ended."""
        begun = np.zeros((2, len(self.camera)), np.int64)
        for number in range(int(self.camera.max(initial=-1)) + 1):
            members = np.nonzero(self.camera == number)[0]
            starts = np.sort(self.start[members])
            begun[0, members] = np.searchsorted(starts, self.start[members])
            begun[1, members] = np.searchsorted(starts, self.end[members], side="right")
        return begun

    @cached_property
    def _first(self) -> NDArray[np.float64]:
        return _heads(self.first_box)

    @cached_property
    def _last(self) -> NDArray[np.float64]:
        return _heads(self.last_box)


def _heads(box: NDArray[np.float32] | None) -> NDArray[np.float64]:
    """(3, T) x and y of the middle of the upper edge, and the height, px.

    Feet are often covered, by things and by people. The head shows where somebody is.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).T
    return np.stack([(x1 + x2) / 2, y1, np.maximum(y2 - y1, 1.0)])
