"""What a search compares with: no camera's own marks, identities drawn together, nothing that is forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from app.encoders.versions import calibrate, serving, store_of
from app.record import Site
from app.record.embeddings import Embeddings
from app.record.forget import forget
from app.search.gallery import TOGETHER, gallery_of
from app.search.merging import merge
from reid.calibration import DEFAULT
from reid.camera_shift import without_camera
from tests.app.records import site_in
from tests.app.sites import figure_site


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = site_in(tmp_path_factory.mktemp("gallery"))
    figure_site(path, people=8, cameras=3)
    return path


def all_of(site: Site) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    gallery = gallery_of(site, "base")
    assert np.allclose(gallery.own, plain(site), atol=1e-3)
    return gallery.ids, gallery.drawn.astype(np.float32)


def plain(site: Site) -> NDArray[np.float32]:
    table = site.tracklet_table()
    return without_camera(store_of(site, "base").load_whole()[1], table.cameras)


def test_before_merging_each_tracklet_stands_for_itself(path: Path) -> None:
    with Site.open(path) as site:
        assert site.merging() is None
        ids, rows = all_of(site)
        assert np.array_equal(ids, site.tracklet_table().ids)
        assert np.allclose(rows, plain(site), atol=1e-3)


def test_merging_draws_identities_together(path: Path) -> None:
    with Site.create(path) as site:
        merge(site, who="me")
        merging = site.merging()
        ids, rows = all_of(site)
        own = plain(site)
    assert merging is not None
    assert np.array_equal(merging.ids, ids)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)
    size = np.bincount(merging.identities)
    assert size.max() > 2
    for identity in np.flatnonzero(size):
        members = merging.identities == identity
        mean = own[members].sum(0)
        wanted = (1 - TOGETHER) * own[members] + TOGETHER * mean / np.linalg.norm(mean)
        assert np.allclose(rows[members], wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-3)


def test_what_came_or_went_since_the_merging(path: Path) -> None:
    figure_site(path, people=2, cameras=3, day=1, first=50)
    with Site.open_to_write(path) as site:
        merging = site.merging()
        ids, rows = all_of(site)
        assert merging is not None
        new = ~np.isin(ids, merging.ids)
        assert new.sum() == 12
        assert np.allclose(rows[new], plain(site)[new], atol=1e-3)  # by themselves
        gone = int(ids[0])
        forget(site, who="me", tracklets=[gone])
        assert gone not in all_of(site)[0]


def test_embeddings_that_the_record_does_not_know_are_left_out(path: Path) -> None:
    with Site.open_to_write(path) as site:
        ids, rows = all_of(site)
        before = gallery_of(site, "base")
        store: Embeddings = store_of(site, "base")
        halves = np.ones((1, 2, rows.shape[1]), np.float32)
        store.write(99, [int(ids[-1]) + 1000], halves / np.linalg.norm(halves, axis=2, keepdims=True))
        after = gallery_of(site, "base")
        assert np.array_equal(after.ids, ids)
        assert np.array_equal(after.own, before.own)


def test_without_any_embedding_there_is_an_empty_gallery_and_the_default_calibration(path: Path) -> None:
    with Site.open_to_write(path) as site:
        store = store_of(site, "base")
        for footage in store.footages():
            store.drop(footage)
        assert len(gallery_of(site, "base").ids) == 0
        assert calibrate(site, serving(site)).source == DEFAULT
