"""What is measured while live cameras run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.encoders.versions import store_of, with_base
from app.record import Site
from bench.live_run import Blow, FoundLog, Held, doubled, lost, slope
from tests.app.sites import figure_site


def test_the_slope_of_memory_and_what_it_may_be_off_by() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 1800, 2.0)
    steady = 300 + rng.normal(0, 2, len(times)) + 100 * np.exp(-times / 60)  # it warms up
    found = slope(Held(times.tolist(), steady.tolist(), []))
    assert found is not None and abs(found[0]) < found[1] < 5
    found = slope(Held(times.tolist(), (steady + times / 36).tolist(), []))
    assert found is not None and found[0] == pytest.approx(100, abs=2 * found[1])
    assert slope(Held(times[:10].tolist(), steady[:10].tolist(), [])) is None


def test_tracklets_are_found_when_their_embeddings_are_there(tmp_path: Path) -> None:
    path = tmp_path / "site"
    figure_site(path, people=3, cameras=2)
    with Site.open_to_write(path) as site:
        log = FoundLog(site)
        log.look()
        before = dict(log.at)
        assert set(before) == set(site.searchable_table().ids.tolist())
        store = store_of(site, with_base(site).name)
        footage = store.files()[0]
        ids, halves = store.read(footage)
        store.write(footage, [*ids, ids[-1] + 1], np.concatenate([halves, halves[-1:]]))
        log.look()
        assert set(log.at) - set(before) == {ids[-1] + 1} and all(log.at[number] == at for number, at in before.items())


def test_what_was_committed_at_a_blow_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "site"
    figure_site(path, people=3, cameras=2)
    with Site.open(path) as site:
        table = site.searchable_table()
        spans = dict(zip(table.ids.tolist(), zip(table.start.tolist(), table.end.tolist())))
        blow = Blow("program", 0.0, set(), {**spans, 1: (0.0, 1.0), 2: (0.0, 1.0)})
        assert lost([blow], site, erased={2}) == 1
        assert doubled(site) == 30  # its figures all stand in one place
