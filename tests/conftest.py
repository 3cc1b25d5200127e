"""Fixtures that every folder's tests may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import reid as reid  # before anything loads torch: it says how its threads wait

pytest.register_assert_rewrite(
    "tests.app", "tests.mutants"
)  # a helper's assertion tells what it compared, as a test's does
# Tests run side by side, a process a core, and more threads would wait for each other. What tests start inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Weights and footage that are no part of the repository, in a folder beside it. Skips where it is absent."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("no folder of shared data beside the repository")
    return folder
