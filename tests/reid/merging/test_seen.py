"""What was seen is checked, and groups keep their numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reid.merging import MergeError, MergeRules
from reid.merging.seen import components, renamed
from tests.reid.merging.sites import site


def test_a_number_goes_to_the_group_that_shares_most() -> None:
    previous = np.array([7, 7, 7, 7, 7, 2, 2, -1, -1])
    #                    split ------------  merged  new
    now = np.array([0, 0, 0, 1, 1, 1, 1, 3, 3])
    assert renamed(now, previous).tolist() == [7, 7, 7, 2, 2, 2, 2, 8, 8]
    assert renamed(np.array([5, 3, 5, 3]), None).tolist() == [0, 1, 0, 1]


def test_contradictions_are_told() -> None:
    made = site(4).seen
    with pytest.raises(MergeError, match=f"tracklets {made.ids[0]} and {made.ids[2]} were said to be two people"):
        replace(made, must_link=np.array([[0, 1], [2, 1]]), apart=np.array([[0, 2]]))
    with pytest.raises(MergeError, match="not of length 1"):
        replace(made, embedding=made.embedding * 2)
    with pytest.raises(MergeError, match="same id"):
        replace(made, ids=np.zeros_like(made.ids))
    with pytest.raises(MergeError, match="outside 0"):
        replace(made, apart=np.array([[0, 1000]]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"certainty": 1.0}, "certainty is a probability"),
        ({"within": 86.0}, "within is a similarity"),
        ({"neighbours": 0}, "at least 1"),
        ({"passes": 0}, "at least 1"),
    ],
)
def test_rules_without_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MergeError, match=message):
        MergeRules(**changes)


def test_components_are_those_of_a_loop() -> None:
    pairs = np.random.default_rng(0).integers(0, 40, (25, 2))
    group = list(range(40))
    for a, b in pairs.tolist():
        group = [group[a] if number == group[b] else number for number in group]
    numbers = {number: index for index, number in enumerate(dict.fromkeys(group))}
    assert components(40, pairs).tolist() == [numbers[number] for number in group]
