"""The shipped detector's network, its training and its file, on a handful of miniature frames."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch

from deploy import models
from deploy.detectors import Frame
from deploy.detectors.heads import Classes
from deploy.detectors.onnx import OnnxDetector
from deploy.models import OtherRunError, person
from deploy.models.evaluate import Matched
from deploy.models.person import Crops, Recipe, another_camera, best_score, build, cut, export, finish, train

TINY = Recipe(8, 8, 96, 64, (64, 96), 4, 4, 1e-3, 1, 0.01, save_every=2, loaders=0)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight noisy pictures of 96x64 px with one bright upright box each, and one with no one."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    for part in ("images", "labels"):
        (folder / part).mkdir()
    for number in range(9):
        picture = rng.integers(0, 90, (64, 96, 3)).astype(np.uint8)
        x, y = int(rng.integers(4, 70)), int(rng.integers(2, 14))
        label = ""
        if number < 8:
            picture[y : y + 46, x : x + 18] = 220
            label = f"0 {(x + 9) / 96:.5f} {(y + 23) / 64:.5f} {18 / 96:.5f} {46 / 64:.5f}\n"
        cv2.imwrite(str(folder / "images" / f"{number:06d}.jpg"), picture)
        (folder / "labels" / f"{number:06d}.txt").write_text(label)
    return folder


def test_network_has_one_class() -> None:
    network = build(0)
    answer = network.eval()(torch.zeros(1, 3, 64, 96))[0]
    assert answer.shape == (1, 5, 126)
    assert network.names == {0: "person"}
    assert torch.equal(next(network.parameters()), next(build(0).parameters()))
    assert not torch.equal(next(network.parameters()), next(build(1).parameters()))


def test_exported_file_runs_at_any_size(tmp_path: Path) -> None:
    file = tmp_path / "person.onnx"
    network = build(0)
    export(network, file)
    assert file.stat().st_size <= 6_000_000
    detector = OnnxDetector(file, score=0.0, threads=1, device="cpu")
    assert (detector.head.kind, detector.head.classes) == ("yolov8", Classes(1))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, size, np.uint8) for size in ((540, 960, 3), (576, 768, 3))]
    assert [detector._input_size(picture) for picture in pictures] == [(384, 640), (480, 640)]
    people = detector.detect([Frame("", 0, 0.0, picture) for picture in pictures])
    assert all(len(detections) > 0 for detections in people)

    picture = torch.from_numpy(rng.random((2, 3, 64, 96), np.float32))
    expected = network.eval()(picture)[0].detach().numpy()
    answer = detector._session.run(None, {"images": picture.numpy()})[0]
    np.testing.assert_allclose(answer, expected, rtol=1e-3, atol=1e-3)


def test_shift_moves_scores_only(tmp_path: Path) -> None:
    network, answers = build(0), []
    picture = np.random.default_rng(0).random((1, 3, 64, 96), np.float32)
    for shift in (0.0, 3.0):
        export(network, tmp_path / "person.onnx", shift=shift)
        detector = OnnxDetector(tmp_path / "person.onnx", threads=1, device="cpu")
        answers.append(detector._session.run(None, {"images": picture})[0])
    plain, shifted = answers
    np.testing.assert_allclose(plain[:, :4], shifted[:, :4], rtol=1e-5)
    logits = [np.log(scores / (1 - scores)) for scores in (plain[:, 4], shifted[:, 4])]
    np.testing.assert_allclose(logits[1] - logits[0], 3, atol=1e-3)


def test_training_resumes_where_it_was_killed(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(frames, tmp_path, TINY, 0)
    straight = {key: value.clone() for key, value in whole.state_dict().items()}

    killed = tmp_path / "killed"
    killed.mkdir()
    saved = person.save

    def save_and_die(path: Path, state: dict) -> None:
        saved(path, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(person, "save", save_and_die)
        with pytest.raises(KeyboardInterrupt):
            train(frames, killed, TINY, 0)
    resumed = train(frames, killed, TINY, 0)
    for key, value in resumed.state_dict().items():
        torch.testing.assert_close(value, straight[key])
    assert (killed / "log.csv").read_text().count("\n") == 2  # the head and the last step

    again = train(frames, killed, TINY, 0)  # finished: nothing is done
    torch.testing.assert_close(next(again.parameters()), next(resumed.parameters()))
    with pytest.raises(OtherRunError, match="another recipe"):
        train(frames, killed, replace(TINY, rate=1.0), 0)


def test_card_tells_what_was_done(frames: Path, tmp_path: Path) -> None:
    (tmp_path / "bench.md").write_text("| detector | AP |\n")
    model = finish(build(3), tmp_path, frames, "cpu", TINY, 3)
    card = (tmp_path / "person.md").read_text()
    assert model == tmp_path / "person.onnx"
    assert hashlib.sha256(model.read_bytes()).hexdigest() in card
    for part in (
        "python -m deploy.models.person --out RUN --recipe cpu --seed 3",
        "AGPL-3.0",
        "8 frames of 96x64 px",
        "| steps | 4 |",
        "average precision",
        "| detector | AP |",
    ):
        assert part in card
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    assert metadata["names"] == "{0: 'person'}"
    assert metadata["license"] == "AGPL-3.0"


def test_one_command_makes_and_installs_all(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def render(folder: Path, count: int, seed: int, *_: object) -> None:
        calls.append((folder.name, count, seed))
        shutil.copytree(frames, folder)

    monkeypatch.setattr(person, "render", render)
    monkeypatch.setattr(person, "RECIPES", {"cpu": replace(TINY, steps=1)})
    monkeypatch.setattr(models, "BOX", tmp_path / "models")
    monkeypatch.setattr("sys.argv", ["person", "--out", str(tmp_path / "run"), "--seed", "4", "--install"])
    (tmp_path / "models").mkdir()
    with pytest.raises(SystemExit) as ended:
        person.main()
    assert ended.value.code == 0
    assert calls == [("frames", 8, 4), ("held-out", 8, 5)]
    assert {file.name for file in (tmp_path / "models").iterdir()} == {"person.onnx", "person.md"}
    assert capsys.readouterr().out.strip().endswith("person.onnx")


def test_crops_show_their_boxes(frames: Path) -> None:
    crops, again = Crops(frames, TINY, 5), Crops(frames, TINY, 5)
    seen = 0
    for k in range(16):
        image, boxes = crops[k]
        torch.testing.assert_close(image, again[k][0])
        side = 64 if k // 4 % 2 == 0 else 96
        assert image.shape == (3, side, side) and image.dtype == torch.uint8
        assert boxes.shape[1] == 4
        assert ((boxes[:, :2] - boxes[:, 2:] / 2 > -1e-5) & (boxes[:, :2] + boxes[:, 2:] / 2 < 1 + 1e-5)).all()
        seen += len(boxes)
    assert seen >= 8


def test_cut_keeps_boxes_on_people() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[10:50, 30:46] = 255
    people = np.array([[38, 30, 16, 40]], np.float32)
    whole = 0
    for seed in range(60):
        crop, boxes = cut(picture, people, 64, np.random.default_rng(seed))
        for x, y, w, h in boxes:
            ys, xs = np.nonzero(crop[..., 0] > 180)
            assert abs(xs.min() - (x - w / 2)) <= 2.5 and abs(xs.max() + 1 - (x + w / 2)) <= 2.5
            assert abs(ys.min() - (y - h / 2)) <= 2.5 and abs(ys.max() + 1 - (y + h / 2)) <= 2.5
            whole += 1
    assert whole >= 40


def test_another_camera_is_the_same_for_the_same_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    for seed in range(40):
        first, second = (another_camera(picture.copy(), np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        assert first.shape == (64, 64, 3) and first.dtype == np.uint8


def test_best_score_balances_precision_and_recall() -> None:
    part = Matched(np.array([0.9, 0.4, 0.3, 0.2], np.float32), np.array([True, True, False, False]), 2)
    assert best_score([part]) == pytest.approx(0.4)
    assert best_score([]) == 0.5
