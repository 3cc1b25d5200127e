"""How much the company that people keep can tell, and how alike two must be where it tells little.

Among a handful of tracklets everybody is everybody's neighbour. So the fewer there are, the more looks count by
themselves. And they must be surer: of m tracklets in each of two cameras, a pair is one person in m / MET_AGAIN.
"""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
from numpy.typing import NDArray

from reid.merging.seen import MergeRules

NEIGHBOURS = 12  # that describe a tracklet, k1
SHARE = 1 / 40  # of all tracklets, that k1 is at most
MET_AGAIN = 0.1  # share of a camera's tracklets that another camera sees again, before looks
EVEN = 0.53  # cosine across cameras that says nothing: as frequent of one person as of two
SLOPE = 13.7  # log-odds a unit of cosine
MOST = 0.89  # cosine that is enough, however many there are
WITHIN = 0.08  # less than in full company is enough within a camera: cosines are smaller than similarities there


def company(count: int) -> float:
    """0…1, how much of a full company so many tracklets are: as much as they have of all NEIGHBOURS."""
    return min(1.0, count * SHARE / NEIGHBOURS)


def among(rules: MergeRules, camera: NDArray[np.int64]) -> MergeRules:
    """The rules, which are of a full company, for tracklets of the cameras `(T,)`."""
    lonely = 1 - company(len(camera))
    most_of_a_camera = np.unique(camera, return_counts=True)[1].max(initial=1)
    alone = min(MOST, EVEN + log(most_of_a_camera / MET_AGAIN) / SLOPE)
    across = rules.across + lonely * (alone - MergeRules().across)
    return replace(rules, across=min(across, 1.0), within=rules.within - lonely * WITHIN)
