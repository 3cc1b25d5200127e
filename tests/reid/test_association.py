"""Neighbours, soft labels and thresholds equal what loops over the whole matrix find, in blocks of any size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from reid import association
from reid.association import Metric

CAMERAS = 4


def crowd(count: int = 41, width: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Features and cameras. Camera 2 has nobody."""
    rng = np.random.default_rng([3, count])
    camera = rng.choice([0, 1, 3], count)
    return torch.from_numpy(rng.normal(1, 1, (count, width)).astype(np.float32)), torch.from_numpy(camera)


def similarity(a: NDArray[np.float32], b: NDArray[np.float32], metric: Metric) -> float:
    if metric == "cosine":
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return -float(((a - b) ** 2).sum())


def nearest_by_loops(features: torch.Tensor, camera: torch.Tensor, metric: Metric) -> dict[tuple[int, int], int]:
    x, cameras = features.numpy(), camera.numpy()
    nearest = {}
    for i in range(len(x)):
        for c in range(CAMERAS):
            candidates = [j for j in range(len(x)) if cameras[j] == c]
            if c != cameras[i] and candidates:
                nearest[i, c] = max(candidates, key=lambda j: similarity(x[i], x[j], metric))
    return nearest


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("cells", [1, 30, 2**20])
def test_nearest_in_each_camera(metric: Metric, cells: int) -> None:
    features, camera = crowd()
    nearest = association.nearest_per_camera(features, camera, CAMERAS, metric=metric, cells=cells)
    expected = nearest_by_loops(features, camera, metric)
    for i in range(len(features)):
        for c in range(CAMERAS):
            assert nearest.index[i, c] == expected.get((i, c), -1)
            if (i, c) in expected:
                value = similarity(features[i].numpy(), features[expected[i, c]].numpy(), metric)
                assert float(nearest.similarity[i, c]) == pytest.approx(value, abs=1e-4)
            else:
                assert nearest.similarity[i, c] == -torch.inf


def test_reciprocal_neighbours() -> None:
    features, camera = crowd()
    nearest = association.nearest_per_camera(features, camera, CAMERAS)
    mutual = association.reciprocal(nearest, camera)
    of = nearest_by_loops(features, camera, "cosine")
    x = features.numpy()
    expected = {(i, j) for (i, _), j in of.items() if of[j, int(camera[i])] == i and i < j}
    pairs, values = mutual.pairs()
    assert {tuple(pair) for pair in pairs.tolist()} == expected
    assert len(expected) > 3
    for (i, j), value in zip(pairs.tolist(), values.tolist()):
        assert value == pytest.approx(similarity(x[i], x[j], "cosine"), abs=1e-5)


@pytest.mark.parametrize("k", [1, 3, 50])
@pytest.mark.parametrize("cells", [30, 2**20])
def test_nearest_elsewhere_and_those_that_are_so_to_each_other(k: int, cells: int) -> None:
    features, camera = crowd()
    x, where = features.numpy().astype(float), camera.tolist()
    near = []
    for i in range(len(x)):
        elsewhere = [j for j in range(len(x)) if where[j] != where[i]]
        near.append(sorted(elsewhere, key=lambda j, i=i: float(np.square(x[i] - x[j]).sum()))[:k])
    nearest = association.nearest_elsewhere(features, camera, k, cells=cells)
    assert nearest.shape == (len(x), k)
    assert [[j for j in row if j >= 0] for row in nearest.tolist()] == near
    mutual = association.mutual(nearest)
    assert [[j for j in row if j >= 0] for row in mutual.tolist()] == [
        [j for j in row if i in near[j]] for i, row in enumerate(near)
    ]
    assert any(mutual[:, 0] >= 0)


@pytest.mark.parametrize("cells", [5, 64, 2**20])
def test_top_k_in_blocks(cells: int) -> None:
    features, _ = crowd(23)
    forbidden = torch.tensor([[3, 4], [3, 9], [0, 22], [11, 2]])
    block = association.similarity_of(features, features, "euclidean")
    values, columns = association.top_k(block, 23, 23, 5, forbidden=forbidden, without_diagonal=True, cells=cells)
    x = features.numpy()
    banned = {tuple(pair) for pair in forbidden.tolist()}
    for i in range(23):
        allowed = [j for j in range(23) if j != i and (i, j) not in banned]
        best = sorted(allowed, key=lambda j: similarity(x[i], x[j], "euclidean"), reverse=True)[:5]
        assert columns[i].tolist() == best
        np.testing.assert_allclose(values[i], [similarity(x[i], x[j], "euclidean") for j in best], atol=1e-3)


def test_top_k_of_too_few() -> None:
    features, _ = crowd(3)
    values, columns = association.top_k(
        association.similarity_of(features, features, "cosine"), 3, 3, 4, without_diagonal=True
    )
    assert (columns[:, :2] >= 0).all() and (columns[:, 2:] == -1).all()
    assert (values[:, 2:] == -torch.inf).all()


def test_euclidean_far_from_the_origin() -> None:
    features, _ = crowd(20)
    near = association.similarity_of(features, features, "euclidean")(slice(0, 20), slice(0, 20))
    far = association.similarity_of(features + 1000, features + 1000, "euclidean")(slice(0, 20), slice(0, 20))
    np.testing.assert_allclose(near, far, atol=0.05)


def test_soft_labels() -> None:
    """UTAL's Equations 4 to 6, camera by camera, with each tracklet itself beside its K neighbours."""
    features, camera = crowd()
    k, cannot_link = 3, torch.tensor([[0, 1], [5, 7], [2, 30]])
    labels = association.soft_labels(features, camera, CAMERAS, k, cannot_link=cannot_link, cells=40)
    x = features.numpy().astype(np.float64)
    apart = {tuple(pair) for pair in cannot_link.tolist()} | {(b, a) for a, b in cannot_link.tolist()}
    for c in (0, 1, 3):
        members = np.flatnonzero(camera.numpy() == c)
        squared = {(i, j): float(((x[i] - x[j]) ** 2).sum()) for i in members for j in members}
        near = {
            i: sorted((j for j in members if j != i and (i, j) not in apart), key=lambda j, i=i: squared[i, j])[:k]
            for i in members
        }
        sigma2 = sum(squared[i, j] for i in members for j in near[i]) / (len(members) * k)
        for i in members:
            affinity = {i: 1.0} | {j: np.exp(-squared[i, j] / sigma2) for j in near[i]}
            total = sum(affinity.values())
            got = dict(zip(labels.classes[i].tolist(), labels.weight[i].tolist()))
            assert got.keys() == affinity.keys()
            for j, a in affinity.items():
                assert got[j] == pytest.approx(a / total, abs=1e-5)
    assert torch.equal(labels.classes[:, 0], torch.arange(len(features)))


def test_soft_label_similarity() -> None:
    features, camera = crowd()
    labels = association.soft_labels(features, camera, CAMERAS, 3)
    dense = torch.zeros(len(features), len(features)).scatter_add_(1, labels.classes, labels.weight)
    pairs = torch.tensor([[0, 1], [4, 9], [7, 7], [20, 33]])
    expected = torch.nn.functional.cosine_similarity(dense[pairs[:, 0]], dense[pairs[:, 1]])
    torch.testing.assert_close(labels.similarity(pairs), expected)


def test_lonely_tracklets_and_hard_labels() -> None:
    camera = torch.tensor([0, 1, 1])
    labels = association.soft_labels(torch.randn(3, 4, generator=torch.Generator().manual_seed(1)), camera, 2, 4)
    assert labels.weight[0].tolist() == [1, 0, 0, 0, 0]
    assert (labels.weight[1:] > 0).sum(1).tolist() == [2, 2]
    torch.testing.assert_close(labels.weight.sum(1), torch.ones(3))
    hard = association.soft_labels(torch.randn(3, 4), camera, 2, 0)
    assert hard.classes.tolist() == [[0], [1], [2]] and hard.weight.tolist() == [[1], [1], [1]]


def test_order_of_tracklets_does_not_matter() -> None:
    features, camera = crowd()
    order = torch.from_numpy(np.random.default_rng(8).permutation(len(features)))
    mutual = association.reciprocal(association.nearest_per_camera(features, camera, CAMERAS), camera)
    mutual_shuffled = association.reciprocal(
        association.nearest_per_camera(features[order], camera[order], CAMERAS), camera[order]
    )
    pairs = order[mutual_shuffled.pairs()[0]].sort(1).values
    assert {tuple(p) for p in pairs.tolist()} == {tuple(p) for p in mutual.pairs()[0].tolist()}


def test_calibrated_threshold() -> None:
    values = torch.from_numpy(np.random.default_rng(2).permutation(101) / 100.0)
    assert association.calibrated_threshold(values, 0.25) == pytest.approx(0.25)
    assert association.calibrated_threshold(values, 1.0) == pytest.approx(1.0)
    assert association.calibrated_threshold(values[:0], 0.5) == 1.0


def test_memory_stays_within_blocks() -> None:
    """No block of the matrix is larger than asked for, however many tracklets there are."""
    largest = 0

    def block(rows: slice, columns: slice) -> torch.Tensor:
        nonlocal largest
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        largest = max(largest, shape[0] * shape[1])
        return torch.zeros(shape)

    association.top_k(block, 100_000, 300, 2, cells=2**16)
    association.both_ways(block, 300, 100_000, cells=2**16)
    assert largest <= 2**16
