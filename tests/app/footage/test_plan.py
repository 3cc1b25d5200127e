"""`app.ingest --plan`: what would be taken, without taking it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from app.errors import FootageError
from app.footage import survey
from app.footage.plan import plan
from app.ingest import command
from tests.app.recordings import touch
from tests.app.typed import Typed
from tests.clips import render_clip


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Two cameras told by names, and what is no footage."""
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("front_20261120143000", "front_20261120143001", "back_20261120143000"):
        render_clip(folder / f"{name}.mp4", 75)
    for name in ("gate.nvr", "snap.jpg", "notes.txt", "new.mp4.part"):
        touch(folder / name)
    touch(folder / "broken_20261120143000.mp4")
    return folder


def test_the_plan_as_json(videos: Path, tmp_path: Path, typed: Typed) -> None:
    done = typed(command, videos, "--plan", "--json", "--site", tmp_path / "site")
    assert done.returncode == 0
    planned = json.loads(done.stdout)
    assert [camera["camera"] for camera in planned["cameras"]] == ["back", "broken", "front"]
    assert planned["cameras"][2]["footage"] == [
        {
            "file": f"front_2026112014300{second}.mp4",
            "start": f"2026-11-20T14:30:0{second}+00:00",
            "start_source": "name",
            "certainty": "sure",
            "seconds": 3.0,
        }
        for second in (0, 1)
    ]
    assert {(line["what"], line["count"]) for line in planned["left_out"]} == {
        ("files that can't be opened as video (.nvr 1)", 1),
        ("pictures that are no sequence (.jpg 1)", 1),
        ("files that are no footage (.txt 1)", 1),
        ("files still being copied (.part 1)", 1),
        ("files that can't be opened", 1),
    }
    assert [(line["what"], line["count"]) for line in planned["remarks"]] == [
        ("files grouped by their names", 2),
        ("files that begin before the one before them ends", 1),
    ]
    assert not (tmp_path / "site").exists()


def test_the_plan_as_a_table(videos: Path, typed: Typed) -> None:
    lines = typed(command, videos, "--plan", "--cameras", "front_*{camera}.mp4").stdout.splitlines()
    assert lines[0].split() == ["camera", "file", "from", "(UTC)", "known", "by", "seconds"]
    assert lines[1].split() == ["0", "front_20261120143000.mp4", "2026-11-20", "14:30:00", "name", "(sure)", "3.0"]
    assert any(line.startswith("2 files that --cameras does not fit: ") for line in lines)


def test_a_pattern_in_site_toml_decides(videos: Path) -> None:
    (videos / "site.toml").write_text('[site]\ncameras = "{camera}_%d%m%Y%H%M%S*"\n')
    with pytest.raises(FootageError, match="fits none of 4 files"):
        survey(videos)
    (videos / "site.toml").write_text('[site]\ncameras = "f{camera}_%Y%m%d%H%M%S.mp4"\n')
    assert [camera.name for camera in survey(videos).cameras] == ["ront"]


def test_names_in_any_bytes_are_shown(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path / "hall") + b"/Caf\xe9_2026-11-20_14-30-00.mp4"
    (tmp_path / "hall").mkdir()
    render_clip(tmp_path / "x.mp4", 25).path.rename(os.fsdecode(name))
    touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/x.\xe9")))
    planned = plan(tmp_path, survey(tmp_path))
    assert [line.what for line in planned.left_out] == ["files that can't be opened as video (.é 1)"]
    assert [(c.camera, f.file, f.seconds) for c in planned.cameras for f in c.footage] == [
        ("hall", "hall/Caf\xe9_2026-11-20_14-30-00.mp4", 1.0)
    ]
