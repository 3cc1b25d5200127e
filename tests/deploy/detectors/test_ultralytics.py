"""The ultralytics backend on a tiny model with random weights, and its exports read by the ONNX backend."""

from __future__ import annotations

import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from deploy.detectors import DetectorError, Frame
from deploy.detectors import ultralytics as backend
from deploy.detectors.heads import Classes
from deploy.detectors.onnx import OnnxDetector
from deploy.detectors.ultralytics import UltralyticsDetector
from trackers.detections import Detections

torch = pytest.importorskip("torch")
if importlib.util.find_spec("ultralytics") is None:  # not importorskip: only the backend may import it
    pytest.skip("ultralytics is not installed", allow_module_level=True)

SIDE = 160
TINY = {
    "nc": 2,
    "scales": {"n": [0.33, 0.06, 128]},
    "scale": "n",
    "backbone": [
        [-1, 1, "Conv", [64, 3, 2]],
        [-1, 1, "Conv", [128, 3, 2]],
        [-1, 1, "Conv", [256, 3, 2]],
        [-1, 1, "Conv", [512, 3, 2]],
        [-1, 1, "Conv", [1024, 3, 2]],
    ],
    "head": [[[2, 3, 4], 1, "Detect", ["nc"]]],
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `.pt` file of a YOLO11 head on five convolutions that sees some people in noise."""
    folder = tmp_path_factory.mktemp("ultralytics")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_CONFIG_DIR", str(folder))  # where the library writes its settings at import
        library = backend.load_ultralytics()
    recipe = folder / "tiny11n.yaml"
    library.utils.YAML.save(recipe, TINY)
    torch.manual_seed(0)
    model = library.YOLO(recipe)
    network = model.model
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the statistics of one batch become the layer's own
    with torch.no_grad():
        network.train()(torch.rand(4, 3, SIDE, SIDE))
        for classes in network.model[-1].cv3:
            classes[-1].weight.mul_(3)
            classes[-1].bias.copy_(torch.tensor([-1.5, -1.0]))
    network.eval().names = {0: "dog", 1: "person"}
    model.ckpt = {"train_args": {"imgsz": SIDE}}
    model.save(folder / "tiny.pt")
    return folder / "tiny.pt"


def noise(height: int = SIDE, width: int = SIDE, seed: int = 0) -> NDArray[np.uint8]:
    small = np.random.default_rng(seed).integers(0, 256, (max(2, height // 8), max(2, width // 8), 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)  # type: ignore[return-value]


def frames(*pictures: NDArray[np.uint8]) -> list[Frame]:
    return [Frame("gate", i, i / 10, picture) for i, picture in enumerate(pictures)]


def assert_same_people(detections: Detections, expected: Detections) -> None:
    """Every box has its counterpart within 1 px and 0.01 of score. The order of near-equal scores is free."""
    assert len(detections) == len(expected) > 3
    own, theirs = (np.column_stack([side.boxes, 1000 * side.scores]) for side in (detections, expected))
    partner = np.abs(theirs[:, None] - own[None]).sum(axis=2).argmin(axis=1)
    assert len(set(partner)) == len(partner)
    np.testing.assert_allclose(detections.boxes[partner], expected.boxes, atol=1)
    np.testing.assert_allclose(detections.scores[partner], expected.scores, atol=0.01)


def test_people_alone_come_back_in_order_and_in_the_picture(weights: Path) -> None:
    detector = UltralyticsDetector(str(weights), device="cpu", threads=1)
    assert detector.name == str(weights)
    assert detector.sha256 is not None and len(detector.sha256) == 64
    answers = detector.detect(frames(noise(), noise(90, 120, seed=1), noise(seed=2)))
    assert [len(answer) > 0 for answer in answers] == [True] * 3
    for detections, (height, width) in zip(answers, [(160, 160), (90, 120), (160, 160)], strict=True):
        assert detections.boxes.dtype == detections.scores.dtype == np.float32
        assert (detections.scores[:-1] >= detections.scores[1:]).all()
        assert (detections.scores >= 0.1).all()
        assert (detections.boxes >= 0).all() and (detections.boxes <= [width, height, width, height]).all()
    assert detector.detect([]) == []
    everyone = detector._model.predict(noise()[..., ::-1], conf=0.1, iou=0.65, max_det=1000, verbose=False)[0].boxes
    assert 0 < (everyone.cls == 1).sum() < len(everyone)  # dogs were there, and are gone
    assert len(answers[0]) == (everyone.cls == 1).sum()


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "yolov8"),
        ({"dynamic": True}, "yolov8"),
        ({"dynamic": True, "batch": 2, "nms": True, "conf": 0.1, "iou": 0.65}, "rows"),
        ({"batch": 2}, "yolov8"),
    ],
)
def test_exports_answer_as_the_model_does(weights: Path, tmp_path: Path, options: dict[str, Any], kind: str) -> None:
    pytest.importorskip("onnx")
    copy = tmp_path / "tiny.pt"
    copy.write_bytes(weights.read_bytes())
    exported = backend.load_ultralytics().YOLO(copy).export(format="onnx", imgsz=SIDE, simplify=False, **options)
    reader = OnnxDetector(Path(exported), device="cpu", threads=2)
    assert (reader.head.kind, reader.head.classes) == (kind, Classes(2, person=1))
    pictures = [noise(), noise(seed=1), noise(320, 320, seed=2)]
    if options.get("dynamic"):
        pictures.append(noise(90, 120, seed=3))  # a fixed input pads it to a square, which the model itself would not
    model = UltralyticsDetector(str(weights), device="cpu")
    expected = [model.detect(frames(picture))[0] for picture in pictures]
    for answer, wanted in zip(reader.detect(frames(*pictures)), expected, strict=True):
        assert_same_people(answer, wanted)


def test_weights_are_downloaded_only_when_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backend, "weights_folder", lambda: tmp_path / "weights")
    fetched: list[str] = []

    def fetch(url: str, file: Path, **_: Any) -> None:
        fetched.append(url)
        Path(file).write_bytes(weights.read_bytes())

    monkeypatch.setattr("ultralytics.utils.downloads.safe_download", fetch)
    for name in ("yolo11n", "yolo11n.pt"):
        with pytest.raises(DetectorError, match=r"yolo11n\.pt are not on this machine .* add --download"):
            UltralyticsDetector(name)
    assert not fetched
    detector = UltralyticsDetector("yolo11n", download=True, device="cpu")
    assert fetched == ["https://github.com/ultralytics/assets/releases/download/v8.4.0/yolo11n.pt"]
    assert detector.name == "yolo11n.pt"
    assert backend.local_weights() == [tmp_path / "weights" / "yolo11n.pt"]
    UltralyticsDetector("yolo11n.pt", device="cpu")  # there now
    assert len(fetched) == 1
    with pytest.raises(DetectorError, match=r"publishes no weights yolo11q\.pt"):
        UltralyticsDetector("yolo11q", download=True)


def test_local_weights_are_published_detectors_largest_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backend, "weights_folder", lambda: tmp_path / "weights")
    for name, size in {"yolo11n.pt": 5, "yolov8m.pt": 9, "yolo11x-seg.pt": 99, "mine.pt": 50}.items():
        (tmp_path / name).write_bytes(bytes(size))
    assert [file.name for file in backend.local_weights()] == ["yolov8m.pt", "yolo11n.pt"]


class Exploit:
    """A pickle that would write a file on loading."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.target,))


def test_a_pickle_with_code_and_garbage_are_refused(tmp_path: Path, weights: Path) -> None:
    torch.save({"model": Exploit(tmp_path / "ran")}, tmp_path / "evil.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Exploit(tmp_path / "ran")))
    (tmp_path / "garbage.pt").write_bytes(b"not a model")
    for name in ("evil.pt", "raw.pt", "garbage.pt"):
        with pytest.raises(DetectorError, match=f"can't load .*{name}"):
            UltralyticsDetector(str(tmp_path / name), device="cpu")
    assert not (tmp_path / "ran").exists()
    with pytest.raises(DetectorError, match="There is no detector file"):
        UltralyticsDetector(str(tmp_path / "missing.pt"), download=True)


def test_nothing_reaches_for_the_network(weights: Path, tmp_path: Path) -> None:
    """Import, load and detect in a fresh process, outside pytest, where the library's own test switch is off."""
    script = textwrap.dedent(
        f"""
        import socket, subprocess, sys, threading
        reached = []
        def refuse(*arguments, **_):
            reached.append(arguments)
            raise OSError("no network")
        socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
        socket.getaddrinfo = socket.gethostbyname = refuse
        import numpy as np
        from deploy.detectors import Frame
        from deploy.detectors.ultralytics import UltralyticsDetector
        detector = UltralyticsDetector({str(weights)!r}, device="cpu")
        picture = np.random.default_rng(0).integers(0, 256, (160, 160, 3), np.uint8)
        for _ in range(2):
            detector.detect([Frame("gate", 0, 0.0, picture)])
        from ultralytics.utils import ONLINE, SETTINGS, TESTS_RUNNING, events
        assert not TESTS_RUNNING and not ONLINE and not SETTINGS["sync"] and not events.events.enabled
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(5)
        assert not reached, reached
        """
    )
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "ULTRALYTICS_", "PYTEST", "GITHUB"))
    }
    root = Path(__file__).parents[3]
    environment |= {"PYTHONPATH": str(root), "YOLO_CONFIG_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # stdout carries results
    assert '"sync": true' in next(tmp_path.rglob("settings.json")).read_text()  # the user's settings stay theirs
