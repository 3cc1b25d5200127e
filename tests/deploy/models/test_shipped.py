"""The models in the box: small, as their cards say, and of use on the sample films."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from deploy.detectors import Frame
from deploy.detectors.load import load_detector
from deploy.encoder import open_encoder
from reid.encoder import load_encoder
from trackers.detections import iou

ROOT = Path(__file__).parents[3]
MODELS, FILMS = ROOT / "deploy" / "models", ROOT / "sample_videos" / "films"
MEGABYTES = {"base": 12}  # 6 else


@pytest.mark.parametrize(
    ("name", "card"),
    [
        ("person.onnx", "person.md"),
        ("base.onnx", "base.md"),
        ("base.safetensors", "base.md"),
    ],
)
def test_a_model_is_small_and_what_its_card_says(name: str, card: str) -> None:
    data = (MODELS / name).read_bytes()
    assert len(data) <= MEGABYTES.get(name.partition(".")[0], 6) * 1_000_000
    text = (MODELS / card).read_text(encoding="utf-8")
    assert f"`{hashlib.sha256(data).hexdigest()}`" in text
    assert re.search(r"python -m deploy\.models\.\w+ --out RUN", text)
    assert re.search("[Ll]icence", text) and ("mAP" in text or "average precision" in text)
    assert b'File "' not in data  # no trace of the machine that made it


def film_frame(camera: str, number: int) -> np.ndarray:
    with av.open(FILMS / f"{camera}.mp4") as film:
        for count, frame in enumerate(film.decode(video=0), start=1):
            if count == number:
                return frame.to_ndarray(format="rgb24")
    raise AssertionError(f"{camera} has no frame {number}")


@pytest.mark.parametrize("camera", ["plaza", "entrance"])
def test_the_shipped_detector_finds_the_people_of_a_film(camera: str) -> None:
    detector = load_detector("shipped", threads=1)
    truth = np.loadtxt(FILMS / camera / "gt" / "gt.txt", delimiter=",")
    matched = people = 0
    for number in (60, 400):
        rows = truth[(truth[:, 0] == number) & (truth[:, 5] >= 60) & (truth[:, 8] >= 0.8)]
        boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)
        (seen,) = detector.detect([Frame(camera, number, 0.0, film_frame(camera, number))])
        sure = seen.boxes[seen.scores >= 0.3]
        people += len(boxes)
        matched += int((iou(boxes, sure).max(axis=1, initial=0.0) >= 0.5).sum()) if len(boxes) else 0
    assert people >= 4 and matched >= 0.7 * people


def test_the_encoder_tells_rendered_people_apart() -> None:
    """Somebody is more like himself half a second later than like the others in the picture."""
    encoder = load_encoder(MODELS / "base.safetensors")
    assert encoder.parameter_count <= 3_000_000
    truth = np.loadtxt(FILMS / "hall" / "gt" / "gt.txt", delimiter=",")
    crops: dict[int, list[torch.Tensor]] = {}
    for number in (300, 308):
        image = film_frame("hall", number)
        for row in truth[(truth[:, 0] == number) & (truth[:, 5] >= 60) & (truth[:, 8] >= 0.8)]:
            x, y, w, h = row[2:6].round().astype(int)
            crop = torch.from_numpy(image[y : y + h, x : x + w].copy()).permute(2, 0, 1)[None].float()
            small = torch.nn.functional.interpolate(crop, size=(128, 64), mode="bilinear", antialias=True)
            crops.setdefault(int(row[1]), []).append(small[0].permute(1, 2, 0).round().clamp(0, 255).byte())
    pairs = [pair for pair in crops.values() if len(pair) == 2]
    assert len(pairs) >= 3
    first, second = (torch.stack([pair[k] for pair in pairs]) for k in (0, 1))
    affinity = encoder.embed(first) @ encoder.embed(second).T
    assert (affinity.argmax(dim=1) == torch.arange(len(pairs))).float().mean() >= 0.75
    exported = open_encoder(MODELS / "base.onnx")
    assert np.abs(exported.embed(first.numpy()) - encoder.embed(first).numpy()).max() < 1e-3
