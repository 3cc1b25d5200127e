"""The cost of the record, as a command measures it."""

from __future__ import annotations

from pathlib import Path

from bench.record import HERE, Contender, best
from tests.app.scenes import SIZE, people, write_detections
from tests.clips import render_clip


def test_a_round_measures_all_of_a_contender(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    clip = render_clip(tmp_path / "videos" / "hall.mp4", people(40), size=SIZE)
    write_detections(tmp_path / "detections" / "hall.txt", clip)
    contender = Contender("sqlite", HERE, tmp_path / "sites", None)
    contender.round(0, tmp_path / "videos", f"mot:{tmp_path / 'detections'}")
    assert set(contender.figures) == {"ingest s", "query s", "commits a second", "search ms"}
    assert all(figure > 0 for (figure,) in contender.figures.values())


def test_the_best_round_counts() -> None:
    assert best("ingest s", [3.0, 2.0]) == 2.0
    assert best("commits a second", [3.0, 2.0]) == 3.0
