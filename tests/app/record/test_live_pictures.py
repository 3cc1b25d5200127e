"""The newest picture of a live camera: in one place, private, and gone when it is to go."""

from __future__ import annotations

from pathlib import Path

from app.record import Site
from app.record.forget import forget
from app.record.live_pictures import FOLDER, LivePicture, read_live_picture, remove_live_picture, write_live_picture
from tests.app.sites import figure_site

LARGE = LivePicture(b"\xff\xd8" + b"a secret walk" * 50, 1920, 1080, 12.5)
SMALL = LivePicture(b"\xff\xd8small", 640, 480, 14.5)


def test_a_picture_takes_the_bytes_of_the_one_before(tmp_path: Path) -> None:
    assert read_live_picture(tmp_path, "../hall") is None
    write_live_picture(tmp_path, "../hall", LARGE)
    (file,) = (tmp_path / FOLDER).iterdir()
    number, length = file.stat().st_ino, file.stat().st_size
    assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    write_live_picture(tmp_path, "../hall", SMALL)
    assert (file.stat().st_ino, file.stat().st_size) == (number, length) and b"secret" not in file.read_bytes()
    shown = read_live_picture(tmp_path, "../hall")
    assert shown is not None and (shown.jpeg, shown.width, shown.height, shown.time) == (SMALL.jpeg, 640, 480, 14.5)
    assert read_live_picture(tmp_path, "yard") is None
    remove_live_picture(tmp_path, "../hall")
    assert not file.exists()


def test_half_a_file_is_no_picture(tmp_path: Path) -> None:
    write_live_picture(tmp_path, "hall", SMALL)
    (file,) = (tmp_path / FOLDER).iterdir()
    for length in (0, 10, 22):
        file.write_bytes(file.read_bytes()[:length])
        assert read_live_picture(tmp_path, "hall") is None


def test_whoever_is_erased_is_in_no_live_picture(empty: Path) -> None:
    figure_site(empty, people=2, cameras=1)
    write_live_picture(empty, "camera0", SMALL)
    with Site.open_to_write(empty) as site:
        forget(site, who="me", tracklets=[site.segments()[0].id])
    assert read_live_picture(empty, "camera0") is None
