"""Two processes that share each batch end where one does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import distributed, nn

from reid.training import train_benchmark
from reid.training.ranks import RankDropout, RankNorm, in_batch_order, over_ranks, rank, ranks, sum_gradients
from tests.reid.training.runs import lines, tiny, weights

ROOT = Path(__file__).parents[3]


def test_a_process_alone_is_the_first_of_one() -> None:
    assert (rank(), ranks()) == (0, 1)
    embedding = torch.rand(6, 3)
    assert in_batch_order(embedding, 2) is embedding
    sum_gradients([nn.Parameter(torch.ones(2))])  # which has none: nothing to do


@pytest.fixture
def one_rank() -> Iterator[None]:
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_normalisation_is_that_of_torch(one_rank: None) -> None:
    x = torch.randn(8, 5, 3, 2)
    norm, other = RankNorm(5), nn.BatchNorm2d(5)
    torch.testing.assert_close(norm(x), other(x))
    torch.testing.assert_close(norm.running_var, other.running_var)
    assert torch.equal(norm.eval()(x), norm(x))


def test_dropout_keeps_the_mean_and_nothing_in_evaluation() -> None:
    module = over_ranks(nn.Sequential(nn.Dropout(0.25), nn.ReLU()), 2)
    dropout = module.get_submodule("0")
    assert isinstance(dropout, RankDropout)
    x = torch.ones(4000, 8)
    dropped = dropout(x)
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert dropout.eval()(x) is x


def torchrun(script: Path) -> None:
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run(words, check=True, env=environment, cwd=ROOT, timeout=300)


def test_all_have_the_time_and_the_bytes_of_the_first(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        """
from reid.training.clock import Clock
from reid.training.ranks import bytes_of_first_rank, rank, ranks_of_torchrun
with ranks_of_torchrun():
    seconds, kept = [(50.0, b"checkpoint"), (99.0, b"")][rank()]
    assert Clock(10, 4, seconds=100.0).position(0, seconds) == 2.0
    assert bytes_of_first_rank(kept) == b"checkpoint"
    assert bytes_of_first_rank(b"" if rank() == 0 else b"other") == b""
""",
        encoding="utf-8",
    )
    torchrun(script)


def test_two_ranks_end_where_one_does(data_folder: Path, tmp_path: Path) -> None:
    """With augmentation, dropout, memories, camera-wise batch statistics and a batch in parts."""
    kinds = {
        "ssl": tiny(data_folder, "ssl", epochs=1, recipe={"optimiser": "sgd"}),
        "eea": replace(tiny(data_folder, "eea", recipe={"optimiser": "sgd", "learning_rate": 1e-4}), accumulate=2),
        "utal": tiny(
            data_folder, "utal", epochs=1, preset_name="faithful", recipe={"optimiser": "sgd"}, ccta_start=0.0
        ),
    }
    for name, settings in kinds.items():
        train_benchmark(settings, tmp_path / f"{name}-1", crops=data_folder / "crops")
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import torch
torch.set_num_threads(1)
from pathlib import Path
from reid.methods import Recipe
from reid.benchmarks.noise import Noise
from reid.methods.eea import EEAConfig
from reid.methods.ssl import SSLConfig
from reid.methods.utal import UTALConfig
from reid.training import Settings, train_benchmark
from reid.training.ranks import ranks_of_torchrun
with ranks_of_torchrun():
    for name, settings in {kinds!r}.items():
        train_benchmark(settings, Path({str(tmp_path)!r}) / f"{{name}}-2", crops=Path({str(data_folder / "crops")!r}))
""",
        encoding="utf-8",
    )
    torchrun(script)
    start = safetensors.torch.load_file(data_folder / "tiny.safetensors")
    for name in kinds:
        alone, shared = weights(tmp_path / f"{name}-1"), weights(tmp_path / f"{name}-2")
        assert apart(alone, shared) < 1e-4 * apart(alone, start)  # the difference of rounding, which training magnifies
        for line, other in zip(lines(tmp_path / f"{name}-1"), lines(tmp_path / f"{name}-2"), strict=True):
            losses = {key: value for key, value in line.items() if key.startswith("loss/")}
            assert losses == pytest.approx({key: other[key] for key in losses}, rel=1e-3, abs=1e-5)


def apart(state: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return max(float((state[name] - other[name]).abs().max()) for name in state)
