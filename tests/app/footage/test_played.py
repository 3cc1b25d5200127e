"""Films that browsers play as they are, told from those that they do not, or whose clock they take otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.errors import FootageError
from app.footage import Footage
from app.footage.played import SLACK, browsers_type, played
from tests.clips import render_clip

START = 1_000_000.0


def footage(path: Path) -> Footage:
    return Footage("hall", path, path.name, START, "name", path.stat().st_size, "")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", {}),
        ("a.mp4", {"container_options": {"movflags": "faststart"}}),
        ("a.mp4", {"b_frames": 2}),  # whose clock begins at 0 by an edit list
        ("a.mp4", {"codec": "libsvtav1"}),
        ("a.avi", {"container": "mp4"}),  # the content counts, and not the name
        ("a.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_what_browsers_play(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    path = tmp_path / name
    render_clip(path, 30, **options)
    shown = played(footage(path), START + 0.5)
    assert shown is not None
    assert (shown.width, shown.height) == (160, 128) and 0.5 <= shown.begin + SLACK < 0.56
    assert browsers_type(path) == ("video/webm" if name.endswith("webm") else "video/mp4")


def test_a_film_that_is_turned_has_its_upright_size(tmp_path: Path) -> None:
    render_clip(tmp_path / "a.mp4", 10, rotation=90)
    shown = played(footage(tmp_path / "a.mp4"), START - 3)
    assert shown is not None and (shown.width, shown.height, shown.begin) == (128, 160, 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mkv", {}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.ts", {}),
        ("a.mp4", {"codec": "mpeg4"}),
        ("a.mp4", {"codec": "libx265"}),
        ("a.mp4", {"pixel_format": "yuv420p10le"}),
        ("a.mp4", {"pixel_format": "yuv444p"}),
        ("a.mp4", {"offset": 5.0}),  # browsers differ in where that begins
        ("a.mp4", {"times": [k / 25 for k in range(10)] + [4000 + k / 25 for k in range(20)]}),  # its clock jumps
    ],
)
def test_what_they_do_not(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    render_clip(tmp_path / name, 30, **options)
    assert played(footage(tmp_path / name), START + 0.5) is None


def test_what_is_no_film_or_ends_before(tmp_path: Path) -> None:
    render_clip(tmp_path / "a.mp4", 30)
    with pytest.raises(FootageError, match="shows nothing"):
        played(footage(tmp_path / "a.mp4"), START + 60)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "a.mp4").read_bytes()[:300])
    with pytest.raises(FootageError):
        played(footage(tmp_path / "b.mp4"), START)
