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
from reid.encoder import load_encoder
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
    rows = embed(encoder, dataset, pooling, CPU)
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
    embedded = Embeddings(embed(encoder, dataset, "mean", CPU), labels.people, labels.cameras)
    assert scores == dataclasses.asdict(evaluate_retrieval(embedded, embedded))
