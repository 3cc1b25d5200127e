"""Re-ranking is the paper's, against its authors' dense form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reid.evaluate import Embeddings, evaluate_retrieval
from reid.rerank import Reranked, Reranking


def dense_rerank(query: np.ndarray, gallery: np.ndarray, k1: int, k2: int, weight: float) -> np.ndarray:
    """Zhong et al. 2017, as the authors' code has it, with everything in square matrices."""
    rows = np.concatenate([query, gallery]).astype(np.float64)
    count = len(rows)
    original = ((rows[:, None] - rows) ** 2).sum(2)
    original = original / original.max(1, keepdims=True)
    ranking = np.argsort(original, axis=1)

    def reciprocal(i: int, k: int) -> np.ndarray:
        forward = ranking[i, : k + 1]
        return np.array([j for j in forward if i in ranking[j, : k + 1]])

    encoding = np.zeros((count, count))
    for i in range(count):
        own = reciprocal(i, k1)
        expanded = own
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(np.intersect1d(theirs, own)) > 2 / 3 * len(theirs):
                expanded = np.append(expanded, theirs)
        expanded = np.unique(expanded)
        shares = np.exp(-original[i, expanded])
        encoding[i, expanded] = shares / shares.sum()
    encoding = np.stack([encoding[ranking[i, :k2]].mean(0) for i in range(count)])
    overlap = np.minimum(encoding[: len(query), None], encoding[None, len(query) :]).sum(2)
    jaccard = 1 - overlap / (2 - overlap)
    return (1 - weight) * jaccard + weight * original[: len(query), len(query) :]


@pytest.mark.parametrize("cells", [50, 2**22])
@pytest.mark.parametrize("settings", [Reranking(), Reranking(k1=7, k2=1, weight=0.0), Reranking(k1=60, k2=3)])
def test_reranking_is_the_papers(settings: Reranking, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reid.rerank.CELLS", cells)  # small: everything in pieces
    generator = torch.Generator().manual_seed(1)
    people = torch.arange(80) % 9
    rows = torch.randn(9, 10, generator=generator)[people] + 0.8 * torch.randn(80, 10, generator=generator)
    rows = torch.nn.functional.normalize(rows)
    query, gallery = rows[:20], rows[20:]
    wanted = dense_rerank(query.numpy(), gallery.numpy(), settings.k1, settings.k2, settings.weight)
    affinity = Reranked(query, gallery, settings)
    for part in (slice(0, 20), slice(5, 9)):
        assert np.abs(-affinity(part) - wanted[part]).max() < 1e-5


def test_reranking_helps_where_people_are_groups() -> None:
    generator = torch.Generator().manual_seed(2)
    people = np.arange(400) % 40
    rows = torch.randn(40, 16, generator=generator)[people] + 0.9 * torch.randn(400, 16, generator=generator)
    rows = torch.nn.functional.normalize(rows)
    cameras = np.arange(400) // 100
    query, gallery = Embeddings(rows[:100], people[:100], cameras[:100]), Embeddings(rows, people, cameras)
    plain, again = (evaluate_retrieval(query, gallery, rerank=rerank) for rerank in (None, Reranking(k1=10, k2=4)))
    assert again.mAP > plain.mAP + 0.05
