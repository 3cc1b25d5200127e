"""Whole trainings of a tiny encoder on coloured figures: they learn, and go on where they were stopped."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reid import run
from reid import train as engine
from reid.encoder import EncoderConfig, load_encoder, new_encoder, save_encoder
from reid.methods import Method
from reid.methods.eea import EEA
from reid.run import Diverged, TrainingError
from reid.train import Settings, train_benchmark
from tests.reid import figures

ROOT = Path(__file__).parents[2]
UNSUPERVISED = ("utal", "uga", "eea", "ssl", "dal")
METHODS = (*UNSUPERVISED, "single-task", "supervised")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small layers gain nothing from more, and a busy machine makes them slow
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small and a tiny set, and a tiny encoder with random weights."""
    folder = tmp_path_factory.mktemp("train")
    figures.market(folder / "small", people=20, tested=16, frames=3)
    figures.market(folder / "tiny", people=6, tested=3, frames=2)
    config = EncoderConfig(
        channels=(8, 16, 24, 32, 32), stripes=2, dimensions=64, height=figures.HEIGHT, width=figures.WIDTH
    )
    save_encoder(new_encoder(config, seed=0), folder / "tiny.safetensors")
    return folder


def tiny(place: Path, method: str, *, epochs: int = 2, preset: Any = "practical", **changes: Any) -> Settings:
    """Three steps an epoch."""
    recipe = {"recipe.batch": 24, "recipe.epoch": "images", "recipe.frames": 2, "recipe.learning_rate": 0.003}
    recipe |= {name.replace("recipe_", "recipe."): value for name, value in changes.items()}
    data, init = f"market1501:{place / 'tiny'}", str(place / "tiny.safetensors")
    return Settings(method, data, init=init, epochs=epochs, preset=preset, changes=recipe)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(out / "model.safetensors")


def same(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# -- they learn


@pytest.mark.parametrize("method", UNSUPERVISED)
def test_a_method_learns_from_unlabelled_tracklets(method: str, place: Path, tmp_path: Path) -> None:
    """By the mean of three seeds: of so small a set one may gain by luck, or hang on the order of sums."""
    changes = {"recipe.batch": 36, "recipe.epoch": "images", "recipe.learning_rate": 0.003}
    data, init = f"market1501:{place / 'small'}", str(place / "tiny.safetensors")
    gains = []
    for seed in range(3):
        settings = Settings(method, data, init=init, epochs=8, seed=seed, changes=changes)
        result = train_benchmark(settings, tmp_path / str(seed), crops=place / "crops")
        assert result.start is not None and result.final is not None
        gains.append(result.final["mAP"] - result.start["mAP"])
    assert np.mean(gains) > 0.05, gains
    told = [line for line in lines(tmp_path / "0") if "epoch" in line]
    assert [line["epoch"] for line in told] == list(range(1, 9))
    assert told[-1]["associations"] > 0 and 0 <= told[-1]["association_precision"] <= 1
    assert any(name.startswith("loss/") for name in told[-1])
    assert ("fragment_similarity" in told[-1]) == (method == "utal")


# -- they go on


@pytest.mark.parametrize(
    ("method", "preset"),
    [
        *((m, "practical") for m in ("utal", "uga", "eea", "ssl", "supervised")),
        ("dal", "faithful"),
        ("utal", "faithful"),
    ],
)
def test_a_run_goes_on_from_any_checkpoint_to_the_last_bit(
    method: str, preset: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CHECKPOINT_SECONDS", 0.0)
    saved: list[Path] = []
    save = engine.save_checkpoint

    def keep(out: Path, parts: dict[str, Any], state: engine.State) -> None:
        save(out, parts, state)
        if out.name == "whole":
            saved.append(shutil.copytree(out, tmp_path / f"from-{state.step}"))

    monkeypatch.setattr(engine, "save_checkpoint", keep)
    settings = tiny(place, method, preset=preset, recipe_size=(64, 32))
    whole = train_benchmark(settings, tmp_path / "whole", crops=place / "crops")
    epoch = len(saved) // 2
    assert epoch >= 3
    for folder in (saved[epoch - 1], saved[epoch], saved[-1]):  # at an epoch's end, in the next one, at the very end
        part = train_benchmark(settings, folder, crops=place / "crops")
        assert same(folder, tmp_path / "whole")
        assert (part.start, part.final) == (whole.start, whole.final)
        timeless = [
            [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines(out)]
            for out in (folder, tmp_path / "whole")
        ]
        assert timeless[0] == timeless[1]


@pytest.mark.parametrize("stops_at", [0, 2, 3, 5])
def test_a_progress_that_raises_stops_the_run_which_then_goes_on(
    stops_at: int, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first step, within an epoch, at its end and in the next one: what was saved before stays."""

    class Stopped(Exception):
        pass

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        if task == "training steps" and done == stops_at:
            raise Stopped

    monkeypatch.setattr(engine, "CHECKPOINT_SECONDS", 0.0)
    settings, stopped = tiny(place, "eea"), tmp_path / "stopped"
    with pytest.raises(Stopped):
        train_benchmark(settings, stopped, crops=place / "crops", progress=progress)
    left = stopped / "checkpoint.pt"
    steps = torch.load(left, weights_only=True)["state"]["step"] if left.is_file() else 0
    assert steps == max(stops_at - 1, 0) and not (stopped / "result.json").exists()
    train_benchmark(settings, stopped, crops=place / "crops")
    train_benchmark(settings, tmp_path / "whole", crops=place / "crops")
    assert same(stopped, tmp_path / "whole")
    assert [line["step"] for line in lines(stopped)] == [line["step"] for line in lines(tmp_path / "whole")]


def test_progress_and_losses_are_told(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, int, int | None]] = []
    monkeypatch.setattr(run, "LINE_SECONDS", 0.0)
    caplog.set_level("INFO", "sightline")

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        told.append((task, done, total))

    train_benchmark(tiny(place, "eea"), tmp_path, progress=progress)
    assert [entry for entry in told if entry[0] != "crops"] == [("training steps", step, 6) for step in range(7)]
    assert {("crops", 0, 72), ("crops", 72, 72)} <= set(told)
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("step ")]
    assert len(said) == 2 and re.fullmatch(r"step 3 of 6: loss \d+\.\d{3}, \d+ images/s", said[0])


def test_a_killed_process_leaves_a_run_that_goes_on(place: Path, tmp_path: Path) -> None:
    """Killed at the worst moment: while the checkpoint of the fifth step is written."""
    settings, killed = tiny(place, "uga"), tmp_path / "killed"
    code = f"""
import os, time, torch
from pathlib import Path
from reid import train
torch.set_num_threads(1)
train.CHECKPOINT_SECONDS = 0.0
replace, saved = os.replace, []
def slow(part, path):
    saved.extend([path] * (path.name == "checkpoint.pt"))
    if len(saved) == 5:
        Path({str(tmp_path / "now")!r}).touch()
        time.sleep(300)
    replace(part, path)
os.replace = slow
train.train_benchmark(train.{settings!r}, Path({str(killed)!r}), crops=Path({str(place / "crops")!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 120
    while not (tmp_path / "now").exists():
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(killed.glob("checkpoint.pt.*.part")) and not (killed / "result.json").exists()
    assert torch.load(killed / "checkpoint.pt", weights_only=True)["state"]["step"] == 4
    train_benchmark(settings, killed, crops=place / "crops")
    train_benchmark(settings, tmp_path / "whole", crops=place / "crops")
    assert same(killed, tmp_path / "whole") and not list(killed.glob("*.part"))
    assert [line["step"] for line in lines(killed)] == [line["step"] for line in lines(tmp_path / "whole")]


def test_two_ranks_end_where_one_does(place: Path, tmp_path: Path) -> None:
    """With augmentation, dropout, memories, camera-wise batch statistics and a batch in parts."""
    kinds = {
        "ssl": tiny(place, "ssl", epochs=1, recipe_optimiser="sgd"),
        "eea": replace(tiny(place, "eea", recipe_optimiser="sgd", recipe_learning_rate=1e-4), accumulate=2),
        "utal": tiny(place, "utal", epochs=1, preset="faithful", recipe_optimiser="sgd", ccta_start=0.0),
    }
    for name, settings in kinds.items():
        train_benchmark(settings, tmp_path / f"{name}-1", crops=place / "crops")
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import torch
torch.set_num_threads(1)
from pathlib import Path
from reid import train
from reid.train import Settings
def program():
    for name, settings in {kinds!r}.items():
        train.train_benchmark(settings, Path({str(tmp_path)!r}) / f"{{name}}-2", crops=Path({str(place / "crops")!r}))
train.run(program)
""",
        encoding="utf-8",
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*torchrun, str(script)], check=True, env=environment, cwd=ROOT, timeout=120)
    start = safetensors.torch.load_file(place / "tiny.safetensors")
    for name in kinds:
        one, two = weights(tmp_path / f"{name}-1"), weights(tmp_path / f"{name}-2")
        assert apart(one, two) < 1e-4 * apart(one, start)  # the difference of rounding, which training magnifies
        for line, other in zip(lines(tmp_path / f"{name}-1"), lines(tmp_path / f"{name}-2"), strict=True):
            losses = {key: value for key, value in line.items() if key.startswith("loss/")}
            assert losses == pytest.approx({key: other[key] for key in losses}, rel=1e-3, abs=1e-5)


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((one[name] - other[name]).abs().max()) for name in one)


# -- what a step does


def test_parts_of_a_batch_reach_the_memories_together(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[torch.Tensor]] = {}
    monkeypatch.setattr(EEA, "after_step", lambda self, batch: seen[parts].append(batch.image))
    for parts in (1, 3):
        seen[parts] = []
        settings = replace(tiny(place, "eea", epochs=1), accumulate=parts)
        train_benchmark(settings, tmp_path / str(parts), crops=place / "crops")
    assert all(torch.equal(one, other) for one, other in zip(seen[1], seen[3], strict=True))


class Waits(TorchDispatchMode):
    """Counts what would make a step wait for a device: values and sizes that Python must know."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        names = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal")
        self.count += func.overloadpacket.__name__ in names
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("method", METHODS)
def test_no_step_waits_for_the_device(method: str, place: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def progress(task: str, done: int, total: int | None = None, /) -> None:
        if task == "training steps" and done:
            assert total is not None
            seen.append(((done - 1) // (total // 2), waits.count))

    settings = tiny(place, method, recipe_optimiser="sgd")
    with Waits() as waits:  # Adam waits for its own counters on the CPU, not on CUDA
        train_benchmark(settings, tmp_path, crops=place / "crops", progress=progress)
    assert waits.count > 0
    within = [other[1] - one[1] for one, other in pairwise(seen) if one[0] == other[0]]
    assert within == [0] * (len(seen) - 2)


def test_nothing_that_trains_sees_identities(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Made(Exception):
        pass

    def made(*arguments: Any) -> Method:
        raise Made(arguments[-1] is not None)

    monkeypatch.setattr(engine, "make", made)
    for method in METHODS:
        with pytest.raises(Made) as given:
            train_benchmark(tiny(place, method), tmp_path / method, crops=place / "crops")
        assert given.value.args == (method == "supervised",)


def test_the_moving_average_is_what_is_kept(place: Path, tmp_path: Path) -> None:
    settings = tiny(place, "dal", preset="faithful", recipe_size=(64, 32))
    train_benchmark(settings, tmp_path, crops=place / "crops")
    written = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    kept = weights(tmp_path)
    assert all(torch.equal(kept[name], written["averaged"][name]) for name in kept)
    assert not all(torch.equal(kept[name], written["encoder"][name]) for name in kept)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: Any, place: Path, tmp_path: Path) -> None:
    settings = replace(tiny(place, "eea", epochs=1), precision=precision)
    result = train_benchmark(settings, tmp_path, crops=place / "crops")
    assert result.final is not None and result.final["mAP"] > 0.05


def test_tensorboard_shows_the_log(place: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train_benchmark(tiny(place, "eea", epochs=1), tmp_path, crops=place / "crops")
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    last = lines(tmp_path)[-1]
    for name in ("loss/intra", "mAP", "associations"):
        (event,) = board.Scalars(name)
        assert (event.step, event.value) == (last["step"], pytest.approx(last[name]))


def test_a_loss_that_is_no_number_ends_the_run(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHECKPOINT_SECONDS", 0.0)
    losses = Method.losses

    def broken(self: Method, batch: Any) -> dict[str, torch.Tensor]:
        parts = losses(self, batch)
        return {name: part * (torch.nan if self.epoch == 1 else 1.0) for name, part in parts.items()}

    monkeypatch.setattr(Method, "losses", broken)
    with pytest.raises(Diverged, match="learning_rate"):
        train_benchmark(tiny(place, "eea"), tmp_path, crops=place / "crops")
    written = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert written["state"]["step"] == 3
    assert all(part.isfinite().all() for part in written["encoder"].values())
    assert not (tmp_path / "model.safetensors").exists()


# -- the command


def command(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> int:
    monkeypatch.setattr(sys, "argv", ["train", *map(str, arguments)])
    try:
        engine.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_the_command_prints_its_result(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--data", f"market1501:{place / 'tiny'}", "--method", "eea", "--protocol", "oracle-tracklets", "--json"]
    asked += ["--init", place / "tiny.safetensors", "--epochs", 2, "--seed", 3, "--out", tmp_path / "run"]
    asked += ["--set", "recipe.batch=24", "--set", "threshold=fixed"]
    assert command(monkeypatch, *asked) == 0
    result = json.loads(capsys.readouterr().out)
    keys = ["method", "protocol", "epochs", "seconds", "images_per_second", "start", "final", "model"]
    assert list(result) == keys
    assert (result["method"], result["protocol"], result["epochs"]) == ("eea", "oracle-tracklets", 2)
    scores = ["mAP", "rank1", "rank5", "rank10", "rank20", "mINP", "queries", "gallery"]
    assert list(result["start"]) == list(result["final"]) == scores
    assert result["final"]["queries"] == 9 and result["final"]["gallery"] == 18
    assert load_encoder(Path(result["model"])).config.dimensions == 64
    assert command(monkeypatch, *asked) == 0  # done: the same again, at once
    assert json.loads(capsys.readouterr().out) == result
    assert command(monkeypatch, *asked, "--set", "scale=20.0") == 2
    said = capsys.readouterr().err
    assert "changes" in said and "20.0" in said and str(tmp_path / "run") in said.replace("\n", "")


def test_without_labels_there_are_no_scores(place: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng([0])
    for camera in range(2):
        for person in range(6):
            folder = tmp_path / "crops" / f"camera{camera}" / f"{person:02d}"
            folder.mkdir(parents=True)
            for frame in range(2):
                cv2.imwrite(str(folder / f"{frame}.jpg"), figures.figure(rng, person, camera, person))
    settings = replace(tiny(place, "uga"), data=f"folder-of-tracklets:{tmp_path / 'crops'}")
    result = train_benchmark(settings, tmp_path / "run")
    assert result.start is None and result.final is None
    assert Path(result.model).is_file()
    assert not any("association_precision" in line or "mAP" in line for line in lines(tmp_path / "run"))
    with pytest.raises(TrainingError, match="identities"):
        train_benchmark(replace(settings, method="supervised"), tmp_path / "other")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"--method": "udal"}, "no method is called 'udal'"),
        ({"--data": "market1501:nowhere"}, "nowhere is no folder"),
        ({"--data": "market"}, "SET:FOLDER"),
        ({"--set": "treshold=1"}, "no setting 'treshold'; there are warm_up, threshold"),
        ({"--set": "recipe.batches=1"}, "no setting 'recipe.batches'; there are epochs, optimiser"),
        ({"--set": "scale=wide"}, "scale is 16.0 by default and can't be 'wide'"),
        ({"--set": "recipe.augment=wild"}, "can't be 'wild'; it is one of strong, mild, none"),
        ({"--init": "nothing.safetensors"}, "nothing.safetensors: there is no such file"),
        ({"--init": __file__}, "is no encoder"),
        ({"--init": "imagenet"}, "no ImageNet weights for light"),
        ({"--backbone": "resnet50"}, "has the backbone light, which is not the resnet50 asked for"),
        ({"--head": "round"}, "there is no head 'round'"),
        ({"--size": "100x40"}, "crops of 100x40 px don't go through"),
        ({"--accumulate": "5"}, "can't be shared by 5"),
        ({"--epochs": "0"}, "at least 1"),
    ],
)
def test_what_can_not_start_says_so_in_one_sentence(
    wrong: dict[str, str],
    said: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {"--data": f"market1501:{place / 'tiny'}", "--method": "eea", "--init": str(place / "tiny.safetensors")}
    asked |= {"--epochs": "1", "--out": str(tmp_path / "run"), "--set": "recipe.batch=24"} | wrong
    assert command(monkeypatch, *(word for pair in asked.items() for word in pair)) == 2
    printed = capsys.readouterr()
    assert said in " ".join(printed.err.split())
    assert printed.err.count("Error: ") == 1 and "Traceback" not in printed.err
    assert not printed.out and not (tmp_path / "run" / "model.safetensors").exists()
