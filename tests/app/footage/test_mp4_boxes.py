"""Recordings that were joined byte by byte are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.footage.mp4_boxes import recordings
from tests.app.recordings import problems_of
from tests.clips import render_clip

FRAGMENTED = {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize("options", [{}, FRAGMENTED])
def test_joined_recordings_are_told(tmp_path: Path, options: dict[str, str]) -> None:
    film = render_clip(tmp_path / "a.mp4", 30, gop=10, container_options=options).path
    assert recordings(film) == 1
    assert problems_of(film)[1] == []
    film.write_bytes(film.read_bytes() * 2)
    assert recordings(film) == 2
    assert "2 recordings are joined in this file, and only the first is read whole: split it" in problems_of(film)[1]


LARGEST = b"\0\0\0\1mdat" + b"\xff" * 8  # a size that no file can have


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\0\0mdat", b"\0\0\0\1moov", b"\0\0\0\4moov" * 9, b"\xff" * 64, LARGEST * 2]
)
def test_boxes_that_can_not_be_meant_end_the_count(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert recordings(tmp_path / "a.mp4") <= 1
