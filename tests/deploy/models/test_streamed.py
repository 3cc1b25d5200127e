"""Making an encoder while its people are rendered: real processes, a network of a few weights, some seconds."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from deploy.models import MakingError, streamed
from deploy.models.streamed import RECIPES, Pool, Training, deal, learning_rate, stream
from reid.encoder import load_encoder
from sample_videos.world.crop_stream import Groups, Renderers

TINY = dataclasses.replace(RECIPES["tiny"], looks=1_000_000)  # it never waits for more people
MINUTES = 0.15


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A run's folder, where four groups are rendered already. A person is a colour."""
    rng = np.random.default_rng(0)
    (tmp_path / "crops").mkdir()
    for number in range(4):
        colours = rng.integers(0, 200, (1, TINY.groups.people, 1, 1, 1, 3))
        noise = rng.integers(0, 50, TINY.groups.shape)
        np.save(tmp_path / "crops" / f"group-{number:04d}.npy", (colours + noise).astype(np.uint8))
    return tmp_path


class FirstKilled(Renderers):
    """The first of the renderers is killed at once."""

    def __enter__(self) -> Renderers:
        entered = super().__enter__()
        self.processes[0].kill()
        self.processes[0].join()
        return entered


def test_the_command_makes_weights_figures_and_a_card_in_the_time_given(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    monkeypatch.setattr(streamed, "LOG_EVERY", 1)
    monkeypatch.setattr(streamed, "SAVE_SECONDS", 1.0)
    options = ["--out", str(out), "--recipe", "tiny", "--minutes", str(MINUTES), "--workers", "2"]
    monkeypatch.setattr("sys.argv", ["streamed", *options])
    began, ended = time.monotonic(), []
    export = streamed.export_checked

    def export_later(weights: Path, onnx: Path) -> float:
        ended.append(time.monotonic())
        return export(weights, onnx)

    monkeypatch.setattr(streamed, "export_checked", export_later)
    with pytest.raises(SystemExit) as stopped:
        streamed.main()
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip().endswith("base.safetensors")
    assert 60 * MINUTES * (1 - streamed.ENDING) <= ended[0] - began <= 60 * MINUTES + 2
    figures = json.loads((out / "figures.json").read_text())
    assert figures["finished"] and figures["lost_renderers"] == []
    assert figures["people"] >= 12 and figures["people"] % 4 == 0 and figures["crops"] == 2 * figures["people"]
    assert figures["steps"] > 0 and figures["crops_shown"] == figures["steps"] * 16
    assert figures["validation"]["queries"] == 8 and 0 < figures["validation"]["mAP"] <= 1
    encoder = load_encoder(out / "base.safetensors")
    assert encoder.config == TINY.encoder and figures["parameters"] == encoder.parameter_count
    log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    rates = [line["learning_rate"] for line in log if "learning_rate" in line]
    assert len(rates) == figures["steps"] and rates[-1] < 0.2 * streamed.LEARNING_RATE
    card = (out / "base.md").read_text(encoding="utf-8")
    assert f"{figures['people']} people rendered" in card and "--recipe tiny" in card
    assert (out / "base.onnx").is_file()


def test_it_goes_on_without_a_killed_renderer_and_says_so(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(streamed, "Renderers", FirstKilled)
    (lost,) = stream(out, TINY, 0, MINUTES / 2, 2)
    assert lost == "renderer 0 of 2 was killed by signal 9" and lost in capsys.readouterr().err
    figures = json.loads((out / "figures.json").read_text())
    assert figures["lost_renderers"] == [lost] and figures["steps"] > 0
    assert figures["finished"] and load_encoder(out / "base.safetensors").config == TINY.encoder


def test_without_any_renderer_or_crops_it_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed, "Renderers", FirstKilled)
    began = time.monotonic()
    with pytest.raises(MakingError, match="nobody renders more:\nrenderer 0 of 1 was killed by signal 9"):
        stream(tmp_path, TINY, 0, 5, 1)
    assert time.monotonic() - began < 10


def test_each_crop_is_dealt_once_in_hands_of_different_cameras() -> None:
    groups = Groups(count=9, people=6, styles=4, shots=3, height=2, width=1)
    recipe = dataclasses.replace(TINY, groups=groups, people_a_part=3, parts=2, crops_a_person=2)
    pool = Pool(groups, torch.device("cpu"))
    dealt = torch.from_numpy(deal(np.array([2, 7]), recipe, np.random.default_rng(0)))
    assert dealt.shape == (12, 2, 6)
    first = np.arange(groups.crops)
    assert sorted(dealt.flatten().tolist()) == [*(first + 2 * groups.crops), *(first + 7 * groups.crops)]
    person, camera = pool.person(dealt), pool.camera(dealt)
    for part, where in zip(person.flatten(0, 1), camera.flatten(0, 1)):
        hands = part.view(3, 2)
        assert (hands[:, 0] == hands[:, 1]).all() and len(set(hands[:, 0].tolist())) == 3
        assert (where.view(3, 2)[:, 0] != where.view(3, 2)[:, 1]).all()
    assert (pool.group(dealt) == pool.group(dealt)[..., :1]).all()


def test_crops_are_numbered_as_they_lie(tmp_path: Path) -> None:
    groups = Groups(count=2, people=3, styles=2, shots=2, height=1, width=1)
    pool = Pool(groups, torch.device("cpu"))
    camera, person, shot = np.indices((2, 3, 2))
    np.save(tmp_path / "group-0001.npy", np.stack([camera, person, shot], -1)[..., None, None, :].astype(np.uint8))
    pool.take_in({1: tmp_path / "group-0001.npy"})
    assert pool.training().tolist() == [1]
    crop = torch.arange(groups.crops, 2 * groups.crops)
    assert (pool.flat[crop][:, 0, 0, 0] == pool.camera(crop) - 2).all()
    assert (pool.flat[crop][:, 0, 0, 1] == pool.person(crop) - 3).all()


def test_people_who_have_not_come_are_nobodys_rivals() -> None:
    network, pool = Training(TINY, 0), Pool(TINY.groups, torch.device("cpu"))
    batch = torch.from_numpy(deal(np.array([3]), dataclasses.replace(TINY, parts=1), np.random.default_rng(0)))[0]
    network.loss(pool, batch, torch.rand(batch.numel(), 64, 32, 3) * 255).sum().backward()
    assert network.prototypes.grad is not None
    assert network.prototypes.grad.abs().sum((1, 2)).nonzero().flatten().tolist() == [3]


def test_the_rate_goes_up_then_down_to_nothing() -> None:
    rates = [learning_rate(share) for share in (0, 0.02, 0.04, 0.52, 1, 1.01)]
    assert rates == pytest.approx([0, 0.0015, 0.003, 0.0015, 0, 0])


def test_numbers_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="hands of 3"):
        dataclasses.replace(TINY, crops_a_person=3)
    with pytest.raises(ValueError, match="parts of 3"):
        dataclasses.replace(TINY, people_a_part=3)
