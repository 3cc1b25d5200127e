"""The disk fails, is full, or the process dies at any call that changes it: the same command ends as if nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.app.stage import Stage, new_stage
from tests.app.strikes import STRIKES, can_strike, strike_and_go_on

WORKS = {"ingest a": 60, "merge": 35, "forget": 60, "adapt": 120}  # and fewer calls than they make
TRIED = 1  # of these calls. `python -m bench.attack strikes` tries all

pytestmark = pytest.mark.skipif(not can_strike(), reason="needs strace")


@pytest.fixture(scope="module")
def stage(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return new_stage(tmp_path_factory.mktemp("stage"), start, timed=False)


@pytest.mark.parametrize("strike", STRIKES)
@pytest.mark.parametrize("name", WORKS)
def test_a_strike_loses_nothing(stage: Stage, start: Any, tmp_path: Path, name: str, strike: str) -> None:
    rng = np.random.default_rng(list(f"{name} {strike}".encode()))
    for nth in rng.integers(1, WORKS[name], TRIED).tolist():
        folder = tmp_path / str(nth)
        folder.mkdir()
        assert strike_and_go_on(stage, start, folder, name, strike, nth), f"it makes fewer than {nth} calls"
