"""Some 300 files with a few bytes changed. `python -m bench.attack mutants` tries others, for as long as is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import StillError
from app.query import _asked_for
from tests.mutants import NASTY, TARGETS, attack

COUNTS = {"sequence info": 60, "picture of a sequence": 20, "site.toml": 60, "detections": 60, "weights": 40}
COUNTS |= {kind: 10 if kind.startswith("still") else 12 for kind in TARGETS if kind not in COUNTS}


@pytest.mark.parametrize("kind", TARGETS)
def test_mutants_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    attack(TARGETS[kind], tmp_path, COUNTS[kind])


@pytest.mark.parametrize("name", [text.decode("latin-1") for text in NASTY if 0 not in text])
def test_names_and_ids_on_the_command_line(name: str) -> None:
    with pytest.raises(StillError):
        _asked_for(name)
