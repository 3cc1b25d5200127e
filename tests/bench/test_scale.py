"""The simulation: queues that can be reckoned by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.errors import SiteError
from bench.camera_costs import CameraCosts
from bench.scale import FULL, Part, Plant, SearchCosts, knee, longest_lag, needs, parts, read_costs, traffic, waits

COSTS = CameraCosts(
    frames=54_000,
    tracklets=1_000,
    worker_cpu_seconds=1_440,
    database_cpu_seconds=7.2,
    commits=1_000,
    rows=100_000,
    database_mib=100,
    pictures_mib=100,
    objects=200,
    vectors=1_000,
    vector_bytes=2**10,
)
SEARCH = SearchCosts(filtered_ms=10, unfiltered_ms=40, vectors_mib=512, index_mib=256, rows=720_000)


def test_the_days_traffic_has_a_mean_of_one_and_rush_hours() -> None:
    day = traffic().reshape(24, 60).mean(1)
    assert day.mean() == pytest.approx(1) and day.min() > 0
    assert day[8] > 2 * day[11] and day[17] > 2 * day[21] and day[3] < 0.3


def test_work_waits_where_more_comes_than_can_be_done() -> None:
    assert longest_lag(np.array([60.0, 60.0]), 1.0) == 0
    assert longest_lag(np.array([120.0, 60.0, 0.0]), 1.0) == 60
    assert longest_lag(np.array([120.0, 120.0, 0.0]), 2.0) == 0
    assert longest_lag(np.array([240.0, 240.0, 0.0]), 2.0) == 120


def test_searches_wait_as_queueing_theory_says() -> None:
    """M/D/1 at half load: half of a service time in the mean. Here p50 is a little above the service, p99 far."""
    lonely = waits(0.001, np.full(5_000, 10.0), 4, 0)
    assert lonely == (10.0, 10.0)
    half = waits(50.0, np.full(20_000, 10.0), 1, 0)
    assert half is not None and 10 <= half[0] < 15 < half[1] < 60
    assert waits(100.0, np.full(10, 10.0), 1, 0) is None
    with_more = waits(50.0, np.full(20_000, 10.0), 4, 0)
    assert with_more is not None and with_more[1] < half[1]


def test_a_knee_is_where_a_part_is_full() -> None:
    assert knee(Part("x", lambda cameras: 2.0 * cameras, 1_000)) == 350
    assert knee(Part("x", lambda cameras: 0.0, 1_000)) > 1_000_000


def test_needs_grow_with_cameras() -> None:
    few, many = (needs(COSTS, Plant(people=1.0), SEARCH, cameras, 0) for cameras in (10, 1_000))
    assert few.worker_machines == 1 and many.worker_machines == 36  # 0.4 cores a camera, 70 % of 16
    assert many.vectors == 1_000 * 1_000 * 24 * 30
    assert many.searched_gib == pytest.approx(many.vectors / 720_000 * 2 * (512 + 256) / 1024)
    assert many.pictures_tib == pytest.approx(100 * few.pictures_tib)
    assert few.full == [] and "the database's memory" in many.full
    assert few.search_ms is not None and few.search_ms[0] == pytest.approx(10 * 1_000 * 24 / 1_000)
    assert needs(COSTS, Plant(people=0.5), SEARCH, 10, 0).rows == pytest.approx(few.rows / 2)


def test_a_database_that_is_too_small_answers_never_and_lags() -> None:
    costs = replace(COSTS, database_cpu_seconds=3_600.0)
    small = needs(costs, Plant(people=1.0), SEARCH, 100, 0)
    assert small.search_ms is None and "the database's cores" in small.full
    assert small.lag_seconds["database"] > 60 > small.lag_seconds["store"]


def test_knees_come_in_the_order_of_capacity() -> None:
    plenty = {part.name: knee(part) for part in parts(COSTS, Plant(people=1.0), SEARCH)}
    twice = {part.name: knee(part) for part in parts(COSTS, Plant(people=1.0, memory_gib=256.0), SEARCH)}
    assert twice["the database's memory"] == pytest.approx(2 * plenty["the database's memory"], abs=2)
    assert twice["the database's memory"] * 24 * 30 * 1_000 * SEARCH.bytes_of_one <= FULL * 256 * 2**30
    assert twice["the store's bytes"] == plenty["the store's bytes"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    for text in ("", "[]", json.dumps({"costs": {"frames": 1}})):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SiteError, match="has no costs"):
            read_costs(path)
    path.write_text(json.dumps({"costs": dict.fromkeys(CameraCosts.__slots__, 1.0)}), encoding="utf-8")
    assert read_costs(path).commits == 1
