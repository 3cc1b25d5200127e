"""Files that come piece by piece: they go on after a break, and what is not as it was said is removed."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from app.errors import Busy, FootageError, SiteError, StorageError
from app.footage import survey
from app.record import Site
from app.record.uploads import FOLDER, MOST_BYTES, MOST_OPEN, Upload, Uploads, Wish

DATA = bytes(range(256)) * 40
LABEL = "../../etc/evening.mp4"


def wish(**changes: object) -> Wish:
    return Wish(**{"camera": "hall", "label": LABEL, "size": len(DATA), "suffix": ".mp4"} | changes)  # type: ignore[arg-type]


def fine(path: Path, wish: Wish) -> None:
    assert path.read_bytes() == DATA


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(tmp_path)


def test_it_goes_on_where_it_stopped(uploads: Uploads, tmp_path: Path) -> None:
    upload = uploads.begin(wish(sha256=hashlib.sha256(DATA).hexdigest(), modified=1.8e9), who="alice")
    assert uploads.append(upload, 0, DATA[:100]) == 100
    assert uploads.append(upload, 0, DATA[:100]) == 100  # sent once more, as the answer was lost
    assert uploads.append(upload, 300, DATA[300:]) == 100
    later = Uploads(tmp_path)  # the server died
    (here,) = later.all()
    assert (here.received, here.is_whole, here.wish.label, here.who) == (100, False, LABEL, "alice")
    with pytest.raises(SiteError, match="100 have come"):
        later.finish(here, fine)
    assert later.append(here, 100, DATA[100:] + b"more") == 100
    assert later.append(here, 100, DATA[100:]) == len(DATA)
    whole = later.finish(here, fine)
    assert whole.read_bytes() == DATA and whole.stat().st_mtime == 1.8e9
    assert later.finish(later.all()[0], fine) == whole
    assert later.owner(whole) == later.get(upload.id) and later.owner(tmp_path / "a.mp4") is None
    with pytest.raises(SiteError, match="come whole already"):
        later.append(here, len(DATA), b"x")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / FOLDER).rglob("*"))
    assert "evening" not in "".join(map(str, tmp_path.rglob("*")))
    later.remove(later.all()[0])
    assert list((tmp_path / FOLDER).iterdir()) == []


def test_what_is_not_as_it_was_said_is_removed(uploads: Uploads) -> None:
    def no_film(path: Path, wish: Wish) -> None:
        raise FootageError(f"{wish.label} is no video")

    for changes, check in (({"sha256": "0" * 64}, fine), ({}, no_film)):
        upload = uploads.begin(wish(**changes), who="alice")
        uploads.append(upload, 0, DATA)
        with pytest.raises((SiteError, FootageError)):
            uploads.finish(upload, check)
        assert uploads.all() == []


def test_one_request_at_a_time_adds_to_a_file(uploads: Uploads) -> None:
    upload = uploads.begin(wish(), who="alice")
    with uploads._part(upload), pytest.raises(Busy):
        uploads.append(upload, 0, DATA)


class Free(NamedTuple):
    total: int
    used: int
    free: int


def test_there_is_room_or_it_is_refused(uploads: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (0, -1, MOST_BYTES + 1):
        with pytest.raises(SiteError, match="a file may have"):
            uploads.begin(wish(size=size), who="alice")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Free(2**40, 0, 2**30 + 15_000))
    uploads.begin(wish(), who="alice")
    with pytest.raises(StorageError, match="make room"):  # what was promised counts
        uploads.begin(wish(), who="alice")
    monkeypatch.undo()
    for _ in range(MOST_OPEN - 1):
        uploads.begin(wish(), who="alice")
    with pytest.raises(SiteError, match="finish or remove"):
        uploads.begin(wish(), who="alice")


@pytest.mark.parametrize("number", ["", "..", "../x", "b" * 19, "b" * 21, "B" * 20, "b" * 19 + "/", "b" * 19 + "\n"])
def test_names_of_others_lead_nowhere(uploads: Uploads, number: str) -> None:
    assert uploads.get(number) is None


@pytest.mark.usefixtures("record")
def test_ingest_is_told_camera_start_and_mask(site: Site) -> None:
    uploads = Uploads(site.path)
    name = "Tür \"7\" [x] = '''"

    def taken(**changes: object) -> Upload:
        upload = uploads.begin(wish(camera=name, **changes), who="alice")
        uploads.append(upload, 0, DATA)
        uploads.finish(upload, fine)
        return upload

    first = taken(start=1795185000.25, modified=1.8e9)
    (camera,) = survey(uploads.for_ingest(first, site.database)).cameras
    (film,) = camera.footage
    assert (camera.name, film.start, film.start_source) == (name, 1795185000.25, "given")
    assert film.name == f"{first.id}.mp4" and camera.mask == ()
    second = taken(modified=1.8e9)
    (camera,) = survey(uploads.for_ingest(second, site.database)).cameras
    assert camera.footage[0].start_source == "file time" and camera.footage[0].start <= 1.8e9
    masked = type(camera)(name, (), ((((0.0, 0.0), (0.5, 0.0), (0.5, 0.5))),), 40.0, "Europe/Berlin")
    site.intake.register([masked], {name: {}}, who="alice")
    (camera,) = survey(uploads.for_ingest(second, site.database)).cameras
    assert (camera.mask, camera.min_height, camera.time_zone) == (masked.mask, 40.0, "Europe/Berlin")
