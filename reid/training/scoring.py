"""How good an encoder is before, during and after a training: scores on labelled tracklets that nothing learns from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed

from reid.benchmarks.parts import Labels
from reid.encoder import Encoder
from reid.evaluate import Embeddings, evaluate_retrieval, pool_tracklets
from reid.methods import Recipe
from reid.tracklets import TrackletDataset
from reid.training.ranks import rank, ranks

AT_ONCE = 256  # crops


@dataclass(frozen=True)
class TestSet:
    """Labelled queries and a gallery, as crops of the encoder's size."""

    query: TrackletDataset
    query_labels: Labels
    """In the order of the dataset."""
    gallery: TrackletDataset
    gallery_labels: Labels
    single_shot: bool = False

    __test__ = False  # for pytest: no test


def embed(encoder: Encoder, dataset: TrackletDataset, recipe: Recipe, device: torch.device) -> Tensor:
    """(T, D) rows of the tracklets, of length 1 but where the recipe tests by Euclidean distance."""
    normalised = recipe.test_distance == "cosine"
    every = np.arange(len(dataset.crops))
    starts = range(0, len(every), AT_ONCE)
    parts = (dataset.gather(every[k : k + AT_ONCE]).permute(0, 2, 3, 1) for k in starts)
    rows = torch.cat([encoder.embed(part, normalised=normalised) for part in parts]).to(device)
    tracklet = torch.from_numpy(dataset.tracklet)
    return pool_tracklets(rows, tracklet, len(dataset), recipe.tracklet_pooling, normalised=normalised)


def score(encoder: Encoder, test: TestSet, recipe: Recipe, device: torch.device) -> dict[str, float]:
    """The field's scores of an encoder, in full precision. The first rank computes them and tells the others."""
    scores: list[Any] = [None]
    if rank() == 0:
        training = encoder.training
        query, gallery = (
            Embeddings(embed(encoder, part, recipe, device), labels.people, labels.cameras)
            for part, labels in ((test.query, test.query_labels), (test.gallery, test.gallery_labels))
        )
        metric = recipe.test_distance
        scores = [dataclasses.asdict(evaluate_retrieval(query, gallery, single_shot=test.single_shot, metric=metric))]
        encoder.train(training)
    if ranks() > 1:
        distributed.broadcast_object_list(scores)
    return dict(scores[0])
