"""A searcher made of an earlier one finds what one that is made now finds."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from app.encoders import embed
from app.encoders.versions import BASE, store_of
from app.record import Site
from app.record.forget import forget
from app.search.merging import merge
from app.search.renewed import SHARE, renewed
from app.search.searcher import Searcher, Wish
from app.search.warm import WarmSearcher
from tests.app.sites import figure_site

PEOPLE, CAMERAS = 40, 3


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("renewed") / "site"
    figure_site(path, people=PEOPLE, cameras=CAMERAS, crops=2)
    with Site.open_to_write(path) as site:
        WarmSearcher(site).ready()
    return path


@pytest.fixture
def path(large: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(large, tmp_path / "site"))


def as_made_now(searcher: Searcher) -> None:
    """It compares with the same rows in the same table, but for what cameras add by now."""
    now = Searcher(searcher.site)
    for name in ("ids", "cameras", "footage", "start", "end", "is_sighting"):
        assert np.array_equal(getattr(searcher.table, name), getattr(now.table, name)), name
    assert searcher.table.names == now.table.names
    assert np.array_equal(searcher.embedded, now.embedded)
    for mine, other in ((searcher.index, now.index), (searcher.own, now.own)):
        assert np.array_equal(mine.ids, other.ids)
        assert (mine.embeddings(mine.ids) * other.embeddings(mine.ids)).sum(1).min() > 0.99
    assert (searcher.state, searcher.by_footage) == (now.state, now.by_footage)


def test_who_was_erased_leaves_memory_at_once(path: Path) -> None:
    with Site.open_to_write(path) as site:
        earlier = Searcher(site)
        gone = earlier.table.ids[[3, 50, 51]]
        held = earlier.index.embeddings(gone)
        assert (np.abs(held).sum(1) > 0).all()
        forget(site, who="me", tracklets=gone.tolist())
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None and searcher.knows_all
        as_made_now(searcher)
        blocks = [block.rows[np.isin(block.ids, gone)] for block in earlier.index._blocks]
        assert sum(map(len, blocks)) == 3 and not any(rows.any() for rows in blocks)
        assert not np.isin(earlier.index.search(held, 1000).ids, gone).any()
        again = renewed(searcher, site.searched_state())  # what did not change
        assert again is not None and again.changed == searcher.changed == 3


def test_what_came_is_found_and_may_leave_again(path: Path) -> None:
    with Site.open_to_write(path) as site:
        earlier = Searcher(site)
        day = figure_site(path, people=2, cameras=2, day=1, first=100, crops=2)
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None and searcher.knows_all and searcher.changed == len(day)
        as_made_now(searcher)
        came = np.array(sorted(day))
        assert np.array_equal(searcher.index.search(searcher.own.embeddings(came), 1).ids[:, 0], came)
        assert not np.isin(came, earlier.index.ids).any()
        forget(site, who="me", tracklets=came[:2].tolist())
        fewer = renewed(searcher, site.searched_state())
        assert fewer is not None and np.isin(came, fewer.index.ids).tolist() == [False] * 2 + [True] * (len(came) - 2)
        as_made_now(fewer)


def test_who_shared_an_identity_with_the_erased_is_drawn_anew(path: Path) -> None:
    with Site.open_to_write(path) as site:
        merge(site, who="me")
        earlier = Searcher(site)
        merging = site.merging()
        assert merging is not None and earlier.index is not earlier.own
        large = np.bincount(merging.identities).argmax()
        members = merging.ids[merging.identities == large]
        assert len(members) > 2
        before = earlier.index.embeddings(members[1:])
        forget(site, who="me", tracklets=members[:1].tolist())
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None
        as_made_now(searcher)
        assert (np.abs(searcher.index.embeddings(members[1:]) - before).max(1) > 1e-3).all()
        assert np.array_equal(searcher.own.embeddings(members[1:]), earlier.own.embeddings(members[1:]))
        assert np.array_equal(earlier.index.embeddings(members[1:]), before)  # for who searches just now


def test_a_camera_that_is_new_and_what_has_no_crop(path: Path) -> None:
    with Site.open_to_write(path) as site:
        earlier = Searcher(site)
        day = figure_site(path, people=1, cameras=CAMERAS + 1, day=2, first=100, crops=2)
        store_of(site, BASE).drop(site.footage()[-1].id)
        (shard,) = (path / "crops" / str(CAMERAS + 1)).iterdir()  # of the new camera
        shard.write_bytes(bytes(shard.stat().st_size))
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None and searcher.table.names[-1] == f"camera{CAMERAS}"
        assert len(searcher.table) == len(earlier.table) + len(day)
        assert len(searcher.table) - searcher.embedded.sum() == 2  # of two pieces, nobody can read the crops
        as_made_now(searcher)


def test_too_much_or_another_version_is_read_again(path: Path) -> None:
    with Site.open_to_write(path) as site:
        earlier = Searcher(site)
        few = int(SHARE * len(earlier.table))
        forget(site, who="me", tracklets=earlier.table.ids[:few].tolist())
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None
        forget(site, who="me", tracklets=searcher.table.ids[:1].tolist())
        assert renewed(searcher, site.searched_state()) is None
        merge(site, who="me")
        assert renewed(searcher, site.searched_state()) is None


def test_embeddings_that_are_there_are_not_made_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera's process makes them as it commits. And of what is missing, only what came is embedded."""
    with Site.open_to_write(path) as site:
        earlier = Searcher(site)
        store = store_of(site, BASE)
        figure_site(path, people=2, cameras=1, day=1, first=100, crops=2)
        old, *_, new = sorted(store.footages())
        store.drop(old)
        store.drop(new)
        searcher = renewed(earlier, site.searched_state())
        assert searcher is not None and searcher.knows_all
        assert old not in store.footages() and new in store.footages()
        monkeypatch.setattr(embed, "update", lambda *_, **__: pytest.fail("embedded again"))
        gone = searcher.table.ids[-1:].tolist()
        forget(site, who="me", tracklets=gone)
        assert renewed(searcher, site.searched_state()) is not None


def test_who_searches_meanwhile_gets_an_answer(path: Path) -> None:
    with Site.open_to_write(path) as site:
        first = searcher = Searcher(site)
        gone = first.table.ids[-10:]
        queries, stop = first.own.embeddings(gone), threading.Event()

        def search() -> int:
            searched = 0
            while not stop.is_set():
                found = first.likely(queries[searched % 10], Wish(), first.table.ids, least=0.0)[0]
                assert len(found) >= len(first.table) - 10
                first.likeness(queries[0], gone)
                first.tracklet(int(gone[searched % 10]))
                searched += 1
            return searched

        with ThreadPoolExecutor(2) as threads:
            searching = [threads.submit(search) for _ in range(2)]
            for k in range(10):
                forget(site, who="me", tracklets=[int(gone[k])])
                now = renewed(searcher, site.searched_state())
                assert now is not None
                searcher = now
            stop.set()
            assert all(future.result() > 0 for future in searching)
        assert first.likeness(queries[0], gone) == []
