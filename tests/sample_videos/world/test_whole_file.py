"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sample_videos.world.whole_file import whole_file


def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "hall.mp4"
    path.write_text("old")
    (tmp_path / "hall.mp4.part").write_text("half, of one that was killed")
    with whole_file(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "hall.mp4"
    path.write_text("old")

    def fails(part: Path) -> None:
        part.write_text("half")
        raise error

    with pytest.raises(error), whole_file(path) as part:
        fails(part)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]
