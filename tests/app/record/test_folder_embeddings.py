"""Embeddings on disk: whole or not at all, gone when removed, missing when damaged."""

from __future__ import annotations

import logging
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.errors import SiteError
from app.record.folder_embeddings import MOST_LATEST, FolderEmbeddings
from app.record.halves import pool, whole
from app.record.private_files import wipe
from reid.normalised import normalised
from reid.whole_file import whole_file


def halves(count: int, seed: int = 0, width: int = 16) -> np.ndarray:
    return normalised(np.random.default_rng(seed).standard_normal((count, 2, width), dtype=np.float32))


@pytest.fixture
def store(tmp_path: Path) -> FolderEmbeddings:
    """Footage 1 has tracklets 3, 5 and 9. Footage 2 has 4 and 7. Footage 3 has none."""
    embeddings = FolderEmbeddings(tmp_path / "site" / "embeddings" / "base")
    embeddings.write(1, [9, 3, 5], halves(3, 1))
    embeddings.write(2, [4, 7], halves(2, 2))
    embeddings.write(3, [], np.empty((0, 2, 16), np.float32))
    return embeddings


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_what_is_written_is_read_back_by_id(store: FolderEmbeddings) -> None:
    ids, rows = store.read(1)
    assert ids.tolist() == [3, 5, 9]
    np.testing.assert_array_equal(rows, halves(3, 1)[[1, 2, 0]].astype(np.float16))
    ids, rows = store.load()
    assert ids.tolist() == [3, 4, 5, 7, 9] and rows.shape == (5, 2, 16) and rows.dtype == np.float16
    np.testing.assert_array_equal(rows[[1, 3]], store.read(2)[1])
    assert store.load([2, 3])[0].tolist() == [4, 7]
    assert store.footages() == {1, 2, 3}
    ids, embeddings = store.load_whole()
    assert ids.tolist() == [3, 4, 5, 7, 9]
    np.testing.assert_array_equal(embeddings, whole(rows).astype(np.float16))
    np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float32), axis=1), 1, atol=2e-3)


def test_rows_are_normalised_and_a_row_of_zeros_stays(tmp_path: Path) -> None:
    store = FolderEmbeddings(tmp_path)
    store.write(1, [1], np.stack([[[3.0, 4.0], [0.0, 0.0]]]))
    np.testing.assert_allclose(store.read(1)[1], [[[0.6, 0.8], [0, 0]]], atol=1e-3)


@pytest.mark.parametrize("what", ["remove", "drop"])
def test_what_leaves_is_overwritten_before_its_file_is_unlinked(store: FolderEmbeddings, what: str) -> None:
    with store.path(1).open("rb") as stored:
        if what == "remove":
            assert store.remove([3], [1, 7]) == 1
            assert store.read(1)[0].tolist() == [5, 9]
        else:
            store.drop(1)
        data = stored.read()
    assert data and not any(data)


def test_who_reads_while_a_file_is_replaced_reads_the_new_one(
    store: FolderEmbeddings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    read = np.fromfile

    def slow(*arguments: object) -> np.ndarray:
        monkeypatch.undo()
        FolderEmbeddings(store.folder).remove([3])  # as another process
        return read(*arguments)

    monkeypatch.setattr(np, "fromfile", slow)
    assert store.read(1)[0].tolist() == [5, 9]
    assert caplog.text == ""


def test_nothing_is_there_before_the_first_file(tmp_path: Path) -> None:
    store = FolderEmbeddings(tmp_path / "none")
    assert store.footages() == set() and store.remove([1]) == 0
    store.drop(1)
    for ids, rows in (store.load(), store.read(1)):
        assert ids.shape == (0,) and rows.shape == (0, 2, 0)
    assert store.load_whole()[1].shape == (0, 0)
    assert not store.folder.exists()


def test_only_the_owner_can_read(store: FolderEmbeddings) -> None:
    for path in (store.folder.parent.parent, *store.folder.parent.parent.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_removed_tracklets_leave_no_bytes(store: FolderEmbeddings) -> None:
    ids, rows = store.load()
    leaving = rows[np.isin(ids, [5, 4, 7])].reshape(-1, 16)
    assert all(row.tobytes() in everything(store.folder) for row in leaving)
    untouched = store.path(3).stat().st_mtime_ns
    assert store.remove(np.array([5, 4, 7, 1000])) == 3
    assert not any(row.tobytes() in everything(store.folder) for row in leaving)
    assert store.load()[0].tolist() == [3, 9]
    np.testing.assert_array_equal(store.load()[1], rows[[0, 4]])
    assert store.footages() == {1, 2, 3}  # the emptied one counts as embedded
    assert store.path(3).stat().st_mtime_ns == untouched
    assert store.remove([5]) == 0


def test_a_dropped_footage_is_not_embedded(store: FolderEmbeddings) -> None:
    store.drop(1)
    assert store.footages() == {2, 3} and store.load()[0].tolist() == [4, 7]


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "header", "huge", "other", "nan"])
def test_a_damaged_file_is_missing_until_it_is_written_again(
    store: FolderEmbeddings, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = store.folder / "1.npy"
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": data[:-5],
            "longer": data + b"x",
            "header": data[:20] + b"((((" + data[24:],
            "huge": data.replace(b"(3,)", b"(9999999999999999,)").replace(b" " * 15, b"", 1),
            "other": data.replace(b"'<f2'", b"'<f4'"),
            "nan": data[:-6] + np.float16("nan").tobytes() + data[-4:],
        }[damage]
    )
    with caplog.at_level(logging.WARNING, "sightline"):
        assert store.read(1)[0].tolist() == []
    assert len(caplog.records) == 1 and "1.npy is damaged" in caplog.text
    assert store.load()[0].tolist() == [4, 7]
    if damage != "nan":  # that costs reading all of it
        assert store.footages() == {2, 3}
    store.write(1, [9, 3, 5], halves(3, 1))
    assert path.read_bytes() == data


def test_removing_takes_damaged_files_along(store: FolderEmbeddings) -> None:
    path = store.folder / "1.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert store.remove([9]) == 0
    assert not path.exists()


def test_a_write_that_fails_changes_nothing(store: FolderEmbeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store.folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(1, [1], halves(1))
    assert everything(store.folder) == before
    assert not list(store.folder.glob("*.part"))


def test_who_reads_while_another_erases_finds_the_old_or_the_new(
    store: FolderEmbeddings, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has a file open while it is replaced and overwritten, then while it is removed."""
    ids, there = store.read(1)[0].tolist(), store.path(1)
    opened, erasing = Path.open, list[Callable[[], object]]()

    def open_then_erase(path: Path, mode: str = "r") -> Any:
        file = opened(path, mode)
        if path == there and mode == "rb" and erasing:
            erasing.pop()()
        return file

    for expected, erase in ((ids[1:], lambda: store.remove([ids[0]])), (None, lambda: store.drop(1))):
        erasing.append(erase)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "open", open_then_erase)
            found = store.check(1)
        assert (None if found is None else found.tolist()) == expected and not erasing
    assert not caplog.records


def test_what_a_dead_writer_left_is_removed_but_not_a_living_ones(store: FolderEmbeddings) -> None:
    left = store.folder / "1.npy.abc.part"
    left.write_bytes(b"of a process that died")
    with whole_file(store.folder / "8.npy", private=True) as part, part.open("wb") as file:
        file.write(b"under way")
        store.remove([9])
        assert not left.exists()
        assert len(list(store.folder.glob("*.part"))) == 1
    assert (store.folder / "8.npy").read_bytes() == b"under way"


def test_bad_input_is_refused(store: FolderEmbeddings) -> None:
    with pytest.raises(ValueError, match="one for each"):
        store.write(1, [1, 2], halves(3))
    with pytest.raises(ValueError, match="finite"):
        store.write(1, [1], np.full((1, 2, 4), np.nan))
    store.write(4, [20], halves(1, width=8))
    with pytest.raises(SiteError, match="different widths"):
        store.load()


def test_pooling_is_the_mean_of_each_half() -> None:
    crops = np.random.default_rng(0).standard_normal((8, 4)).astype(np.float32)
    halves = pool(crops, np.array([3, 3, 3, 3, 7, 8, 8, 8]))
    expected = [[[0, 1], [2, 3]], [[4], [4]], [[5], [6, 7]]]
    for row, parts in zip(halves, expected, strict=True):
        np.testing.assert_allclose(row, normalised(np.stack([crops[part].mean(0) for part in parts])), rtol=1e-5)
    assert pool(crops[:0], np.empty(0, int)).shape == (0, 2, 4)


def test_a_file_that_grows_while_all_are_read_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderEmbeddings(tmp_path)
    halves = np.eye(6, 4, dtype=np.float32)[:, None].repeat(2, 1) + 0.1
    store.write(1, [1, 2], halves[:2])
    store.write(2, [3], halves[2:3])
    kept = FolderEmbeddings.read

    def read(self: FolderEmbeddings, footage: int) -> tuple[np.ndarray, np.ndarray]:
        if footage == 2:
            store.write(2, [3, 4, 5], halves[2:5])
        return kept(self, footage)

    monkeypatch.setattr(FolderEmbeddings, "read", read)
    ids, rows = store.load()
    assert ids.tolist() == [1, 2, 3, 4, 5]
    monkeypatch.undo()
    assert np.array_equal(rows, store.load()[1])


def test_nobody_reads_a_file_that_is_being_overwritten(
    store: FolderEmbeddings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    overwritten: list[Path] = []

    def reading(path: Path) -> None:
        overwritten.append(path)
        assert len(FolderEmbeddings(store.folder).read(1)[0]) == 0  # as another process
        wipe(path)

    monkeypatch.setattr("app.record.folder_embeddings.wipe", reading)
    store.drop(1)
    assert len(overwritten) == 1 and not overwritten[0].exists()
    assert caplog.text == ""


def test_adding_little_takes_over_what_is_there_in_little_memory(tmp_path: Path) -> None:
    store, rows = FolderEmbeddings(tmp_path), halves(8000, width=256)
    ids = np.arange(0, 16000, 2)
    store.write(1, ids, rows)
    before = store.read(1)[1]
    alive = np.r_[ids[5:], 3, 16001]
    tracemalloc.start()
    store.add(1, [16001, 3, 20, 7], halves(4, 1, width=256), alive)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    now_ids, now = store.read(1)
    assert now_ids.tolist() == sorted([*ids[5:].tolist(), 3, 16001])  # 7 is not alive, and 20 has other halves
    others = np.isin(now_ids, ids[ids != 20])
    assert np.array_equal(now[others], before[5:][ids[5:] != 20])
    assert np.array_equal(now[np.isin(now_ids, [20])], normalised(halves(4, 1, width=256)[2:3]).astype(np.float16))
    assert peak < 4.5 * before.nbytes
    store.add(1, [], np.empty((0, 2, 0)), np.array([8]))
    store.add(1, [9], halves(1, width=256), np.array([8]))
    assert store.read(1)[0].tolist() == []  # 8 was not alive before, so nothing is there
    assert not store.path(1).exists()


def test_a_few_go_to_a_small_file_until_they_are_many(store: FolderEmbeddings) -> None:
    alive = np.arange(1000)
    untouched, before = store.path(1).stat().st_mtime_ns, store.read(1)[1]
    store.append(1, [11, 10], halves(2, 7), alive)
    store.append(1, [5, 12], halves(2, 8), np.setdiff1d(alive, [12]))  # 5 is embedded anew, 12 was erased meanwhile
    assert store.path(1).stat().st_mtime_ns == untouched < store.changed(1)
    ids, rows = store.read(1)
    checked = FolderEmbeddings(store.folder).check(1)
    assert ids.tolist() == [3, 5, 9, 10, 11] and checked is not None and checked.tolist() == ids.tolist()
    expected = [before[0], halves(2, 8)[0], before[2], *halves(2, 7)[[1, 0]]]
    np.testing.assert_array_equal(rows, np.array(expected).astype(np.float16))
    assert store.load()[0].tolist() == [3, 4, 5, 7, 9, 10, 11] and store.load_whole()[1].shape == (7, 16)
    assert store.files() == [1, 2, 3] and store.footages() == {1, 2, 3}
    many = np.arange(100, 100 + MOST_LATEST)
    store.append(1, many, halves(len(many)), alive)
    assert np.load(store.path(1))["id"].tolist() == [*ids.tolist(), *many.tolist()]
    assert [path.name for path in sorted(store.folder.iterdir())] == ["1.npy", "2.npy", "3.npy"]


def test_whoever_died_while_they_joined_changed_nothing(
    store: FolderEmbeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive = np.arange(1000)
    store.append(1, [5, 10], halves(2, 7), alive)
    ids, rows = store.read(1)

    def dies(path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_drop_file", dies)
    with pytest.raises(KeyboardInterrupt):
        store.add(1, [], np.empty((0, 2, 16)), alive)
    monkeypatch.undo()
    assert (store.folder / "1.latest.npy").exists() and np.load(store.path(1))["id"].tolist() == [3, 5, 9, 10]
    assert store.load([1])[0].tolist() == ids.tolist()
    np.testing.assert_array_equal(store.load([1])[1], rows)


def test_a_first_few_are_the_footage_s_file(store: FolderEmbeddings) -> None:
    store.append(8, [80], halves(1), np.array([80]))
    assert store.path(8).exists() and not (store.folder / "8.latest.npy").exists()


@pytest.mark.parametrize("what", ["remove", "drop", "write"])
def test_those_who_came_last_leave_no_bytes_either(store: FolderEmbeddings, what: str) -> None:
    store.append(1, [10, 11], halves(2, 7), np.arange(20))
    row = halves(2, 7)[0].astype(np.float16).tobytes()
    with (store.folder / "1.latest.npy").open("rb") as latest:
        assert row in everything(store.folder)
        if what == "remove":
            assert store.remove([10, 3], [1]) == 2 and store.read(1)[0].tolist() == [5, 9, 11]
        elif what == "drop":
            store.drop(1)
            assert store.files() == [2, 3]
        else:
            store.write(1, [3], halves(1, 1))
            assert store.read(1)[0].tolist() == [3]
        assert row not in everything(store.folder) and not any(latest.read())


def test_damage_of_the_small_file_is_told_and_costs_the_few(
    store: FolderEmbeddings, caplog: pytest.LogCaptureFixture
) -> None:
    store.append(1, [10], halves(1, 7), np.arange(20))
    path = store.folder / "1.latest.npy"
    path.write_bytes(path.read_bytes()[:-1])
    assert store.read(1)[0].tolist() == [3, 5, 9] and store.check(1) is None
    assert "1.latest.npy is damaged" in caplog.text
    assert store.remove([5], [1]) == 1 and not path.exists()
    assert store.check(1) is not None and store.read(1)[0].tolist() == [3, 9]
