"""The evaluation benchmark's peer is the field's evaluation, and ours comes to the same."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from bench.evaluation import JUNK, market_like, measure, reference_scores
from reid.evaluate import Embeddings, evaluate_retrieval


def test_the_reference_scores_a_ranking_that_is_known() -> None:
    query = Embeddings(torch.tensor([[1.0, 0.0]]), np.array([7]), np.array([0]))
    angles = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.4])
    gallery = Embeddings(
        torch.stack([angles.cos(), angles.sin()], 1),
        np.array([7, JUNK, 8, 7, 7]),  # the first is in the query's own camera
        np.array([0, 1, 1, 1, 2]),
    )
    scores = reference_scores(query, gallery)  # ranks 2 and 3 of three
    assert scores.mAP == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert (scores.rank1, scores.rank5, scores.mINP) == (0.0, 1.0, pytest.approx(2 / 3))
    assert (scores.queries, scores.gallery) == (1, 4)


@pytest.mark.parametrize("seed", [0, 1])
def test_ours_and_the_references_agree(seed: int) -> None:
    query, gallery = market_like(60, 500, width=16, seed=seed)
    assert (gallery.people == JUNK).any()
    query, gallery = (  # so coarse that similarities are exact, and many the same
        Embeddings((fine.rows * 8).round() / 8, fine.people, fine.cameras) for fine in (query, gallery)
    )
    ours = evaluate_retrieval(query, gallery)
    for matrix in (False, True):
        theirs = reference_scores(query, gallery, matrix=matrix, stable=True)
        assert asdict(ours) == pytest.approx(asdict(theirs), abs=1e-9)
    assert 0.05 < ours.mAP < 0.95


def test_the_report_has_ratio_and_equality() -> None:
    threads = torch.get_num_threads()
    try:
        report = measure(20, 200, 1, 1)
    finally:
        torch.set_num_threads(threads)
    assert report.equal and report.ratios["ours"] == 1 and min(report.ratios.values()) > 0
    assert set(report.seconds) == {"ours", "per query", "matrix", "stable"} and report.reranked.mAP > 0
