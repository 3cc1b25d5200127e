"""An encoder's scores on a test set are those of its pooled embeddings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from reid.benchmarks.parts import Labels
from reid.encoder import EncoderConfig, load_encoder, new_encoder
from reid.evaluate import Embeddings, evaluate_retrieval
from reid.methods import Recipe
from reid.tracklets import TrackletDataset
from reid.training import TestSet, scoring
from reid.training.scoring import embed, score

CPU = torch.device("cpu")


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_tracklets_are_pooled_from_their_crops(
    pooling: Any, dataset: TrackletDataset, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "AT_ONCE", 5)
    encoder = load_encoder(data_folder / "tiny.safetensors")
    rows = embed(encoder, dataset, Recipe(epochs=1, tracklet_pooling=pooling), CPU)
    crops = encoder.embed(torch.from_numpy(dataset.crops))
    for row, start, length in zip(rows, dataset.start, dataset.length):
        part = crops[start : start + length]
        pooled = part.mean(0) if pooling == "mean" else part.amax(0)
        torch.testing.assert_close(row, functional.normalize(pooled, dim=0), atol=1e-5, rtol=1e-4)


def test_scores_are_the_fields_and_leave_the_encoder_as_it_was(dataset: TrackletDataset, data_folder: Path) -> None:
    encoder = load_encoder(data_folder / "tiny.safetensors").train()
    labels = Labels(np.arange(13) % 4, dataset.tracklet_camera)
    recipe = Recipe(epochs=1)
    scores = score(encoder, TestSet(dataset, labels, dataset, labels), recipe, CPU)
    assert encoder.training
    embedded = Embeddings(embed(encoder, dataset, recipe, CPU), labels.people, labels.cameras)
    assert scores == dataclasses.asdict(evaluate_retrieval(embedded, embedded))


def test_euclidean_distances_are_of_raw_features(dataset: TrackletDataset) -> None:
    encoder = new_encoder(EncoderConfig(channels=(4, 4, 4, 4, 8), head="pooled", height=64, width=32), seed=0)
    recipe = Recipe(epochs=1, test_distance="euclidean")
    rows = embed(encoder, dataset, recipe, CPU)
    lengths = rows.norm(dim=1)
    assert lengths.std() > 1e-3
    with torch.inference_mode():
        raw = encoder(torch.from_numpy(dataset.crops))
    first = slice(dataset.start[0], dataset.start[0] + dataset.length[0])
    torch.testing.assert_close(rows[0], raw[first].mean(0))
    labels = Labels(np.arange(13) % 4, dataset.tracklet_camera)
    embedded = Embeddings(rows, labels.people, labels.cameras)
    scores = score(encoder, TestSet(dataset, labels, dataset, labels), recipe, CPU)
    assert scores == dataclasses.asdict(evaluate_retrieval(embedded, embedded, metric="euclidean"))
