"""Search answers as NumPy does, forgets for good, and is never built on what the embeddings no longer are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app import index as module
from app.embeddings import Embeddings, normalised, whole
from app.index import FaissIndex, Matches, open_index

WIDTH = 32


def people(count: int, seed: int = 0, width: int = WIDTH) -> np.ndarray:
    """Embeddings as float32 that float16 holds exactly: ten views of each person."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 10 + 1, width))
    rows = centres[rng.integers(0, len(centres), count)] + 0.7 * rng.standard_normal((count, width))
    return normalised(rows.astype(np.float32)).astype(np.float16).astype(np.float32)


def brute(ids: np.ndarray, rows: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    similarity = queries @ rows.T
    return np.stack([ids[np.lexsort((ids, -one))[:k]] for one in similarity])


def index_of(ids: np.ndarray, rows: np.ndarray) -> FaissIndex:
    index = FaissIndex()
    index.add(ids, rows)
    return index


def same(a: Matches, b: Matches) -> bool:
    return np.array_equal(a.ids, b.ids) and np.array_equal(a.similarities, b.similarities)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Galleries of 300 rows count as large, and 20 rows are proposed."""
    monkeypatch.setattr(module, "APPROXIMATE_FROM", 300)
    monkeypatch.setattr(module, "RERANKED", 20)


def site_of(path: Path, count: int = 400) -> tuple[Embeddings, np.ndarray]:
    """A site of four footages; returns the embeddings by tracklet id 0, 1, …"""
    store = Embeddings(path / "embeddings" / "base")
    rows = people(count)
    halves = np.stack([rows, np.roll(rows, 1, 1) * 0.2 + rows], 1)
    for footage in range(4):
        store.write(footage, np.arange(footage, count, 4), halves[footage::4])
    return store, whole(store.load()[1])


def opened(site: Path, model: str = "base") -> FaissIndex:
    return open_index(site, model, *Embeddings(site / "embeddings" / model).load_whole())


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("threaded_from", [1, 10**6])
def test_search_is_exact(monkeypatch: pytest.MonkeyPatch, threaded_from: int) -> None:
    monkeypatch.setattr(module, "THREADED_FROM", threaded_from)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 3)
    rows, queries = people(2000), people(50, 1)
    ids = np.random.default_rng(0).permutation(5000)[:2000] + (7 << 32)
    index = index_of(ids, rows)
    found = index.search(queries, 10)
    np.testing.assert_array_equal(found.ids, brute(ids, rows, queries, 10))
    np.testing.assert_allclose(found.similarities, np.sort(queries @ rows.T)[:, :-11:-1], atol=1e-6)
    assert found.ids.dtype == np.int64 and found.similarities.dtype == np.float32
    assert index.count() == 2000 and not index.approximate


@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_a_filter_is_exact(share: float, large: None) -> None:
    rows, queries, ids = people(2000), people(20, 1), np.arange(2000) * 3
    among = np.random.default_rng(0).permutation(ids)[: int(share * 2000)]
    found = index_of(ids, rows).search(queries, 5, np.r_[among, among, -1, 1, 10**12])
    kept = np.isin(ids, among)
    np.testing.assert_array_equal(found.ids, brute(ids[kept], rows[kept], queries, 5))


def test_equals_come_by_id_however_many_there_are() -> None:
    rows = np.repeat(people(3), [200, 5, 200], 0)
    ids = np.random.default_rng(0).permutation(405)
    found = index_of(ids, rows).search(rows[:1], 30)
    assert found.ids[0].tolist() == sorted(ids[:200].tolist())[:30]
    assert len(set(found.similarities[0].tolist())) == 1


def test_small_empty_and_wrong() -> None:
    index = FaissIndex()
    assert index.search(people(2), 3).ids.shape == (2, 0) and index.count() == 0 and index.delete([1]) == 0
    index.add([], np.empty((0, WIDTH)))
    rows = people(4)
    index.add([4, 3, 2, 1], rows)
    assert index.search(rows[:2], 9).ids.shape == (2, 4)
    assert index.search(rows[:0], 9).ids.shape == (0, 4)
    assert index.search(rows[:2], 9, [2, 9]).ids.tolist() == [[2], [2]]
    assert index.search(rows[:2], 9, []).similarities.shape == (2, 0)
    for wrong, message in ((rows[:, :4], "queries are"), (rows[0], "queries are"), (rows * np.nan, "finite")):
        with pytest.raises(ValueError, match=message):
            index.search(wrong, 1)
    with pytest.raises(ValueError, match="at least 1"):
        index.search(rows, 0)
    with pytest.raises(ValueError, match="wide"):
        index.add([7], people(1, width=8))
    with pytest.raises(ValueError, match="finite"):
        index.add([7], np.full((1, WIDTH), np.inf))
    with pytest.raises(ValueError, match="one for each"):
        index.add([7, 8], people(1))
    assert index.count() == 4
    assert index.delete([1, 2, 3, 4, 5]) == 4 and index.search(rows, 1).ids.shape == (4, 0)


def test_how_rows_came_does_not_matter(large: None) -> None:
    rows, ids, queries = people(600), np.arange(600), people(30, 1)
    at_once, bit_by_bit = index_of(ids, rows), index_of(ids[::-2], -rows[::-2])
    bit_by_bit.add(np.r_[ids[::-1], 900], np.r_[rows[::-1], rows[:1]])  # replaces what is there
    assert bit_by_bit.delete([900]) == 1
    assert at_once.approximate and bit_by_bit.count() == 600
    assert same(at_once.search(queries, 5), bit_by_bit.search(queries, 5))
    assert same(at_once.search(queries, 5, exact=True), bit_by_bit.search(queries, 5, exact=True))


def test_the_approximate_search_finds_nearly_all_and_tells_real_similarities(large: None) -> None:
    rows, ids, queries = people(3000), np.arange(3000), people(100, 0)
    index = index_of(ids, rows)
    near, exact = index.search(queries, 5), index.search(queries, 5, exact=True)
    np.testing.assert_array_equal(exact.ids, brute(ids, rows, queries, 5))
    shared = np.mean([len(np.intersect1d(a, b)) for a, b in zip(near.ids, exact.ids, strict=True)]) / 5
    assert 0.9 < shared < 1  # twenty proposals are few
    np.testing.assert_allclose(near.similarities, np.take_along_axis(queries @ rows.T, near.ids, 1), atol=1e-6)
    assert same(index.search(queries, 400), index.search(queries, 400, exact=True))  # k is too much for proposals


def test_a_small_site_saves_no_index(tmp_path: Path) -> None:
    _, rows = site_of(tmp_path)
    index = opened(tmp_path)
    np.testing.assert_array_equal(index.search(rows, 1).ids[:, 0], np.arange(400))
    assert not (tmp_path / "index").exists()
    assert opened(tmp_path, "unknown").count() == 0


def test_a_saved_index_is_used_and_answers_the_same(
    tmp_path: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    site_of(tmp_path)
    first = opened(tmp_path)
    saved = tmp_path / "index" / "base" / "codes"
    data, queries = saved.read_bytes(), people(30, 1)
    assert saved.stat().st_mode & 0o077 == saved.parent.stat().st_mode & 0o077 == 0
    with monkeypatch.context() as patched:
        patched.setattr(module._Codes, "_learn", None)  # would raise
        assert same(opened(tmp_path).search(queries, 5), first.search(queries, 5))
    saved.unlink()
    assert same(opened(tmp_path).search(queries, 5), first.search(queries, 5))
    assert saved.read_bytes() == data


@pytest.mark.parametrize("change", ["cut", "flipped", "empty", "folder"])
def test_a_damaged_index_is_made_again(tmp_path: Path, large: None, change: str) -> None:
    site_of(tmp_path)
    first = opened(tmp_path)
    saved = tmp_path / "index" / "base" / "codes"
    data = saved.read_bytes()
    if change == "folder":
        saved.unlink()
        saved.mkdir()
    else:
        flipped = data[:-1] + bytes([data[-1] ^ 1])
        saved.write_bytes({"cut": data[:-1], "flipped": flipped, "empty": b""}[change])
    assert same(opened(tmp_path).search(people(9, 1), 5), first.search(people(9, 1), 5))
    assert change == "folder" or saved.read_bytes() == data  # searching goes on where nothing can be saved


def test_new_and_changed_embeddings_make_an_index_stale(tmp_path: Path, large: None) -> None:
    store, rows = site_of(tmp_path)
    opened(tmp_path)
    old = (tmp_path / "index" / "base" / "codes").read_bytes()
    store.write(9, [1000], np.stack([rows[:1], rows[:1]], 1))
    assert opened(tmp_path).search(rows[:1], 2).ids.tolist() == [[0, 1000]]
    store.write(9, [1000], np.stack([rows[1:2], rows[1:2]], 1))  # the same ids and sizes
    assert opened(tmp_path).search(rows[1:2], 2).ids.tolist() == [[1, 1000]]
    store.drop(9)
    opened(tmp_path)
    assert (tmp_path / "index" / "base" / "codes").read_bytes() == old


def test_deleting_leaves_no_bytes_in_the_site(tmp_path: Path, large: None) -> None:
    store, _ = site_of(tmp_path)
    index = opened(tmp_path)
    halves = store.load()[1]
    row = whole(halves)[[17]]
    vectors = [half.astype(kind).tobytes() for half in (*halves[17], row[0]) for kind in (np.float16, np.float32)]
    stale = everything(tmp_path / "index")
    assert halves[17].tobytes() in everything(tmp_path)
    store.remove([17])
    assert index.delete([17]) == 1
    assert not any(vector in everything(tmp_path) for vector in vectors)
    assert everything(tmp_path / "index") != stale
    assert 17 not in index.search(row, 399, exact=True).ids
    assert same(opened(tmp_path).search(row, 5), index.search(row, 5))


def test_a_process_that_died_while_deleting_leaves_nothing_that_survives(tmp_path: Path, large: None) -> None:
    store, rows = site_of(tmp_path)
    opened(tmp_path)
    folder = tmp_path / "index" / "base"
    stale = (folder / "codes").read_bytes()
    (folder / "codes.x.part").write_bytes(stale)  # it died while it saved an index, and one before
    (store.folder / "1.npy.x.part").write_bytes((store.folder / "1.npy").read_bytes())
    store.remove([17])  # and then, before the index was told
    index = opened(tmp_path)
    assert 17 not in index.search(rows[17:18], 399, exact=True).ids and index.count() == 399
    assert 17 not in index.search(rows[17:18], 5).ids
    assert stale != (folder / "codes").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["codes"]
    assert rows[17].astype(np.float16).tobytes() not in everything(tmp_path)
    assert not list(store.folder.glob("*.part"))


def test_a_gallery_that_became_small_leaves_no_codes(tmp_path: Path, large: None) -> None:
    store, _ = site_of(tmp_path)
    index = opened(tmp_path)
    store.remove(np.arange(200))
    assert index.delete(np.arange(200)) == 200 and not index.approximate
    assert list((tmp_path / "index" / "base").iterdir()) == []
