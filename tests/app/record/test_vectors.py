"""Vectors in PostgreSQL: a partition a day, exact where it is filtered, and no byte of who left."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray

from app.encoders.versions import BASE, store_of
from app.errors import SiteError
from app.record import Site, vectors
from app.record.embeddings import embeddings_of
from app.record.folder_embeddings import FolderEmbeddings
from app.record.forget import forget
from app.record.places import STORE
from app.record.vectors import DRAWN, HALVES, OWN, Ranges, Space, Vectors
from app.record.verify import damage
from app.search.indexes import build_indexes
from app.search.merging import merge
from app.search.postgres_index import PostgresIndex
from reid.normalised import normalised
from tests.app.records import run_sql, site_in, use_postgres
from tests.app.scenes import bytes_of
from tests.app.sites import figure_site

DAYS = 3
_people = itertools.count(700, 4)


@pytest.fixture(scope="module", autouse=True)
def on_postgresql(postgres: str) -> Iterator[None]:
    use_postgres(postgres)
    yield
    use_postgres(None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A few people on several days."""
    path, first = site_in(tmp_path), next(_people)  # others each time: one server keeps the sites of all tests
    for day in range(DAYS):
        figure_site(path, people=4, cameras=2, day=day, first=first, crops=2)
    with Site.open_to_write(path) as opened:
        yield opened


def plan(table: Vectors, space: Space, query: NDArray[np.float32], k: int, among: Ranges | None = None) -> str:
    sql, *values = table.searching(space, query, k, among)
    return "\n".join(row[0] for row in table._run(f"EXPLAIN {sql}", *values))


def test_partitions_are_of_a_space_and_of_the_day_on_which_tracklets_begin(site: Site) -> None:
    space = Vectors(site.database).space(BASE, HALVES)
    assert space is not None and space.width == 2 * store_of(site, BASE).load()[1].shape[2]
    starts = dict(run_sql(site.path, "SELECT id, start FROM segments"))
    rows = run_sql(site.path, "SELECT tracklet_id, day, tableoid::regclass::text FROM vectors")
    assert len(rows) == len(starts) == DAYS * 16
    for tracklet, day, partition in rows:
        assert day == starts[tracklet] // 86400 and partition == f"vectors_{space.id}_{day}"
    assert len({partition for *_, partition in rows}) == DAYS


def test_a_filtered_search_never_goes_by_an_approximate_index(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "LEAST_INDEXED", 1)
    merge(site, who="test")  # which makes the indexes
    table = Vectors(site.database)
    for kind in (OWN, DRAWN):
        space = table.space(BASE, kind)
        assert space is not None
        index = PostgresIndex(site.database, space)
        for other in ("seqscan", "sort", "bitmapscan"):  # so that it takes any index that it may
            site.database.run(f"SET enable_{other} = off")
        query = index.embeddings(index.ids[:1])[0]
        unfiltered = plan(table, space, query, 5)
        assert unfiltered.count("_hnsw") == DAYS and "Seq Scan" not in unfiltered
        for chosen in (np.arange(len(index.ids)) % 2 == 0, np.ones(len(index.ids), bool)):
            filtered = plan(table, space, query, 5, Ranges.of(index.ids, index._days, chosen))
            assert "hnsw" not in filtered and "CTE allowed" in filtered and "_pkey" in filtered
            found = table.nearest(space, query, 5, Ranges.of(index.ids, index._days, chosen))[0]
            similarity = index.embeddings(index.ids) @ query
            best = [
                number for number in index.ids[np.lexsort((index.ids, -similarity))] if chosen[index.ids == number][0]
            ]
            assert found.tolist() == best[:5]


def test_a_query_counts_beyond_half_precision(site: Site) -> None:
    table = Vectors(site.database)
    space = table.space(BASE, HALVES)
    assert space is not None
    ids, days = table.ids(space)
    rows = table.rows_of(space, ids, days)
    by_id = dict(zip(rows[0].tolist(), rows[1].astype(np.float64), strict=True))
    among = Ranges.of(ids, days, np.ones(len(ids), bool))
    query = np.random.default_rng(0).normal(size=space.width).astype(np.float32)
    query /= np.linalg.norm(query)
    found, similarities = table.nearest(space, query, len(ids), among)
    exact = np.array([by_id[number] @ query.astype(np.float64) for number in found.tolist()])
    halved = np.array([by_id[number] @ query.astype(np.float16).astype(np.float64) for number in found.tolist()])
    assert np.abs(similarities - exact).max() < 1e-6 < np.abs(halved - exact).max()


def test_ranges_join_neighbours_of_a_day() -> None:
    ids, days = np.array([1, 2, 4, 7, 9, 12]), np.array([5, 5, 6, 5, 5, 6])
    ranges = Ranges.of(ids, days, np.array([True, True, True, False, True, True]))
    assert (ranges.days.tolist(), ranges.first.tolist(), ranges.last.tolist()) == ([5, 5, 6], [1, 9, 4], [2, 9, 12])
    assert len(Ranges.of(ids, days, np.zeros(6, bool)).days) == 0


def test_who_is_erased_leaves_no_byte_of_any_vector(
    site: Site, postgres_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of halves, of what a search compares, of the index, and of rows that were drawn towards them."""
    monkeypatch.setattr(vectors, "LEAST_INDEXED", 1)
    merge(site, who="test")
    merging, table = site.merging(), Vectors(site.database)
    assert merging is not None and {space.kind for space in table.spaces()} == {HALVES, OWN, DRAWN}
    gone = int(merging.ids[0])
    mates = merging.ids[merging.identities == merging.identities[0]]
    assert len(mates) > 2

    def stored(numbers: np.ndarray, *kinds: str) -> list[bytes]:
        every = [table.read(space) for space in table.spaces() if space.kind in kinds]
        return [row.tobytes() for ids, rows in every for row in rows[np.isin(ids, numbers)]]

    leaving = stored(np.array([gone]), HALVES, OWN, DRAWN) + stored(mates, DRAWN)
    stays = stored(np.setdiff1d(merging.ids, mates), HALVES, OWN, DRAWN)
    site.database.run("CHECKPOINT")
    before = bytes_of(postgres_files)
    assert len(leaving) == 3 + len(mates) and all(row in before for row in leaving)
    assert forget(site, who="test", tracklets=[gone]).left == []
    after = bytes_of(postgres_files)
    assert not any(row in after for row in leaving) and all(row in after for row in stays)
    assert run_sql(site.path, "SELECT * FROM vectors_left") == [] and list(damage(site)) == []


def test_what_a_killed_erasure_left_is_rewritten(
    site: Site, postgres_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, halves = store_of(site, BASE).load()
    with monkeypatch.context() as patched:
        patched.setattr(Vectors, "rewrite", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forget(site, who="test", tracklets=ids[:1].tolist())
    assert len(run_sql(site.path, "SELECT * FROM vectors_left")) == 1
    site.database.run("CHECKPOINT")
    assert halves[0].tobytes() in bytes_of(postgres_files)
    Site.open_to_write(site.path).close()
    assert halves[0].tobytes() not in bytes_of(postgres_files)
    assert run_sql(site.path, "SELECT * FROM vectors_left") == []


def test_embeddings_are_those_of_the_record_s_tracklets(site: Site) -> None:
    store = store_of(site, BASE)
    ids, halves = store.load()
    footage = site.footage()[0].id
    mine, rows = store.read(footage)
    assert set(mine) == set(site.searchable_of(footage)) and store.footages() == {f.id for f in site.footage()}
    np.testing.assert_array_equal(store.load_whole()[0], ids)
    expected = normalised(halves.astype(np.float32).sum(1))
    np.testing.assert_allclose(store.load_whole()[1].astype(np.float32), expected, atol=1e-3)
    store.write(footage, np.r_[mine[:2], 5], np.r_[rows[:2], rows[:1]])  # 5 is nobody
    assert store.read(footage)[0].tolist() == mine[:2].tolist()
    store.append(footage, mine[1:], rows[1:], mine[1:])
    again, halves_again = store.read(footage)
    assert again.tolist() == mine[1:].tolist() and np.array_equal(halves_again, rows[1:])
    assert store.remove([mine[1], 5]) == 1
    np.testing.assert_array_equal(store.read(footage)[0], mine[2:])
    np.testing.assert_array_equal(store.check(footage), mine[2:])
    store.drop(footage)
    assert store.check(footage) is None and footage not in store.files()
    with pytest.raises(SiteError, match="bring it again under another name"):
        store.write(footage, mine, np.ones((len(mine), 2, 3)))
    with pytest.raises(ValueError, match="one for each"):
        store.write(footage, mine, np.ones((1, 2, 3)))
    store.remove_all()
    assert len(store.load()[0]) == 0 and store.load_whole()[1].shape == (0, 0) and Vectors(site.database).spaces() == []


def test_files_of_an_earlier_version_go_into_the_record(site: Site) -> None:
    store = store_of(site, BASE)
    footage = site.footage()[0].id
    ids, halves = store.read(footage)
    file = FolderEmbeddings(site.path / "embeddings" / BASE)
    file.write(footage, ids, halves)
    store.drop(footage)
    with Site.open_to_write(site.path) as again:
        there, rows = embeddings_of(again.database, BASE).read(footage)
    assert np.array_equal(there, ids) and np.array_equal(rows, halves) and not file.folder.exists()


def test_a_server_without_pgvector_is_told(postgres: str, tmp_path: Path) -> None:
    """As one says it that lacks the extension's files: in a database that has no such extension yet."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS bare")
        connection.execute("CREATE DATABASE bare")
        connection.execute("DROP ROLE IF EXISTS plain")
        connection.execute("CREATE ROLE plain LOGIN")
        connection.execute("GRANT ALL ON DATABASE bare TO plain")
    with psycopg.connect(postgres, dbname="bare", autocommit=True) as connection:
        connection.execute("GRANT ALL ON SCHEMA public TO plain")
    path = tmp_path / "bare"
    path.mkdir()
    url = postgres.replace("//postgres:", "//plain:").replace("/postgres?", "/bare?")
    (path / STORE).write_text(f'record = "{url}"\n', encoding="utf-8")
    with pytest.raises(SiteError, match=r"has no pgvector for this database .*CREATE EXTENSION vector"):
        Site.create(path)
    with psycopg.connect(postgres, dbname="bare", autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    Site.create(path).close()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP DATABASE bare")
        connection.execute("DROP ROLE plain")


def test_indexes_are_made_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "LEAST_INDEXED", 10)
    build_indexes(site, BASE)
    table = Vectors(site.database)
    space = table.space(BASE, OWN)
    assert space is not None and table.index(space) == 0
    found = run_sql(
        site.path, "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname ~ 'hnsw'"
    )
    assert found == [(DAYS,)]


def test_what_one_model_writes_takes_nothing_from_another(site: Site) -> None:
    base, other = (embeddings_of(site.database, name) for name in (BASE, "v1"))
    ids, halves = base.load()
    footage = base.files()[0]
    mine, rows = base.read(footage)
    other.add(footage, mine, rows, ids)  # the first that it ever has
    other.add(footage, mine[:1], rows[:1], mine[1:])
    assert other.load()[0].tolist() == mine[1:].tolist()
    other.drop(footage)
    assert other.files() == []
    still, same = base.load()
    np.testing.assert_array_equal(still, ids)
    np.testing.assert_array_equal(same, halves)
