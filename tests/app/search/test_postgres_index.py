"""A site whose record is a PostgreSQL is searched there, and answers as it does in a folder."""

from __future__ import annotations

import multiprocessing.context
import shutil
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from app.encoders.versions import BASE, serving, store_of
from app.record import Site
from app.record.forget import forget
from app.record.move import move
from app.record.places import STORE, Places
from app.record.vectors import DRAWN, OWN, Vectors
from app.search import indexes as module
from app.search.gallery import gallery_of
from app.search.index import FaissIndex
from app.search.indexes import indexes_of
from app.search.merging import merge, undo
from app.search.postgres_index import PostgresIndex
from app.search.renewed import renewed
from app.search.searcher import Answer, Searcher, Wish
from app.search.warm import WarmSearcher
from tests.app.records import copy_of, run_sql, site_in, use_postgres
from tests.app.sites import START, figure_site

WISHES = (
    Wish(top=30),
    Wish(top=30, cameras=("camera1",)),
    Wish(top=30, cameras=("camera0", "camera2"), begin=START + 20, end=START + 60),
    Wish(top=7, at=START + 30, inside="camera1"),
    Wish(top=9, rerank=True, expand=True),
)


@pytest.fixture(scope="module")
def merged(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site of twelve people in three cameras, whose tracklets were merged. Only to be copied."""
    use_postgres(postgres)
    path = site_in(tmp_path_factory.mktemp("merged"))
    figure_site(path, people=12, cameras=3, crops=2, sightings=2)
    with Site.open_to_write(path) as site:
        merge(site, who="test")
    yield path
    use_postgres(None)


@pytest.fixture
def site(merged: Path, tmp_path: Path) -> Iterator[Site]:
    with Site.open_to_write(copy_of(merged, tmp_path)) as opened:
        yield opened


def as_faiss(site: Site, searcher: Searcher) -> None:
    """Both indexes give the answers of FAISS on the same rows."""
    gallery = gallery_of(site, BASE, site.searchable_table())
    queries = np.concatenate([gallery.own[::5], gallery.drawn[1::5]]).astype(np.float32)
    some = gallery.ids[np.random.default_rng(0).random(len(gallery.ids)) < 0.4]
    for index, rows in ((searcher.index, gallery.drawn), (searcher.own, gallery.own)):
        assert isinstance(index, PostgresIndex)
        faiss = FaissIndex(gallery.ids, rows)
        np.testing.assert_array_equal(index.ids, faiss.ids)
        for k, among, without in ((1, None, ()), (9, None, gallery.ids[:3]), (5, some, ()), (500, some, some[:2])):
            ours, theirs = (each.search(queries, k, among, without=without) for each in (index, faiss))
            np.testing.assert_array_equal(ours.ids, theirs.ids)
            np.testing.assert_allclose(ours.similarities, theirs.similarities, atol=1e-5)
        np.testing.assert_array_equal(index.embeddings(gallery.ids[::-1]), rows[::-1].astype(np.float32))


def answers(site: Site) -> list[Answer]:
    searcher = Searcher(site)
    query, own, beside = searcher.tracklet(int(searcher.own.ids[0]))
    people = np.stack([query, searcher.own.embeddings(searcher.own.ids[-1:])[0]])
    return [
        answer
        for wish in WISHES
        for answer in searcher.search(people, wish, who="test", still="x", own=own, without=beside)
    ]


def test_postgresql_and_faiss_answer_alike_filtered_and_unfiltered(site: Site) -> None:
    searcher = Searcher(site)
    assert searcher.index is not searcher.own
    as_faiss(site, searcher)
    with pytest.raises(KeyError, match="12"):
        searcher.index.embeddings([12])
    with pytest.raises(ValueError, match="at least 1"):
        searcher.index.search(searcher.own.embeddings(searcher.own.ids[:1]), 0)
    assert searcher.index.search(searcher.own.embeddings(searcher.own.ids[:1]), 3, []).ids.shape == (1, 0)


def test_the_same_site_in_its_folder_answers_the_same(site: Site) -> None:
    in_postgres, path = answers(site), site.path
    embedded = store_of(site, BASE).load()
    site.close()
    moved = move(path, Places(), who="test")
    assert moved.embeddings == len(embedded[0]) and (path / "embeddings" / BASE).is_dir()
    with Site.open_to_write(path) as there:
        assert all(np.array_equal(*both) for both in zip(embedded, store_of(there, BASE).load(), strict=True))
        in_folder = answers(there)
    for ours, theirs in zip(in_postgres, in_folder, strict=True):
        assert (ours.verdict, ours.gallery) == (theirs.verdict, theirs.gallery)
        assert [m.tracklet for m in ours.matches] == [m.tracklet for m in theirs.matches]
        np.testing.assert_allclose(
            [m.probability for m in ours.matches], [m.probability for m in theirs.matches], atol=1e-5
        )


def test_rows_follow_what_comes_leaves_and_is_merged(site: Site) -> None:
    earlier = Searcher(site)
    undo(site, who="test")
    assert renewed(earlier, site.searched_state()) is None
    searcher = Searcher(site)
    assert searcher.index is searcher.own and Vectors(site.database).space(BASE, DRAWN) is None
    merge(site, who="test")
    searcher = Searcher(site)
    as_faiss(site, searcher)
    forget(site, who="test", tracklets=searcher.own.ids[:1].tolist())
    now = renewed(searcher, site.searched_state())
    assert now is not None and len(now.own.ids) == len(searcher.own.ids) - 1
    assert np.array_equal(now.index.ids, now.own.ids)
    for kind in (OWN, DRAWN):
        space = Vectors(site.database).space(BASE, kind)
        assert space is not None and np.array_equal(Vectors(site.database).ids(space)[0], now.own.ids)
    again = Searcher(site)  # as another process opens it: what cameras add is what it was
    for ours, theirs in ((again.index, now.index), (again.own, now.own)):
        np.testing.assert_array_equal(ours.embeddings(ours.ids), theirs.embeddings(ours.ids))


def test_who_opens_next_draws_anew_whom_an_erasure_left_out(site: Site) -> None:
    merging, _ = site.merging(), Searcher(site)
    assert merging is not None
    large = int(np.bincount(merging.identities).argmax())
    members = merging.ids[merging.identities == large]
    forget(site, who="test", tracklets=members[:1].tolist())
    space = Vectors(site.database).space(BASE, DRAWN)
    assert space is not None and not np.isin(members, Vectors(site.database).ids(space)[0]).any()
    searcher = Searcher(site)
    assert np.isin(members, searcher.index.ids).tolist() == [False] + [True] * (len(members) - 1)


def test_what_another_process_wrote_just_so_is_not_written_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with Site.open_to_write(site.path) as other:
        first, second = Searcher(site), Searcher(other)
        figure_site(site.path, people=1, cameras=1, day=1, first=50, crops=2)
        now = renewed(first, site.searched_state())
        written: list[int] = []
        write = Vectors.write
        monkeypatch.setattr(
            Vectors,
            "write",
            lambda self, space, ids, rows: (written.append(len(ids)), write(self, space, ids, rows))[1],
        )
        too = renewed(second, other.searched_state())
        assert now is not None and too is not None and np.array_equal(now.index.ids, too.index.ids)
        assert sum(written) == 0
        # Once somebody has made all anew, rows of the earlier means of cameras are no more written.
        monkeypatch.setattr(module, "SHARE", 0.0)
        run_sql(site.path, "UPDATE vector_spaces SET changed = changed + 1")
        table = site.searchable_table()
        indexes_of(site, serving(site).name, table)
        forget(site, who="test", tracklets=[int(table.ids[-1])])
        monkeypatch.undo()
        assert renewed(too, other.searched_state()) is None


def searching(path: Path, query: np.ndarray, stop: Event, told: Queue[tuple[float, list[int]]]) -> None:
    """What a server on another machine does: it searches again and again, and tells when it was asked."""
    with Site.open_to_write(path) as site:
        warm = WarmSearcher(site)
        while not stop.is_set():
            asked = time.time()
            (answer,) = warm.ready().search(query[None], Wish(top=1000), who="other", still="x")
            told.put((asked, [match.tracklet for match in answer.matches]))


def test_who_is_erased_is_found_by_no_other_process_once_forget_returns(
    site: Site, tmp_path: Path, start: multiprocessing.context.ForkServerContext
) -> None:
    elsewhere = tmp_path / "elsewhere"  # a machine that has where the site is, and its models
    elsewhere.mkdir()
    shutil.copy(site.path / STORE, elsewhere / STORE)
    shutil.copytree(site.path / "models", elsewhere / "models")
    searcher = Searcher(site)
    stop, told = start.Event(), start.Queue()
    query = searcher.own.embeddings(searcher.own.ids[:1])[0]
    process = start.Process(target=searching, args=(elsewhere, query, stop, told))
    process.start()
    try:
        gone: dict[int, float] = {}
        assert len(told.get(timeout=120)[1]) == len(searcher.own.ids)
        for number in searcher.own.ids[:4].tolist():
            forget(site, who="test", tracklets=[number])
            gone[number] = time.time()
            asked, found = told.get(timeout=120)
            while asked < gone[number]:  # searches that were asked before
                asked, found = told.get(timeout=120)
            assert not set(found) & gone.keys() and len(found) == len(searcher.own.ids) - len(gone)
    finally:
        stop.set()
        while process.is_alive():  # which waits until what it told was taken
            while not told.empty():
                told.get()
            process.join(0.1)
    assert process.exitcode == 0
