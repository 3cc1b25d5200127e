from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from reid import evaluate
from reid.evaluate import (
    ClusteringScores,
    Embeddings,
    EvaluationError,
    RetrievalScores,
    evaluate_clustering,
    evaluate_retrieval,
    mean_scores,
    pool_tracklets,
)
from reid.spread import Here


def random_set(rng: np.random.Generator, count: int, *, coarse: bool = False) -> Embeddings:
    rows = rng.normal(size=(count, 8)).astype(np.float32)
    rows = np.sign(rows) if coarse else rows / np.linalg.norm(rows, axis=1, keepdims=True)  # coarse: many are equal
    return Embeddings(torch.from_numpy(rows), rng.integers(-1, 12, count), rng.integers(0, 4, count))


def reference(query: Embeddings, gallery: Embeddings) -> dict[str, float]:
    """One query at a time, as Market-1501's evaluation tells it."""
    averages, penalties, cmc = [], [], []
    for row, person, camera in zip(query.rows.numpy(), query.people, query.cameras):
        ranking = np.argsort(-(gallery.rows.numpy() @ row), kind="stable")
        who, where = gallery.people[ranking], gallery.cameras[ranking]
        kept = (who != -1) & ~((who == person) & (where == camera))
        matches = who[kept] == person
        if not matches.any():
            continue
        ranks = np.flatnonzero(matches) + 1
        averages.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
        penalties.append(len(ranks) / ranks[-1])
        cmc.append([matches[:k].any() for k in (1, 5, 10, 20)])
    rank = np.mean(cmc, axis=0)
    return {
        "mAP": np.mean(averages),
        "mINP": np.mean(penalties),
        "rank1": rank[0],
        "rank5": rank[1],
        "rank10": rank[2],
        "rank20": rank[3],
        "queries": len(averages),
    }


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("coarse", [False, True])
def test_equals_a_plain_evaluation(chunk: int, coarse: bool) -> None:
    rng = np.random.default_rng(3)
    query, gallery = random_set(rng, 60, coarse=coarse), random_set(rng, 300, coarse=coarse)
    scores = evaluate_retrieval(query, gallery, chunk=chunk)
    for name, value in reference(query, gallery).items():
        assert getattr(scores, name) == pytest.approx(value, abs=1e-6), name
    assert scores.gallery == (gallery.people != -1).sum()


def test_queries_in_tasks_score_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    query, gallery = random_set(rng, 60, coarse=False), random_set(rng, 300, coarse=False)
    at_once = evaluate_retrieval(query, gallery, chunk=4)
    tasks: list[int] = []

    class Watched(Here):
        def each(self, task: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
            for part, *others in arguments:
                tasks.append(len(part.people))
                yield task(part, *others)

    monkeypatch.setattr("reid.evaluate.QUERIES", 9)
    assert evaluate_retrieval(query, gallery, chunk=4, spread=Watched()) == at_once
    assert tasks == [8] * 7 + [4]


def test_a_set_against_itself_never_finds_the_query() -> None:
    rows = torch.eye(4)[[0, 0, 1, 1]]
    embeddings = Embeddings(rows, np.array([5, 5, 6, 6]), np.array([0, 1, 0, 1]))
    scores = evaluate_retrieval(embeddings, embeddings)
    assert (scores.mAP, scores.rank1, scores.mINP, scores.queries) == (1.0, 1.0, 1.0, 4)


def test_nothing_to_find_is_said() -> None:
    alone = Embeddings(torch.eye(2), np.array([1, 2]), np.array([0, 0]))
    with pytest.raises(EvaluationError, match="another camera"):
        evaluate_retrieval(alone, alone)
    broken = Embeddings(torch.full((2, 2), torch.nan), np.array([1, 1]), np.array([0, 1]))
    with pytest.raises(EvaluationError, match="no numbers"):
        evaluate_retrieval(broken, broken)


@pytest.mark.parametrize("spread", [0.0, 1e-7, 1e6])
def test_affinities_of_any_range_rank_alike(spread: float) -> None:
    """All equal, nearly equal and large ones: the bins of the ranking are never too few."""
    rng = np.random.default_rng(5)
    query, gallery = random_set(rng, 20), random_set(rng, 90)
    query, gallery = (
        Embeddings(torch.cat([part.rows * spread, torch.ones(len(part.rows), 1)], 1), part.people, part.cameras)
        for part in (query, gallery)
    )
    scores = evaluate_retrieval(query, gallery, chunk=7)
    for name, value in reference(query, gallery).items():
        assert getattr(scores, name) == pytest.approx(value, abs=1e-6), name


def test_single_shot_shows_one_picture_of_each_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """CUHK03's first protocol, against galleries that are drawn one by one."""
    monkeypatch.setattr(evaluate, "DRAWS", 400)
    rng = np.random.default_rng(7)
    people = rng.permutation(np.repeat(np.arange(15), 4))
    rows = torch.nn.functional.normalize(torch.randn(75, 6, generator=torch.Generator().manual_seed(0)))
    query = Embeddings(rows[:15], np.arange(15), np.zeros(15, int))
    gallery = Embeddings(rows[15:], people, np.ones(60, int))
    ranks = []
    for _ in range(400):
        drawn = np.array([rng.choice(np.flatnonzero(people == person)) for person in range(15)])
        affinity = query.rows.numpy() @ gallery.rows.numpy()[drawn].T
        ranks.append((affinity > affinity.diagonal()[:, None]).sum(1) + 1)
    for chunk in (4, 100):
        scores = evaluate_retrieval(query, gallery, single_shot=True, chunk=chunk)
        assert scores.mAP == scores.mINP == pytest.approx(np.mean(1 / np.array(ranks)), abs=0.01)
        assert scores.rank1 == pytest.approx(np.mean(np.array(ranks) == 1), abs=0.01)
        assert scores.rank5 == pytest.approx(np.mean(np.array(ranks) <= 5), abs=0.02)
        assert (scores.rank20, scores.queries, scores.gallery) == (1.0, 15, 60)


def test_single_shot_draws_no_picture_of_the_querys_own_camera() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.9, 0.1]])
    query = Embeddings(rows[:1], np.array([1]), np.array([0]))
    gallery = Embeddings(rows[1:], np.array([1, 1, 2]), np.array([0, 1, 1]))
    assert evaluate_retrieval(query, gallery, single_shot=True).mAP == 0.5


def test_splits_count_the_same() -> None:
    first, second = RetrievalScores(0.2, 0.4, 1, 1, 1, 0.1, 10, 100), RetrievalScores(0.4, 0.8, 1, 1, 1, 0.3, 30, 200)
    assert mean_scores([first]) == first
    mean = mean_scores([first, second])
    assert (mean.mAP, mean.rank1, mean.mINP) == pytest.approx((0.3, 0.6, 0.2))
    assert (mean.queries, mean.gallery) == (40, 300)


def test_tracklets_are_pooled() -> None:
    rows = torch.tensor([[3.0, 0.0], [-1.0, 4.0], [0.0, -2.0]])
    tracklet = torch.tensor([1, 1, 0])
    mean, largest = (pool_tracklets(rows, tracklet, 2, pooling) for pooling in ("mean", "max"))  # type: ignore[arg-type]
    assert torch.allclose(mean, torch.nn.functional.normalize(torch.tensor([[0.0, -2.0], [1.0, 2.0]])))
    assert torch.allclose(largest, torch.tensor([[0.0, -1.0], [0.6, 0.8]]))


def test_clustering_scores() -> None:
    """Against the definitions: information by summing over cells, pairs by counting them."""
    rng = np.random.default_rng(11)
    truth = rng.integers(0, 6, 120)
    predicted = np.where(rng.random(120) < 0.7, truth * 3 + rng.integers(0, 2, 120), rng.integers(30, 34, 120))
    table = np.array(
        [[np.sum((truth == a) & (predicted == b)) for b in np.unique(predicted)] for a in np.unique(truth)]
    )
    share = table / 120
    rows, columns = share.sum(1, keepdims=True), share.sum(0, keepdims=True)
    held = share > 0
    information = (share[held] * np.log((share / (rows * columns))[held])).sum()
    entropies = -(rows * np.log(rows)).sum() - (columns * np.log(columns)).sum()
    left, right = np.triu_indices(120, 1)
    belong, together = truth[left] == truth[right], predicted[left] == predicted[right]
    hits = (belong & together).sum()
    chance = belong.sum() * together.sum() / len(left)
    precision, recall = hits / together.sum(), hits / belong.sum()
    scores = evaluate_clustering(truth, predicted)
    assert scores.nmi == pytest.approx(information / (entropies / 2))
    assert scores.ari == pytest.approx((hits - chance) / ((belong.sum() + together.sum()) / 2 - chance))
    assert (scores.precision, scores.recall) == pytest.approx((precision, recall))
    assert scores.f1 == pytest.approx(2 * precision * recall / (precision + recall))
    assert evaluate_clustering(predicted, truth).nmi == pytest.approx(scores.nmi)


@pytest.mark.parametrize(
    ("truth", "predicted", "wanted"),
    [
        ([3, 3, 5, 5], ["b", "b", "a", "a"], ClusteringScores(1, 1, 1, 1, 1)),
        ([0, 0, 0], [0, 0, 0], ClusteringScores(1, 1, 1, 1, 1)),
        ([0, 1, 2], [0, 1, 2], ClusteringScores(1, 1, 1, 1, 1)),
        ([0, 0, 1, 1], [0, 1, 2, 3], ClusteringScores(2 / 3, 0, 1, 0, 0)),
        ([0, 0, 1, 1], [0, 1, 0, 1], ClusteringScores(0, -0.5, 0, 0, 0)),
    ],
)
def test_clustering_scores_of_plain_cases(truth: list[int], predicted: list[object], wanted: ClusteringScores) -> None:
    scores = evaluate_clustering(truth, predicted)
    for name in wanted.__slots__:
        assert getattr(scores, name) == pytest.approx(getattr(wanted, name), abs=1e-12), name


def test_labels_of_different_things_are_refused() -> None:
    with pytest.raises(EvaluationError, match="2 true labels and 3"):
        evaluate_clustering([0, 1], [0, 1, 2])
