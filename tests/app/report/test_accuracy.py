"""`app.evaluate`: the figures of a command are those of the evaluator, and what is missing is said."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from app.report.accuracy import Pooling, evaluate_reid, evaluate_tracking, find_model
from deploy.encoder import OnnxError
from reid.encoder import EncoderConfig, EncoderError, new_encoder, save_encoder
from tests.app.scenes import people, run
from trackers.motchallenge import text_of

FIGURES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "purity")


def evaluate(*words: object, what: str = "tracking") -> subprocess.CompletedProcess[str]:
    return run("-m", "app.evaluate", what, *words)


def walk(id: int, x: float, frames: range) -> list[list[float]]:
    return [[frame, id, x, 10, 30, 80, 1] for frame in frames]


@pytest.fixture
def truth_and_results(tmp_path: Path) -> tuple[Path, Path]:
    """Truth of two cameras, and results: `hall` perfect, `gate` with one track that changes its person."""
    truth, results = tmp_path / "truth", tmp_path / "results"
    hall = walk(1, 0, range(1, 21)) + walk(2, 200, range(1, 21))
    gate = walk(1, 0, range(1, 11)) + walk(3, 0, range(11, 21))
    for camera, rows in {"hall": hall, "gate": gate}.items():
        (truth / camera / "gt").mkdir(parents=True)
        (truth / camera / "seqinfo.ini").write_text("[Sequence]\nframeRate=10\n")
        np.savetxt(truth / camera / "gt" / "gt.txt", [[*row, 1, 1] for row in rows], fmt="%g", delimiter=",")
    results.mkdir()
    (results / "hall.txt").write_bytes(text_of(np.array(hall)))
    (results / "gate.txt").write_bytes(text_of(np.array(walk(9, 0, range(1, 21)))))
    return truth, results


def test_figures_by_camera_and_of_all(truth_and_results: tuple[Path, Path]) -> None:
    done = evaluate("--truth", truth_and_results[0], "--results", truth_and_results[1], "--json")
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
    assert (gate["purity_each_frame"], gate["mixed_each_frame"], gate["pieces"]) == (0.5, 1, 1)
    visits = ("visits", "visits_found", "long_visits", "long_visits_found")
    assert [hall[name] for name in visits] == [2, 1, 2, 1]
    assert [gate[name] for name in visits] == [2, 0.5, 0, None]  # the one track is mainly on the first
    assert [report["all"][name] for name in visits] == [4, 0.75, 2, 1]
    tables = evaluate("--truth", truth_and_results[0], "--results", truth_and_results[1])
    lines = [line.split() for line in tables.stdout.splitlines()]
    assert [line[0] for line in lines] == ["camera", "gate", "hall", "all"] * 2
    assert lines[5][-4:] == ["2", "50.0", "0", "–"]


def test_without_a_frame_rate_no_visits_are_counted(truth_and_results: tuple[Path, Path]) -> None:
    truth, results = truth_and_results
    (truth / "gate" / "seqinfo.ini").unlink()
    report = evaluate_tracking(truth, results=results)
    gate, hall = report.cameras
    assert (gate.visits, gate.visits_found, gate.pieces) == (None, None, 1)
    assert (hall.visits, report.all.visits) == (2, 2)
    assert [(remark.what, remark.count) for remark in report.remarks] == [("cameras whose frame rate is unknown", 1)]


def test_cameras_without_results_or_truth_are_said_and_end_with_1(truth_and_results: tuple[Path, Path]) -> None:
    truth, results = truth_and_results
    (results / "hall.txt").rename(results / "yard.txt")
    done = evaluate("--truth", truth, "--results", results, "--json")
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["cameras"][1]["HOTA"] == 0  # counted as if nobody had been found
    assert [error.split(":")[0] for error in report["errors"]] == ["hall", "yard"]


def test_a_site_against_truth(ingested: Path, tmp_path: Path) -> None:
    lines = [
        f"{frame},{person},{x1},{y1},{x2 - x1},60,1,1,1\n"  # 2 px higher than they are: a visit needs it
        for frame, boxes in enumerate(people(75, shift=40), 1)
        for person, (x1, y1, x2, _) in enumerate(boxes.tolist(), 1)
    ]
    (tmp_path / "hall" / "gt").mkdir(parents=True)
    (tmp_path / "hall" / "gt" / "gt.txt").write_text("".join(lines))
    report = evaluate_tracking(tmp_path, site=ingested)
    (hall,) = report.cameras
    assert (hall.MOTA, hall.IDF1, hall.IDSW, hall.tracklets, hall.purity, hall.kept) == (1, 1, 0, 2, 1, 1)
    assert hall.HOTA > 0.9
    assert (hall.visits, hall.visits_found, hall.long_visits, hall.pieces) == (2, 1, 2, 1)
    assert (hall.sightings, hall.sightings_of_nobody) == (0, 0)
    assert [error.split(":")[0] for error in report.errors] == ["gate", "yard"]
    assert report.remarks == []  # the site knows when its frames were
    (tmp_path / "hall" / "gt" / "gt.txt").write_text("".join([*lines, "1000,1,5,5,20,40,1,1,1\n"]))
    (beyond,) = evaluate_tracking(tmp_path, site=ingested).remarks
    assert (beyond.what, beyond.count) == ("truth rows beyond the end of the footage", 1)


def test_truth_from_frame_0_is_shifted_and_told(truth_and_results: tuple[Path, Path]) -> None:
    truth, results = truth_and_results
    expected = evaluate_tracking(truth, results=results)
    assert expected.remarks == []
    for path in truth.glob("*/gt/gt.txt"):
        rows = np.loadtxt(path, delimiter=",")
        rows[:, 0] -= 1
        np.savetxt(path, rows, fmt="%g", delimiter=",")
    report = evaluate_tracking(truth, results=results)
    assert (report.cameras, report.all) == (expected.cameras, expected.all)
    assert [(remark.what, remark.count) for remark in report.remarks] == [("truth files whose frames count from 0", 2)]
    done = evaluate("--truth", truth, "--results", results)
    assert "2 truth files whose frames count from 0: They have a frame 0" in done.stdout


def test_broken_results_are_named(truth_and_results: tuple[Path, Path]) -> None:
    (truth_and_results[1] / "gate.txt").write_text("1,2,three\n")
    done = evaluate("--truth", truth_and_results[0], "--results", truth_and_results[1])
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


COLOURS = {1: (200, 30, 30), 2: (30, 200, 30), 3: (30, 30, 200), 0: (90, 90, 90), -1: (200, 30, 30)}


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """Three people of one colour each in two cameras, a distractor and a junk picture."""
    names = {
        "bounding_box_train": ["0009_c1s1_000001_01", "0009_c2s1_000001_01"],
        "query": [f"{person:04d}_c1s1_000001_00" for person in (1, 2, 3)],
        "bounding_box_test": [f"{person:04d}_c{camera}s1_000051_01" for person in (1, 2, 3) for camera in (1, 2)]
        + ["0000_c2s1_000101_01", "-1_c2s1_000151_01"],
    }
    for part, files in names.items():
        (tmp_path / part).mkdir()
        for file in files:
            picture = np.full((16, 8, 3), COLOURS.get(int(file.split("_")[0]), (0, 0, 0)), np.uint8)
            cv2.imwrite(str(tmp_path / part / f"{file}.jpg"), picture)
    return tmp_path


@pytest.fixture
def mean_colour(tmp_path: Path) -> Path:
    """A foreign encoder: float N×3×16×8 → the mean of each colour."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["output"]),
    ]
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 16, 8])]
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 3])]
    model = helper.make_model(
        helper.make_graph(nodes, "mean", inputs, outputs), opset_imports=[helper.make_opsetid("", 17)], ir_version=10
    )
    onnx.save(model, tmp_path / "mean.onnx")
    return tmp_path / "mean.onnx"


def test_reid_scores_a_foreign_onnx_file(market: Path, mean_colour: Path) -> None:
    done = evaluate(f"market1501:{market}", "--model", mean_colour, "--json", what="reid")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    ranks = {f"rank{k}": 1.0 for k in (1, 5, 10, 20)}
    assert scores == {"mAP": 1.0, **ranks, "mINP": 1.0, "queries": 3, "gallery": 7}
    reranked = evaluate(f"market1501:{market}", "--model", mean_colour, "--rerank", what="reid")
    assert reranked.stdout.split()[:2] == ["mAP", "rank1"]
    assert reranked.stdout.split()[-2:] == ["3", "7"]


def test_reid_scores_our_files(market: Path, tmp_path: Path) -> None:
    config = EncoderConfig(backbone="osnet_x0_25", head="pooled", height=32, width=16)
    folder = tmp_path / "models" / "first"
    folder.mkdir(parents=True)
    save_encoder(new_encoder(config, seed=0), folder / "model.safetensors")
    assert find_model(str(folder)) == folder / "model.safetensors"
    scores = evaluate_reid(f"market1501:{market}", str(folder), pooling=Pooling.max)
    assert (scores.queries, scores.gallery, scores.rank10) == (3, 7, 1.0)
    with pytest.raises(OnnxError, match="holds no model"):
        find_model(str(tmp_path / "query"))


def test_reid_averages_all_splits(tmp_path: Path, mean_colour: Path) -> None:
    """PRID2011 with two splits: of people whom their colours tell apart, and of two who swap theirs."""
    colours = {"cam_a": [40, 200, 40, 200], "cam_b": [40, 200, 200, 40]}
    for camera, values in colours.items():
        for number, value in enumerate(values, 1):
            folder = tmp_path / "multi_shot" / camera / f"person_{number:04d}"
            folder.mkdir(parents=True)
            for frame in range(27):
                cv2.imwrite(str(folder / f"{frame + 1:04d}.png"), np.full((16, 8, 3), (20, value, 120), np.uint8))
    people = [f"person_{number:04d}" for number in (1, 2, 3, 4)]
    splits = [{"train": people[2:], "test": people[:2]}, {"train": people[:2], "test": people[2:]}]
    (tmp_path / "splits_prid2011.json").write_text(json.dumps(splits))
    every = evaluate_reid(f"prid2011:{tmp_path}", str(mean_colour))
    assert (every.mAP, every.rank1, every.queries, every.gallery) == (0.75, 0.5, 4, 4)
    assert evaluate_reid(f"prid2011@1:{tmp_path}", str(mean_colour)).mAP == 0.5


def test_reid_says_what_is_missing(market: Path, tmp_path: Path) -> None:
    done = evaluate(f"market1501:{tmp_path}", "--model", tmp_path / "none.onnx", what="reid")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no model" in done.stderr
    assert "Traceback" not in done.stderr
    with pytest.raises(EncoderError, match="is no encoder of this version"):
        evaluate_reid(f"market1501:{market}", str(market / "query" / "0001_c1s1_000001_00.jpg"))
