"""Tracklets are embedded once, whatever interrupts it, and what left the record leaves the embeddings."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.encoders import embed
from app.encoders.embed import CROPS, Embedder, keep, spread, update
from app.encoders.versions import open_model, serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.folder_embeddings import FolderEmbeddings
from app.record.rows import AuditEntry
from reid.normalised import normalised
from tests.app.records import site_in
from tests.app.sites import figure_site


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = site_in(tmp_path_factory.mktemp("embed"))
    figure_site(folder, people=6, cameras=2)
    return folder


class Counting:
    """An encoder that counts: a crop's mean colour, doubled to 6 numbers."""

    size = (8, 4)

    def __init__(self) -> None:
        self.crops = 0

    def embed(self, crops: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
        self.crops += len(crops)
        rows = crops.astype(np.float32).mean((1, 2)) + 1
        return normalised(np.concatenate([rows, rows[:, ::-1]], 1))


def test_crops_are_spread_over_time() -> None:
    assert spread(3).tolist() == [0, 1, 2]
    assert spread(32).tolist()[:2] == [0, 2]
    assert len(spread(32)) == CROPS
    assert spread(32)[-1] == 31


def test_halves_are_means_in_the_order_of_time(path: Path) -> None:
    with Site.open(path) as site:
        number = int(site.tracklet_table().ids[0])
        encoder = Counting()
        ((tracklet_id, halves),) = embed.embed(embed.read_crops(site, [number]), encoder)
        jpegs = [site.crop_jpeg(crop) for crop in site.crops(number)]
    assert tracklet_id == number
    each = [next(embed.embed([(0, [jpeg])], encoder))[1] for jpeg in jpegs]
    assert all(np.allclose(crop_halves[0], crop_halves[1]) for crop_halves in each)  # a single crop is both halves
    early = np.mean([crop_halves[0] for crop_halves in each[:2]], 0)
    assert np.allclose(halves[0], early / np.linalg.norm(early), atol=1e-6)
    assert np.allclose(np.linalg.norm(halves, axis=1), 1)


def test_a_tracklet_without_a_sound_crop_is_left_out() -> None:
    assert list(embed.embed([(1, [b"no picture"]), (2, [])], Counting())) == []


def test_update_does_what_is_missing_and_no_more(path: Path, tmp_path: Path) -> None:
    with Site.open(path) as site:
        store, encoder, told = FolderEmbeddings(tmp_path / "e"), Counting(), []
        count = update(site, store, lambda: encoder, lambda _, done, total=None: told.append((done, total)))
        ids, halves = store.load()
        assert count == len(ids) == len(site.tracklet_table())
        assert told[-1] == (count, count)
        before = encoder.crops
        assert update(site, store, lambda: pytest.fail("nothing is missing")) == 0
        footage = min(store.footages())
        stored = store.read(footage)
        store.write(footage, np.r_[stored[0][1:], 999], np.concatenate([stored[1][1:], stored[1][:1]]))
        assert update(site, store, lambda: encoder) == 1
        assert encoder.crops == before + 4
        again = store.load()
        assert np.array_equal(again[0], ids)  # 999 is gone
        assert np.allclose(again[1], halves, atol=1e-3)
        store.drop(footage)
        store.write(12345, [1], halves[:1])  # of footage that the site does not know
        assert update(site, store, lambda: encoder) == len(stored[0])
        assert store.footages() == {int(f) for f in np.unique(site.tracklet_table().footage)}


def test_update_counts_none_whose_crops_cannot_be_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed, "read_crops", lambda _, ids: [(int(number), [b"no picture"]) for number in ids])
    with Site.open(path) as site:
        store = FolderEmbeddings(tmp_path / "e")
        assert update(site, store, Counting) == 0
        assert len(store.load()[0]) == 0


def test_beside_ingest_the_same_as_afterwards(path: Path, tmp_path: Path) -> None:
    with Site.open(path) as site:
        table = site.tracklet_table()
        store, later = FolderEmbeddings(tmp_path / "beside"), FolderEmbeddings(tmp_path / "later")
        embedder = Embedder(partial(keep, site, store.add), Counting)
        for number, footage in zip(table.ids.tolist(), table.footage.tolist()):
            embedder.take(footage, number, [site.crop_jpeg(crop) for crop in site.crops(number)])
        for footage in np.unique(table.footage).tolist():
            embedder.finish(footage)
        embedder.close()
        update(site, later, Counting)
    for beside, afterwards in zip(store.load(), later.load(), strict=True):
        assert np.array_equal(beside, afterwards)


def test_an_error_of_the_thread_is_raised_where_it_is_closed(path: Path, tmp_path: Path) -> None:
    def broken() -> Counting:
        raise RuntimeError("no model")

    with Site.open(path) as site:
        embedder = Embedder(partial(keep, site, FolderEmbeddings(tmp_path).add), broken)
        for number in range(200):  # more than may wait: a dead thread must not block
            embedder.take(1, number, [b""])
        with pytest.raises(RuntimeError, match="no model"):
            embedder.close()


def test_abandoning_does_not_wait(path: Path, tmp_path: Path) -> None:
    with Site.open(path) as site:
        embedder = Embedder(partial(keep, site, FolderEmbeddings(tmp_path).add), Counting)
        embedder.take(1, 1, [b""])
        embedder.abandon()
    assert FolderEmbeddings(tmp_path).footages() == set()


def test_what_is_kept_adds_to_what_others_wrote_and_leaves_out_who_was_erased(path: Path, tmp_path: Path) -> None:
    with Site.open_to_write(path) as site:
        store = FolderEmbeddings(tmp_path / "e")
        footage = int(site.tracklet_table().footage[0])
        a, b, c = site.searchable_of(footage)[:3]
        halves = np.eye(4, dtype=np.float32)[:, None].repeat(2, 1)
        keep(site, store.add, footage, np.array([b]), halves[:1])
        site.erase([int(c)], AuditEntry(1.0, "me", "forget", {}))
        keep(site, store.add, footage, np.array([c, a]), halves[1:3])  # c was embedded before it was erased
        ids, rows = store.read(footage)
        assert ids.tolist() == [a, b]
        assert np.array_equal(rows, halves[[2, 0]])
        site.erase([int(a), int(b)], AuditEntry(1.0, "me", "forget", {}))
        keep(site, store.add, footage, np.array([a]), halves[:1])
        assert store.footages() == set()


def test_the_serving_model_has_embedded_all_after_ingest(path: Path) -> None:
    with Site.open(path) as site:
        model = serving(site)
        ids, halves = store_of(site, model.name).load()
        assert np.array_equal(ids, site.tracklet_table().ids)
        assert halves.shape[1:] == (2, 512)
        assert open_model(site, model).size == (128, 64)
        assert model.calibration is not None


def test_no_embedding_that_is_no_number_is_stored(path: Path, tmp_path: Path) -> None:
    class Broken(Counting):
        def embed(self, crops: NDArray[np.uint8], *, batch: int = 32) -> NDArray[np.float32]:
            rows = super().embed(crops)
            rows[-1, 2] = np.nan
            return rows

    with Site.open(path) as site:
        store = FolderEmbeddings(tmp_path / "e")
        with pytest.raises(SiteError, match="The serving model makes embeddings that are no numbers"):
            update(site, store, Broken)
        assert not store.footages()
