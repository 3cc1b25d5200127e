"""Peers get the stream as it was written. Those that are not installed are left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bench import peers


def test_peers_see_every_frame_and_the_absent_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    frames: list[tuple[list[list[float]], list[float]]] = []

    def make() -> peers.Update:
        return lambda frame: frames.append((frame[0].tolist(), frame[1].tolist()))

    def make_absent() -> peers.Update:
        raise ImportError("No module named 'norfair'")

    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    scores = np.array([0.5, 0.25, 0.75], np.float32)
    np.savez(tmp_path / "streams.npz", people=[2], boxes2=boxes, scores2=scores, counts2=[2, 0, 1])
    monkeypatch.setattr(peers, "PEERS", {"noting": make, "absent": make_absent})
    peers.main(str(tmp_path / "streams.npz"), 1)
    printed = capsys.readouterr()
    assert frames == [(boxes[:2].tolist(), [0.5, 0.25]), ([], []), (boxes[2:].tolist(), [0.75])]
    speeds = json.loads(printed.out)
    assert set(speeds) == {"noting"} and speeds["noting"]["2"] > 0
    assert "absent is left out" in printed.err
