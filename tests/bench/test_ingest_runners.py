"""Each runner goes through the footage and says how fast. The naive loop decodes what its model says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import deploy.models
from bench import ingest_runners
from bench.ingest_runners import COCO_ROW, Run, decode_yolox, main, reads_yolox, run_of


def test_the_naive_loop_is_not_asked_for_what_it_cannot_read() -> None:
    assert not reads_yolox(str(Path(deploy.models.__path__[0]) / "person.onnx"))


def test_a_yolox_row_becomes_a_box_in_pixels() -> None:
    output = np.zeros((8 * 8 + 4 * 4 + 2 * 2, COCO_ROW), np.float32)  # of a 64 × 64 px picture
    row = 8 * 3 + 2  # third column, fourth line of the finest grid, 8 px a cell
    output[row, :4] = 0.5, 0.5, np.log(2), np.log(4)
    output[row, 4], output[row, 5] = 0.9, 0.8  # a person
    output[0, 4], output[0, 6] = 0.9, 0.9  # a bicycle
    boxes, scores = decode_yolox(output, 64, 64)
    np.testing.assert_allclose(boxes, [[20 - 8, 28 - 16, 16, 32]])  # left, top, width, height
    np.testing.assert_allclose(scores, [0.72], rtol=1e-6)


def test_speed_counts_from_the_first_frame_on() -> None:
    run = run_of([10.0, 10.5, 11.0])
    assert (run.frames, run.running) == (3, 2.0) and run.peak_mib > 10


def test_a_runner_prints_one_json_object(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[object, ...]] = []

    def runner(*words: object) -> Run:
        calls.append(words)
        return Run(frames=3, running=2.0, peak_mib=50.0)

    monkeypatch.setitem(ingest_runners.RUNNERS, "another encoder", runner)
    main("another encoder", "hall.mp4", "shipped", "v1.onnx")
    assert calls == [(Path("hall.mp4"), "shipped", Path("v1.onnx"))]
    assert Run(**json.loads(capsys.readouterr().out)) == Run(frames=3, running=2.0, peak_mib=50.0)
