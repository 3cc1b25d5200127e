"""`app.evaluate tracking`: the figures of the command are those of the evaluator, and what is missing is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackers.motchallenge import write_rows

ROOT = Path(__file__).parents[2]
FIGURES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "purity")


def evaluate(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.evaluate", "tracking", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def walk(id: int, x: float, frames: range) -> list[list[float]]:
    return [[frame, id, x, 10, 30, 80, 1] for frame in frames]


@pytest.fixture
def world(tmp_path: Path) -> tuple[Path, Path]:
    """Truth of two cameras, and results: `hall` perfect, `gate` with one track that changes its person."""
    truth, results = tmp_path / "truth", tmp_path / "results"
    hall = walk(1, 0, range(1, 21)) + walk(2, 200, range(1, 21))
    gate = walk(1, 0, range(1, 11)) + walk(3, 0, range(11, 21))
    for camera, rows in {"hall": hall, "gate": gate}.items():
        (truth / camera / "gt").mkdir(parents=True)
        np.savetxt(truth / camera / "gt" / "gt.txt", [[*row, 1, 1] for row in rows], fmt="%g", delimiter=",")
    write_rows(results / "hall.txt", np.array(hall))
    write_rows(results / "gate.txt", np.array(walk(9, 0, range(1, 21))))
    return truth, results


def test_figures_by_camera_and_of_all(world: tuple[Path, Path]) -> None:
    done = evaluate("--truth", world[0], "--results", world[1], "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    gate, hall = report["cameras"]
    assert (gate["camera"], hall["camera"], report["all"]["camera"]) == ("gate", "hall", "all")
    assert [hall[figure] for figure in FIGURES] == pytest.approx([1] * 6)
    assert (hall["IDSW"], hall["mixed"], hall["tracklets_a_person"], hall["kept"]) == (0, 0, 1, 1)
    assert (gate["purity"], gate["mixed"], gate["tracklets"], gate["tracklets_a_person"]) == (0.5, 1, 1, 1)
    assert gate["DetA"] == pytest.approx(1)
    assert gate["AssA"] == pytest.approx(0.5)
    assert report["all"]["purity"] == pytest.approx((40 + 10) / 60)
    assert report["all"]["mixed"] == pytest.approx(1 / 3)
    table = evaluate("--truth", world[0], "--results", world[1])
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["camera", "gate", "hall", "all"]


def test_cameras_without_results_or_truth_are_said_and_end_with_1(world: tuple[Path, Path]) -> None:
    truth, results = world
    (results / "hall.txt").rename(results / "yard.txt")
    done = evaluate("--truth", truth, "--results", results, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["cameras"][1]["HOTA"] == 0  # counted as if nobody had been found
    assert [error.split(":")[0] for error in report["errors"]] == ["hall", "yard"]


def test_broken_results_are_named(world: tuple[Path, Path]) -> None:
    (world[1] / "gate.txt").write_text("1,2,three\n")
    done = evaluate("--truth", world[0], "--results", world[1])
    assert (done.returncode, done.stdout) == (2, "")
    assert "gate.txt is not a MOTChallenge file" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_gives_the_reference_figures(shared: Path) -> None:
    oracle = shared / "data" / "mot" / "metric-oracle"
    done = evaluate("--truth", oracle / "gt", "--results", oracle / "BoostTrack" / "data", "--json")
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)["cameras"][0]
    assert first["camera"] == "MOT17-02-FRCNN"
    assert (first["HOTA"], first["MOTA"], first["IDF1"], first["IDSW"]) == (
        pytest.approx(0.4465453, abs=1e-6),
        pytest.approx(0.5280364372469636),
        pytest.approx(0.5506457330969866),
        51,
    )
