"""From tracklets to trajectories and identities."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import SiteError
from app.merge import command
from app.record import Site
from app.record.rows import Correction
from app.record.verify import damage
from app.search.merging import merge
from tests.app.records import on_postgres
from tests.app.scenes import run
from tests.app.sites import People, figure_site
from tests.app.stops import killed_at, merge_until
from tests.app.typed import Typed


def test_pieces_become_trajectories_and_people_identities(path: Path, who: People) -> None:
    with Site.create(path) as site:
        report = merge(site, who="me")
        merging = site.merging()
    assert merging is not None
    assert report.tracklets == len(who) == 60
    assert report.identities <= report.trajectories < report.tracklets
    person = np.array([who[tracklet_id] for tracklet_id in merging.ids.tolist()])
    pairs = np.unique(np.stack([merging.trajectories, person]), axis=1)
    assert pairs.shape[1] <= 1.1 * report.trajectories  # hardly any trajectory shows two people
    with Site.open(path) as site:
        camera = site.tracklet_table().cameras
        for trajectory in np.unique(merging.trajectories):
            assert len(np.unique(camera[merging.trajectories == trajectory])) == 1
        assert np.array_equal(site.tracklet_table().ids, merging.ids)


def test_merging_again_changes_nothing_and_more_footage_keeps_numbers(path: Path) -> None:
    with Site.create(path) as site:
        merge(site, who="me")
        first = site.merging()
        assert not merge(site, who="me").changed
        again = site.merging()
        assert first is not None and again is not None and again.id == first.id
    figure_site(path, people=4, cameras=3, day=1, first=100)
    with Site.create(path) as site:
        assert merge(site, who="me").changed
        later = site.merging()
    assert first is not None
    assert later is not None
    old = later.identities[np.isin(later.ids, first.ids)]
    assert (old == first.identities).mean() > 0.9
    assert len(later.ids) == len(first.ids) + 24


def test_a_persons_word_is_obeyed_and_kept(path: Path, who: People) -> None:
    ids = sorted(who)
    same = [tracklet_id for tracklet_id in ids if who[tracklet_id] == who[ids[0]]]
    other = next(tracklet_id for tracklet_id in ids if who[tracklet_id] == who[ids[0]] + 4)
    with Site.create(path) as site:
        site.correct([Correction("split", same[0], same[-1]), Correction("join", same[0], other)], "me", 1.0)
        for _ in range(2):
            merge(site, who="me")
            merging = site.merging()
            assert merging is not None
            identity = dict(zip(merging.ids.tolist(), merging.identities.tolist()))
            assert identity[same[0]] == identity[other]
            assert identity[same[0]] != identity[same[-1]]
        with pytest.raises(SiteError, match="said to be two people"):
            merge(site, who="me", corrections=[Correction("join", same[-1], other)])
        assert len(site.corrections()) == 3


@pytest.mark.parametrize("stage", ["INTO members", "DELETE FROM merges"])
def test_killed_in_the_middle_the_merging_before_holds(path: Path, start: Any, stage: str) -> None:
    """It is killed after it wrote the members of a merging, or removed older ones, and before it commits."""
    with Site.create(path) as site:
        merge(site, who="me", method="utal")
        before = site.merging()
    killed_at(start, merge_until, stage, path)
    with Site.open(path) as site:
        now = site.merging()
        assert before is not None and now is not None
        assert now.id == before.id and np.array_equal(now.identities, before.identities)
        assert list(damage(site)) == []
    with Site.create(path) as site:
        merge(site, who="me")
    with Site.open(path) as site:
        whole = site.merging()
    with Site.create(path) as site:
        assert not merge(site, who="me").changed  # as an undisturbed run finds it
    assert whole is not None and whole.id == before.id + 1 and len(whole.ids) == 60


def test_the_merge_command(path: Path, typed: Typed, tmp_path: Path) -> None:
    words = ("--site", path, "--json")
    done = typed(command, *words) if on_postgres() else run("-m", "app.merge", *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tracklets"] == 60
    assert "as before" in typed(command, "--site", path).stdout
    undone = typed(command, "--site", path, "--undo", "--json")
    assert json.loads(undone.stdout) == {"undone": True, "merged": False}
    none = typed(command, "--site", path, "--undo")
    assert (none.returncode, "no merging to undo" in none.stderr) == (2, True)
    wrong = typed(command, "--site", path, "--join", 1, 2)
    assert (wrong.returncode, "not two tracklets" in wrong.stderr) == (2, True)
    assert typed(command, "--site", tmp_path / "none").returncode == 2
