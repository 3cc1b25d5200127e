"""Who is forgotten leaves nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.encoders.versions import store_of
from app.engine.ingest import ingest
from app.errors import SiteError
from app.footage import Camera, Footage
from app.forget import command
from app.record import Site
from app.record.folder_embeddings import FolderEmbeddings
from app.record.forget import forget
from app.record.rows import Chunk, Crop, segment_id
from app.record.table_embeddings import TableEmbeddings
from app.record.uploads import Uploads
from app.record.verify import damage
from app.search.merging import merge
from app.search.query import query
from app.search.searcher import Wish
from tests.app.record.test_retention import uploaded
from tests.app.records import on_postgres
from tests.app.scenes import SIZE, bytes_of, people, segment, write_detections
from tests.app.sites import START, People, figure_site
from tests.app.typed import Typed
from tests.clips import render_clip
from trackers.segments import Kind, Segment


def rows_of(site: Site, numbers: list[int]) -> list[bytes]:
    """The bytes that the site has of some tracklets: crops, and embeddings in half precision."""
    ids, halves = store_of(site, "base").load()
    vectors = [halves[np.flatnonzero(ids == tracklet)[0]].tobytes() for tracklet in numbers]
    return vectors + [site.crop_jpeg(crop) for tracklet in numbers for crop in site.crops(tracklet)]


def test_forgetting_leaves_neither_pictures_nor_vectors(path: Path, who: People) -> None:
    with Site.create(path) as site:
        merge(site, who="me")
        merged = site.merging()
        assert merged is not None
        identity = int(merged.identities[0])
        of_identity = merged.ids[merged.identities == identity].tolist()
        rest = [tracklet for tracklet in sorted(who) if tracklet not in of_identity]
        gone, kept = rows_of(site, of_identity), rows_of(site, rest)
        done = forget(site, who="me", identities=[identity])
        assert (done.tracklets, done.models) == (len(of_identity), [])
        left = bytes_of(path)
        assert not any(row in left for row in gone)
        assert rows_of(site, rest) == kept
        assert site.tracklet_table().ids.tolist() == rest
        assert list(damage(site)) == []
        assert site.audit()[-1].action == "forget"
        assert {m.tracklet for m in query(site, rest[0], Wish(top=1000), who="me")[0].people[0].matches} <= set(rest)
        with pytest.raises(SiteError, match=f"no identity {identity}"):
            forget(site, who="me", identities=[identity])


def test_forgetting_all_before_a_time(path: Path) -> None:
    with Site.create(path) as site:
        table = site.tracklet_table()
        limit = START + 30
        left = table.ids[table.end >= limit].tolist()
        assert 0 < len(left) < len(table)
        forget(site, who="me", before=limit)
        assert site.tracklet_table().ids.tolist() == left
        with pytest.raises(SiteError, match="no tracklet"):
            forget(site, who="me", tracklets=[12])


def test_the_command_goes_on_where_it_was_killed(
    path: Path, who: People, monkeypatch: pytest.MonkeyPatch, typed: Typed
) -> None:
    number = sorted(who)[0]
    with Site.create(path) as site:
        gone = rows_of(site, [number])
        store = TableEmbeddings if on_postgres() else FolderEmbeddings
        monkeypatch.setattr(store, "remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forget(site, who="me", tracklets=[number])
    assert on_postgres() or gone[0] in bytes_of(path)  # the vectors are still there
    monkeypatch.undo()
    done = typed(command, "--site", path, "--tracklet", number)
    assert done.returncode == 0, done.stderr
    assert not any(row in bytes_of(path) for row in gone)


def test_poor_pieces_of_the_same_tracks_leave_and_other_tracklets_are_told(empty: Path, typed: Typed) -> None:
    """A track of two tracklets with a piece between them that is too short for one, and another track beside it."""
    footage = Footage("hall", Path("hall.mp4"), "hall.mp4", START, "name", 10, "hall")
    with Site.create(empty) as site:
        ((record, _),) = site.intake.register([Camera("hall", (footage,))], {"hall": {}}, who="test")[0]
        record = site.intake.begin(record, {})
        kinds = [Kind.TRACKLET, Kind.SHORT, Kind.TRACKLET, Kind.TRACKLET]
        pieces = [
            replace(segment(number, track=1 if number < 4 else 2), kind=kind) for number, kind in enumerate(kinds, 1)
        ]
        crops = {piece.number: [crop_of(piece)] for piece in pieces if piece.kind == Kind.TRACKLET}
        site.intake.commit(record, Chunk(pieces, crops, b"", 9, 9, 9, 1.0), done=True)
        ids = {piece.number: segment_id(record.camera_id, piece.number) for piece in pieces}
    done = typed(command, "--site", empty, "--tracklet", ids[1])
    assert done.returncode == 0, done.stderr
    assert "1 tracklets erased (2 pieces of tracks in all)" in done.stdout
    assert f"1 tracklets of the same tracks stay, which may show the same people: {ids[3]}." in done.stdout
    with Site.open_to_write(empty) as site:
        assert [row.id for row in site.segments("hall")] == [ids[3], ids[4]]
        assert forget(site, who="me", tracklets=[ids[4]]).same_tracks == []
        assert forget(site, who="me", tracklets=[ids[3]]).same_tracks == []


def crop_of(piece: Segment) -> Crop:
    picture = b"\xff\xd8" + bytes([piece.number]) * 9 + b"\xff\xd9"
    return Crop(int(piece.frames[0]), float(piece.times[0]), (0.0, 0.0, 9.0, 20.0), 1.0, 0.0, 0.0, 1.0, 1.0, picture)


def test_a_forgotten_number_goes_to_nobody_else(path: Path, who: People) -> None:
    with Site.create(path) as site:
        camera = site.tracklet_table().cameras
        last = [max(tracklet for tracklet, c in zip(sorted(who), camera) if c == k) for k in range(3)]
        forget(site, who="me", tracklets=last)
    later = figure_site(path, people=2, cameras=3, day=1, first=100)
    assert not set(last) & set(later)
    assert min(tracklet for tracklet in later if tracklet > last[0]) == last[0] + 1


def test_an_uploaded_film_that_shows_them_still_is_named(site: Site, tmp_path: Path) -> None:
    clip = render_clip(tmp_path / "evening.mp4", people(30), size=SIZE)
    number = uploaded(site, clip.path, "hall")
    write_detections(tmp_path / "detections" / "hall.txt", clip)
    upload = Uploads(site.path).get(number)
    assert upload is not None
    folder = Uploads(site.path).for_ingest(upload, site.database)
    ingest(folder, site.path, detector=f"mot:{tmp_path / 'detections'}", who="test")
    first, *_ = site.segments("hall", kind=Kind.TRACKLET)
    done = forget(site, who="me", tracklets=[first.id])
    (film,) = done.films
    (record,) = site.footage("hall")
    assert (film.upload, film.label, film.camera) == (number, "x.mp4", "hall")
    assert (film.start, film.seconds) == (record.start, record.seconds)
    assert record.path.is_file()  # it shows others, too
