"""Files for their owner's eyes only: new ones, and sites that others could read until they are opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import SiteError
from app.record import Site
from app.record.private_files import check_writable, make_private, private_file, write_private


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[Path]:
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077 and not path.is_symlink()]


def test_a_folder_that_others_could_read_is_private_once_a_site_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir(mode=0o755)
    with Site.create(folder):
        assert (folder / "site.db-wal").exists()
        assert open_to_others(folder) == []


@pytest.mark.parametrize("opening", [Site.create, Site.open_to_write])
def test_a_site_that_others_could_read_is_private_once_it_is_written_to(tmp_path: Path, opening: object) -> None:
    assert callable(opening)
    folder = tmp_path / "site"
    Site.create(folder).close()
    (folder / "crops" / "1").mkdir(parents=True)
    (folder / "crops" / "1" / "1-000.shard").write_bytes(b"")
    outside = tmp_path / "outside"
    outside.write_bytes(b"")
    (folder / "link").symlink_to(outside)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    with Site.open(folder):  # who only reads may not be its owner
        assert open_to_others(folder)
    with opening(folder):
        assert open_to_others(folder) == []
    assert outside.stat().st_mode & 0o777 == 0o644


def test_a_folder_of_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_bytes(b"")
    tmp_path.chmod(0o755)
    with pytest.raises(SiteError, match="holds other files"):
        Site.create(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("refused", [True, False])
def test_what_cannot_be_made_private_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    def chmod(path: Path, mode: int) -> None:
        if refused:
            raise PermissionError(1, "Operation not permitted", str(path))

    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", chmod)
    with pytest.raises(
        SiteError, match=rf"Others can read {tmp_path}, and that can't be changed \(.+\): let its owner"
    ):
        make_private(tmp_path)


def test_a_private_file_has_its_mode_from_the_start(tmp_path: Path) -> None:
    path = tmp_path / "new" / "face.png"
    with private_file(path) as part:
        assert part.stat().st_mode & 0o777 == 0o600
        part.write_bytes(b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o600


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "target").write_bytes(b"before")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "pipe")
    special = [*(tmp_path / name for name in ("folder", "link", "pipe")), Path("/dev/null")]
    for path, kind in zip(special, ("a folder", "a link", "a pipe", "a device"), strict=True):
        for write in (check_writable, lambda path: write_private(path, b"x")):
            with pytest.raises(SiteError, match=rf"{path} can't be written \(it is {kind}, and only a file"):
                write(path)
    assert (tmp_path / "target").read_bytes() == b"before"
    assert Path("/dev/null").is_char_device()
    check_writable(tmp_path / "target", tmp_path / "new" / "file")
    shutil.rmtree(tmp_path / "folder")
    check_writable(tmp_path / "folder")
