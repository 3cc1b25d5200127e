"""Which detector a name means."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deploy.detectors import DetectorError, load
from deploy.detectors.load import load_detector
from deploy.detectors.mot import MotDetector
from deploy.detectors.onnx import OnnxDetector


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The smallest detector: no one is ever there."""
    nothing = numpy_helper.from_array(np.zeros((1, 10, 6), np.float32), "nothing")
    inside = helper.make_graph(
        [helper.make_node("Identity", ["nothing"], ["output"])],
        "empty",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 10, 6])],
        [nothing],
    )
    path = tmp_path / "empty.onnx"
    onnx.save(helper.make_model(inside, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture
def no_local_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.detectors.ultralytics.local_weights", lambda: [])


def test_names_reach_their_backend(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, str, dict[str, Any]]] = []

    def stand_in(kind: str) -> Any:
        def make(name: str, **options: Any) -> Any:
            calls.append((kind, name, options))
            return type("Stub", (), {"name": name, "sha256": None, "batch": 1})()

        return make

    monkeypatch.setattr("deploy.detectors.ultralytics.UltralyticsDetector", stand_in("ultralytics"))
    monkeypatch.setattr("deploy.detectors.torchvision.TorchvisionDetector", stand_in("torchvision"))
    monkeypatch.setattr("deploy.detectors.torchvision.detector_names", lambda: ["fcos_resnet50_fpn"])
    options = {"download": True, "score": 0.3, "threads": 2, "device": "cpu", "person_class": "pedestrian"}
    expected = {
        **dict.fromkeys(["yolo11n", "yolov8m.pt", "rtdetr-l", "yolov5nu.pt", "mine/best.pt"], "ultralytics"),
        "fcos_resnet50_fpn": "torchvision",
    }
    for name in expected:
        load_detector(name, **options)  # type: ignore[arg-type]
    assert calls == [(kind, name, options) for name, kind in expected.items()]

    assert isinstance(load_detector(str(model), device="cpu"), OnnxDetector)
    (tmp_path / "det.txt").write_text("")
    assert isinstance(load_detector(f"mot:{tmp_path / 'det.txt'}"), MotDetector)
    with pytest.raises(DetectorError, match=r"'yoda' names no detector; give one with --detector PATH\.onnx"):
        load_detector("yoda")


@pytest.mark.usefixtures("no_local_weights")
def test_shipped_and_auto_say_how_to_go_on_where_nothing_is_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "SHIPPED", tmp_path / "person.onnx")
    for name in ("shipped", "auto"):
        with pytest.raises(DetectorError, match=r"--detector PATH\.onnx, or --detector yolo11n\.pt --download"):
            load_detector(name)


def test_auto_goes_by_site_then_local_weights_then_shipped(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "sightline")
    monkeypatch.setattr(load, "SHIPPED", model)
    monkeypatch.setattr("deploy.detectors.ultralytics.local_weights", lambda: [model])
    assert load_detector("auto", site_default=str(model)).name == str(model)
    assert "the site names it" in caplog.text and "larger one" not in caplog.text
    assert load_detector("auto", site_default="auto").name == str(model)
    assert "the largest ultralytics weights on this machine" in caplog.text
    monkeypatch.setattr("deploy.detectors.ultralytics.local_weights", lambda: [])
    detector = load_detector("auto")
    assert detector.name == "shipped"
    assert (
        "a larger one is more accurate on real footage: name one with --detector yolo11m.pt --download" in caplog.text
    )
    assert f"detector shipped, SHA-256 {detector.sha256}" in caplog.text


def test_an_onnx_detector_needs_no_torch(model: Path) -> None:
    script = f"""
import sys
from deploy.detectors.load import load_detector
load_detector({str(model)!r}, device="cpu")
assert not {{"torch", "torchvision", "ultralytics"}} & set(sys.modules)
"""
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ, "PYTHONPATH": str(root)})
