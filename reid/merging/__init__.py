"""Joins tracklets within a camera to trajectories, and across cameras to identities. Arrays in, labels out.

    trajectory, people = merge_tracklets(Seen(…), MergeRules(), previous=(trajectory_before, identity_before))

What a user said is absolute, and what the tracker saw nearly so. Time and place rule out what nobody can do. Only the
rest is left to looks. The same tracklets give the same labels in whatever order they come.
"""

from reid.merging.context import contextual, probability
from reid.merging.identities import Identities, identities
from reid.merging.merge import in_context, merge_tracklets
from reid.merging.operating_point import same_share
from reid.merging.seen import SURE, MergeError, MergeRules, Seen
from reid.merging.trajectories import joined, trajectories
from reid.merging.transit import TransitTime

__all__ = [
    "SURE",
    "Identities",
    "MergeError",
    "MergeRules",
    "Seen",
    "TransitTime",
    "contextual",
    "identities",
    "in_context",
    "joined",
    "merge_tracklets",
    "probability",
    "same_share",
    "trajectories",
]
