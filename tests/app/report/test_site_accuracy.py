"""A site against truth."""

from __future__ import annotations

from pathlib import Path

from app.evaluate import commands
from app.record import Site
from app.report.site_accuracy import evaluate_site
from app.search.merging import merge
from tests.app.sites import People, write_truth
from tests.app.typed import Typed


def test_a_site_against_truth(path: Path, who: People, typed: Typed, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    with Site.create(path) as site:
        merge(site, who="me")
        write_truth(site, who, truth)
        scores = evaluate_site(site, truth)
    assert (scores.people, scores.tracklets, scores.strangers) == (10, 60, 0)
    assert scores.before.fragments == 2.0
    assert scores.trajectories is not None
    assert scores.trajectories.fragments < 2.0
    assert scores.trajectories.precision > 0.9
    assert scores.identities is not None
    assert scores.idf1 is not None
    assert 0 < scores.idf1 <= 1
    assert scores.query is not None
    assert scores.query.queries == 60
    done = typed(commands, "site", "--truth", truth, "--site", path)
    assert done.returncode == 0, done.stderr
    assert "identities over all cameras: IDF1" in done.stdout
