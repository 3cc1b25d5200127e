"""The torchvision backend on random weights under the published file's name."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.detectors import DetectorError, Frame
from deploy.detectors.torchvision import TorchvisionDetector, detector_names

torch = pytest.importorskip("torch")
torchvision = pytest.importorskip("torchvision")

NAME = "ssdlite320_mobilenet_v3_large"


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty torch hub cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def publish(monkeypatch: pytest.MonkeyPatch, cache: Path, content: Any) -> Path:
    """Puts `content` into the cache and makes it the published weights, hash and all."""
    torch.save(content, cache / "draft")
    digest = hashlib.sha256((cache / "draft").read_bytes()).hexdigest()
    file = (cache / "draft").rename(cache / f"{NAME}-{digest[:8]}.pth")
    weights = torchvision.models.get_model_weights(NAME).DEFAULT
    monkeypatch.setattr(weights.value, "url", f"https://download.pytorch.org/models/{file.name}")
    return file


def test_cached_weights_load_and_people_come_back(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    torch.manual_seed(0)
    state = torchvision.models.get_model(NAME, weights=None, weights_backbone=None).state_dict()
    file = publish(monkeypatch, cache, state)
    detector = TorchvisionDetector(NAME, device="cpu", score=0.3)
    assert (detector.name, detector._model.score_thresh) == (NAME, 0.3)
    assert detector.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    pictures = [
        Frame("gate", 0, 0.0, np.zeros((60, 80, 3), np.uint8)),
        Frame("yard", 0, 0.0, np.zeros((90, 70, 3), np.uint8)),
    ]
    assert len(detector.detect(pictures)) == 2
    assert detector.detect([]) == []

    seen: list[Any] = []

    def model(batch: list[Any]) -> list[dict[str, Any]]:
        seen.extend(batch)
        boxes = torch.tensor([[0, 0, 5, 5], [1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 10, 10]]).float()
        return [{"boxes": boxes, "labels": torch.tensor([18, 1, 1, 1]), "scores": torch.tensor([0.9, 0.4, 0.8, 0.2])}]

    detector._model = model  # type: ignore[assignment]
    image = np.zeros((4, 6, 3), np.uint8)
    image[1, 2] = 255, 51, 0
    (detections,) = detector.detect([Frame("gate", 0, 0.0, image)])
    np.testing.assert_array_equal(detections.boxes, np.array([[5, 6, 7, 8], [1, 2, 3, 4]], np.float32))
    np.testing.assert_allclose(detections.scores, [0.8, 0.4])
    assert seen[0].shape == (3, 4, 6)
    np.testing.assert_allclose(seen[0][:, 1, 2], [1, 0.2, 0])


def test_weights_are_not_downloaded_unasked(cache: Path) -> None:
    with pytest.raises(DetectorError, match=rf"weights of {NAME} are not on this machine .* add --download"):
        TorchvisionDetector(NAME)


def test_weights_are_downloaded_when_asked(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    def refuse(url: str, *_: Any, **__: Any) -> None:
        raise OSError(f"no way to {url}")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(DetectorError, match=r"could not be downloaded from https://download\.pytorch\.org/"):
        TorchvisionDetector(NAME, download=True)


def test_other_files_than_those_published_are_refused(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    weights = torchvision.models.get_model_weights(NAME).DEFAULT
    (cache / Path(weights.url).name).write_bytes(b"cut short")
    with pytest.raises(DetectorError, match="is not what torchvision published"):
        TorchvisionDetector(NAME)

    ran = cache / "ran"

    class Exploit:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (ran,))

    publish(monkeypatch, cache, Exploit())
    with pytest.raises(DetectorError, match=f"does not hold the weights of {NAME}"):
        TorchvisionDetector(NAME)
    assert not ran.exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    publish(monkeypatch, cache, {"a": torch.zeros(1)})
    with pytest.raises(DetectorError, match=f"does not hold the weights of {NAME}"):
        TorchvisionDetector(NAME)


def test_every_detector_of_the_library_knows_people() -> None:
    assert "fasterrcnn_resnet50_fpn_v2" in detector_names()
    for name in detector_names():
        assert "person" in torchvision.models.get_model_weights(name).DEFAULT.meta["categories"]
    with pytest.raises(DetectorError, match="Torchvision has no detector resnet50"):
        TorchvisionDetector("resnet50")
