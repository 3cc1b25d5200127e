"""What a run tells: mean losses, lines that are not told twice, progress, TensorBoard."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from reid.progress import unheard
from reid.training import Diverged, journal, train_benchmark
from reid.training.checkpoint import State
from reid.training.journal import Journal, Losses
from tests.reid.training.runs import lines, tiny


def test_losses_are_the_mean_of_the_epoch_so_far() -> None:
    state, losses = State(), Losses(0, 4)
    for value in (1.0, 2.0, 6.0):
        for part in (value - 0.5, value + 0.5):  # of a batch in two parts
            losses.add({"intra": torch.tensor(part, requires_grad=True)}, 2)
        state.step += 1
        if value != 1.0:
            losses.look(state)
    assert state.losses == {"intra": pytest.approx(3.0)}
    losses.add({"intra": torch.tensor(7.0)}, 1)
    state.step += 1
    losses.look(state)
    assert state.losses == {"intra": pytest.approx(4.0)}
    state.losses = {}  # the next epoch
    losses.add({"intra": torch.tensor(8.0)}, 1)
    state.step += 1
    losses.look(state)
    assert state.losses == {"intra": 8.0}


def test_a_loss_that_is_no_number_is_found_at_the_next_look() -> None:
    losses = Losses(0, 4)
    losses.add({"intra": torch.tensor(1.0), "inter": torch.tensor(torch.inf)}, 1)
    with pytest.raises(Diverged, match="before step 1"):
        losses.look(State(step=1))


def test_what_was_told_after_the_checkpoint_is_forgotten(tmp_path: Path) -> None:
    with Journal(tmp_path, 0, 10, unheard) as told:
        for step in (2, 4, 6):
            told.write(State(step=step, losses={"intra": 1.0}), {"learning_rate": 0.1})
    with (tmp_path / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 4, "cut sho')
    with Journal(tmp_path, 4, 10, unheard):
        assert [line["step"] for line in lines(tmp_path)] == [2, 4]
    assert lines(tmp_path)[0]["loss/intra"] == 1.0 and lines(tmp_path)[0]["learning_rate"] == 0.1
    with Journal(tmp_path, 0, 10, unheard):
        assert lines(tmp_path) == []


def test_progress_and_losses_are_told(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(journal, "LINE_SECONDS", 0.0)
    caplog.set_level("INFO", "sightline")

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        told.append((task, done, total))

    train_benchmark(tiny(data_folder, "eea"), tmp_path, progress=progress)
    assert [entry for entry in told if entry[0] != "crops"] == [("training steps", step, 6) for step in range(7)]
    assert {("crops", 0, 72), ("crops", 72, 72)} <= set(told)
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("step ")]
    assert len(said) == 2 and re.fullmatch(r"step 3 of 6: loss \d+\.\d{3}, \d+ images/s", said[0])


def test_tensorboard_shows_the_log(data_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_benchmark(tiny(data_folder, "eea", epochs=1), tmp_path, crops=data_folder / "crops")
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    last = lines(tmp_path)[-1]
    for name in ("loss/intra", "mAP", "associations"):
        (event,) = board.Scalars(name)
        assert (event.step, event.value) == (last["step"], pytest.approx(last[name]))
