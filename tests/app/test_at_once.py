"""Every pair of works at once on one site, in processes of their own, either of which is killed: nothing is lost."""

from __future__ import annotations

import os
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.records import copy_of, on_postgres
from tests.app.stage import Stage, both_again, kill_one_of_two, new_stage
from tests.app.works import WORKS

PAIRS = list(combinations_with_replacement(WORKS, 2))


@pytest.fixture(scope="module")
def stage(record: str, start: Any, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return new_stage(tmp_path_factory.mktemp("stage"), start, timed=True)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=[f"{a} + {b}" for a, b in PAIRS])
def test_a_pair_at_once_with_a_kill_of_either(
    stage: Stage, start: Any, tmp_path: Path, first: str, second: str, request: pytest.FixtureRequest
) -> None:
    """The one is killed on SQLite, the other on PostgreSQL, or with SIGHTLINE_LONG_TESTS=1 either on both."""
    path, names = copy_of(stage.path, tmp_path), (first, second)
    rng = np.random.default_rng(list(request.node.name.encode()))
    for victim in (0, 1) if os.environ.get("SIGHTLINE_LONG_TESTS") else (int(on_postgres()),):
        kill_one_of_two(path, stage, start, names, victim, rng.uniform(0.05, 0.9))
    both_again(path, stage, start, names)
