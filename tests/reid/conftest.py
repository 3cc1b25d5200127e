"""A small set and a tiny encoder, for the tests of training and its commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from reid.encoder import EncoderConfig, new_encoder, save_encoder
from reid.tracklets import TrackletDataset
from tests.reid import figures


@pytest.fixture
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small layers gain nothing from more, and a busy machine makes them slow
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small and a tiny set, and a tiny encoder with random weights."""
    folder = tmp_path_factory.mktemp("train")
    figures.market(folder / "small", people=20, tested=16, frames=3)
    figures.market(folder / "tiny", people=6, tested=3, frames=2)
    config = EncoderConfig(
        channels=(8, 16, 24, 32, 32), stripes=2, dimensions=64, height=figures.HEIGHT, width=figures.WIDTH
    )
    save_encoder(new_encoder(config, seed=0), folder / "tiny.safetensors")
    return folder


@pytest.fixture
def dataset() -> TrackletDataset:
    """13 tracklets of three cameras, of one to six random crops."""
    rng = np.random.default_rng(0)
    length = np.array([3, 1, 4, 2, 6, 5, 2, 3, 4, 1, 2, 5, 3])
    count = int(length.sum())
    return TrackletDataset(
        crops=rng.integers(0, 256, (count, 64, 32, 3), np.uint8),
        time=np.arange(count) / 4,
        start=np.cumsum(length) - length,
        length=length,
        tracklet_camera=np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 0, 0]),
        source_tracklet=np.arange(len(length)),
        cannot_link=np.array([[0, 3], [4, 7]]),
        camera_names=("a", "b", "c"),
    )
