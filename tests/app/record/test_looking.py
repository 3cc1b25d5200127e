"""What was erased is seen where it still is, wherever in a file that is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.record import looking
from app.record.looking import bytes_left, patterns_in


def test_patterns_are_seen_at_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_PIECE", 64)
    data = np.random.default_rng(0).bytes(1000)
    path = tmp_path / "file"
    path.write_bytes(data)
    starts = [*range(0, 976, 7), 976]
    there = {data[start : start + 24] for start in starts}
    others = {np.random.default_rng(k).bytes(24) for k in range(1, 50)} | {data[5:20] + b"other bytes"}
    assert patterns_in(path, there | others) == there
    assert patterns_in(path, []) == patterns_in(tmp_path / "none", there) == set()
    path.write_bytes(b"few")
    assert patterns_in(path, there) == set()


def test_bytes_that_are_no_zeros_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(50) + b"abc" + bytes(50))
    assert bytes_left(path, [(0, 50), (53, 50)]) == 0
    assert bytes_left(path, [(0, 51), (52, 500)]) == 2
    assert bytes_left(tmp_path / "none", [(0, 10)]) == 0


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="directory") as told:
        patterns_in(tmp_path, {bytes(8)})
    assert told.value.filename == str(tmp_path)
