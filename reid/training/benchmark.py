"""Training on a published set, in the layout in which it is published."""

from __future__ import annotations

from pathlib import Path

from reid.benchmarks import open_benchmark
from reid.benchmarks.noise import Noise, noisy
from reid.progress import Progress, unheard
from reid.tracklets import TrackletDataset, TrackletSource
from reid.training.first_encoder import first_encoder
from reid.training.loop import train
from reid.training.ranks import rank, wait_for_ranks
from reid.training.run_folder import Result, alone_in, keep_settings
from reid.training.scoring import TestSet
from reid.training.settings import Settings


def train_benchmark(
    settings: Settings, out: Path, *, crops: Path | None = None, test_every: int = 0, progress: Progress = unheard
) -> Result:
    """Reads the benchmark that `settings.data` names and trains on it.

    Args:
        settings: As for `train`.
        out: The run's folder.
        crops: A folder for the datasets, which runs may share. By default it is in `out`.
        test_every: Epochs between two tests. 0 tests before and after only.
        progress: Told of "crops" and of "training steps".

    Raises:
        TrainingError, EncoderError, Diverged: As `train` does. Also where another process trains in `out`.
        BenchmarkError, DatasetError: The benchmark, or one of its pictures, can't be read.
    """
    with alone_in(out):
        return _trained(settings, out, crops or out / "crops", test_every, progress)


def _trained(settings: Settings, out: Path, crops: Path, test_every: int, progress: Progress) -> Result:
    benchmark = noisy(open_benchmark(settings.data, settings.protocol), settings.noise)
    size = first_encoder(settings).size
    if (out / "settings.json").is_file():  # a wrong folder is told before hours go into crops
        keep_settings(out, {name: value for name, value in settings.plain().items() if value not in (None, "auto")})

    def build(part: str, source: TrackletSource) -> TrackletDataset:
        noise = f"-{settings.noise}" if part == "train" and settings.noise != Noise() else ""
        folder = crops / f"{settings.protocol}{noise}-{part}-{size[0]}x{size[1]}"
        return TrackletDataset.build(folder, source, *size, progress=progress)

    if rank():
        wait_for_ranks()  # the first one writes the crops
    dataset, truth, test = build("train", benchmark.train), benchmark.truth, None
    if benchmark.query is not None and benchmark.gallery is not None and truth is not None:
        query, gallery = build("query", benchmark.query), build("gallery", benchmark.gallery)
        assert truth.query is not None and truth.gallery is not None
        test = TestSet(query, truth.query.of(query), gallery, truth.gallery.of(gallery), benchmark.single_shot)
    if not rank():
        wait_for_ranks()
    people = truth.train.of(dataset).people if truth is not None else None
    return train(dataset, settings, out, people=people, test=test, test_every=test_every, progress=progress)
