from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from deploy import models
from deploy.models import OtherRunError, base
from deploy.models.base import Crops, Recipe, batches, contrastive_loss, groups_of, held_out, identity_loss, train
from reid.encoder import EncoderConfig
from tests.deploy.models.coloured import coloured_crops

TINY = EncoderConfig(channels=(4, 8, 8, 8, 8), blocks=(1, 1, 1, 1), stripes=2, dimensions=16, height=64, width=32)
RECIPE = Recipe(
    people=12,
    held_out=3,
    styles=3,
    shots=2,
    epochs=2,
    people_a_batch=4,
    encoder=TINY,
    crops_a_person=2,
    groups_a_batch=2,
)


@pytest.fixture
def crops(tmp_path: Path) -> Crops:
    """Three groups of 4 people in 3 cameras of their own, two crops in each. A person is a colour."""
    return coloured_crops(tmp_path)


def test_groups_are_linked_by_cameras() -> None:
    people, cameras = np.array([0, 1, 1, 2, 3, 4, 4]), np.array([0, 0, 1, 1, 2, 3, 2])
    assert groups_of(people, cameras).tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_crops_are_taken_from_their_shards(crops: Crops) -> None:
    taken = crops.take(np.array([71, 0, 24]))
    assert torch.equal(taken[0], torch.from_numpy(crops.shards[2][23].copy()))
    assert torch.equal(taken[1], torch.from_numpy(crops.shards[0][0].copy()))
    assert torch.equal(taken[2], torch.from_numpy(crops.shards[1][0].copy()))


def test_an_epoch_shows_each_training_crop_once_in_hands_across_cameras(crops: Crops) -> None:
    validating = held_out(crops, RECIPE)
    assert set(crops.people[validating]) == {8, 9, 10, 11}
    training = np.flatnonzero(~validating)
    epoch = list(batches(crops, training, RECIPE, seed=0, epoch=0))
    assert sorted(np.concatenate(epoch)) == training.tolist()
    for batch in epoch:
        for hand in batch.reshape(-1, 2):
            assert len(set(crops.people[hand])) == 1
        assert len(set(crops.groups[batch])) <= 2
    across = [len(set(crops.cameras[hand])) == 2 for batch in epoch for hand in batch.reshape(-1, 2)]
    assert np.mean(across) > 0.6
    assert not np.array_equal(epoch[0], next(batches(crops, training, RECIPE, seed=0, epoch=1)))


def test_identity_loss_is_the_smoothed_softmax_of_the_group() -> None:
    rng = np.random.default_rng(0)
    cosines, people = rng.uniform(-1, 1, (5, 7)), np.array([0, 2, 1, 5, 6])
    rivals = np.array([[1, 1, 1, 0, 0, 0, 0]] * 3 + [[0, 0, 0, 1, 1, 1, 1]] * 2, bool)
    losses = []
    for row, person, allowed in zip(cosines, people, rivals):
        shares = np.exp(base.SCALE * row[allowed])
        logs = np.log(shares / shares.sum())
        target = np.full(allowed.sum(), base.SMOOTHING / allowed.sum())
        target[np.flatnonzero(allowed).tolist().index(person)] += 1 - base.SMOOTHING
        losses.append(-(target * logs).sum())
    tensor = torch.tensor(cosines, requires_grad=True)
    loss = identity_loss(tensor, torch.from_numpy(people), torch.from_numpy(rivals))
    assert loss.item() == pytest.approx(np.mean(losses), abs=1e-5)
    loss.backward()
    assert tensor.grad is not None
    assert (tensor.grad[torch.from_numpy(~rivals)] == 0).all()


def test_contrastive_loss_is_that_of_its_paper_across_cameras() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(9, 6))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    people = np.array([0, 0, 0, 1, 1, 2, 3, 3, 4])
    cameras = np.array([0, 1, 1, 0, 1, 0, 2, 2, 2])
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    affinity, losses = np.exp(rows @ rows.T / base.TEMPERATURE), []
    for i in range(9):
        positives = [j for j in range(9) if people[j] == people[i] and cameras[j] != cameras[i]]
        negatives = [j for j in range(9) if people[j] != people[i] and groups[j] == groups[i]]
        if positives:
            total = affinity[i, positives + negatives].sum()
            losses.append(-np.mean([np.log(affinity[i, j] / total) for j in positives]))
    tensor = torch.tensor(rows, requires_grad=True)
    loss = contrastive_loss(tensor, *(torch.from_numpy(labels) for labels in (people, cameras, groups)))
    assert loss.item() == pytest.approx(np.mean(losses), abs=1e-5)
    loss.backward()
    assert tensor.grad is not None and torch.isfinite(tensor.grad).all()


def test_killed_and_continued_is_the_same_as_never_stopped(
    crops: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    expected = train(crops, whole, RECIPE, 0).state_dict()
    monkeypatch.setattr(base, "CHECKPOINT_SECONDS", -1.0)  # after every step
    save = base.save_checkpoint

    def save_and_die(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    for _ in range(3):
        with monkeypatch.context() as killing:
            killing.setattr(base, "save_checkpoint", save_and_die)
            with pytest.raises(KeyboardInterrupt):
                train(crops, broken, RECIPE, 0)
    resumed = train(crops, broken, RECIPE, 0).state_dict()
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)
    lines = [json.loads(line) for line in (broken / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    assert lines[-1]["epoch"] == RECIPE.epochs


def test_another_seed_does_not_continue_the_same_run(crops: Crops, tmp_path: Path) -> None:
    train(crops, tmp_path, dataclasses.replace(RECIPE, epochs=1), 0)
    with pytest.raises(OtherRunError, match="another recipe"):
        train(crops, tmp_path, dataclasses.replace(RECIPE, epochs=1), 1)


def test_a_run_of_another_seed_can_not_start(
    crops: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(crops, tmp_path, RECIPE, 0)
    monkeypatch.setattr(base, "render", lambda *_: None)
    monkeypatch.setattr(base, "Crops", lambda folder: crops)
    monkeypatch.setattr(base, "RECIPE", RECIPE)
    monkeypatch.setattr("sys.argv", ["base", "--out", str(tmp_path), "--seed", "1"])
    with pytest.raises(SystemExit) as ended:
        base.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    assert printed.err.count("Error: ") == 1 and "another recipe, seed or encoder" in printed.err


def test_the_command_renders_trains_exports_writes_a_card_and_installs(
    crops: Crops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, box = tmp_path / "run", tmp_path / "box"
    box.mkdir()
    monkeypatch.setattr(base, "render", lambda *_: None)
    monkeypatch.setattr(base, "Crops", lambda folder: crops)
    monkeypatch.setattr(models, "BOX", box)
    monkeypatch.setattr(base, "RECIPE", RECIPE)
    monkeypatch.setattr(base, "LOG_EVERY", 1)
    monkeypatch.setattr("sys.argv", ["base", "--out", str(out), "--install", "--json"])
    with pytest.raises(SystemExit) as ended:
        base.main()
    assert ended.value.code == 0
    made = json.loads(capsys.readouterr().out)
    files = {"base.safetensors", "base.onnx", "base.md"}
    assert made["installed"] and {Path(path).name for path in made["files"]} == files
    assert files | {"log.jsonl", "checkpoint.pt"} <= {path.name for path in out.iterdir()}
    assert {path.name for path in box.iterdir()} == files
    card = (box / "base.md").read_text(encoding="utf-8")
    steps = json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"]
    assert "12 people rendered" in card and "--seed 0" in card and f": {steps * 8:,} images at " in card
    assert all(f"`{name}`" in card for name in files - {"base.md"})
