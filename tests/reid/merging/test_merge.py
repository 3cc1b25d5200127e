"""All of merging on simulated sites."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from reid.evaluate import evaluate_clustering
from reid.merging import Seen, contextual, identities, merge_tracklets, probability, trajectories
from reid.merging.company import among
from tests.reid.merging.sites import RULES, site, unit


def test_both_steps_judge_by_company() -> None:
    simulated = site(40, width=14)
    trajectory, people = merge_tracklets(simulated.seen, RULES)
    around = replace(simulated.seen, embedding=contextual(simulated.seen.embedding, simulated.seen.camera))
    rules = among(RULES, around.camera)
    expected = trajectories(around, rules, probability(rules.within))
    assert (trajectory == expected).all()
    assert (people.labels == identities(around, expected, rules, probability(rules.across)).labels).all()
    scores = evaluate_clustering(simulated.person, people.labels)
    assert scores.precision > 0.9 and scores.recall > 0.7


def test_previous_labels_are_kept() -> None:
    seen = site(20).seen
    trajectory, people = merge_tracklets(seen, RULES)
    again, people_again = merge_tracklets(seen, RULES, previous=(trajectory + 7, people.labels + 9))
    assert (again == trajectory + 7).all()
    assert (people_again.labels == people.labels + 9).all()


def test_utal_joins_trajectories_by_looks_alone() -> None:
    seen = site(20, noise=0.9).seen
    trajectory, _ = merge_tracklets(seen, RULES, method="utal")
    assert (trajectory == trajectories(seen, RULES, probability(RULES.within), "utal")).all()


def test_without_a_shared_clock_nobody_is_in_two_places() -> None:
    """Six people in two cameras, at one time by clocks that have nothing to do with each other."""
    looks, person, camera = np.eye(6), np.tile(np.arange(6), 2), np.repeat([0, 1], 6)
    start = np.zeros(12)
    seen = Seen(np.arange(12), camera, start, start + 5, unit(looks[person]))
    _, people = merge_tracklets(seen, RULES)
    assert len(np.unique(people.labels)) == 12
    _, people = merge_tracklets(seen, RULES, shared_clock=False)
    assert (people.labels == person).all()


def test_importing_it_does_not_wait_for_scipy_stats() -> None:
    """That takes a second, at the start of every command."""
    code = "import sys, reid.merging, reid.calibration, reid.gate; sys.exit('scipy.stats' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
