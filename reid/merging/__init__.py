"""Joins tracklets: within a camera to trajectories, across cameras to identities. Arrays in, labels out.

    trajectory, found = merge(Seen(…), MergeRules(), previous=(before, known))

What a user said is absolute, what the tracker saw nearly so, time and place rule out what nobody can do, and only the
rest is left to looks. The same tracklets give the same labels in whatever order they come.
"""

from reid.merging.context import contextual, probability
from reid.merging.identities import Identities, identities
from reid.merging.merge import merge
from reid.merging.seen import MergeError, MergeRules, Seen
from reid.merging.trajectories import joined, trajectories
from reid.merging.transit import TransitTime

__all__ = [
    "Identities",
    "MergeError",
    "MergeRules",
    "Seen",
    "TransitTime",
    "contextual",
    "identities",
    "joined",
    "merge",
    "probability",
    "trajectories",
]
