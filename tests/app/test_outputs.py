"""What commands write elsewhere: never over a device or a link, told before the work, and noted in the audit."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from app import ingest, query
from app.asking import this_user
from app.contact_sheet import command as contact_sheet
from app.encoders.versions import use
from app.export import commands as export
from app.record import Site
from tests.app.sites import People
from tests.app.typed import Typed

ROOT = Path(__file__).parents[2]


def never(*_: object, **__: object) -> None:
    raise AssertionError("the work has begun")


@pytest.fixture(params=["device", "link", "pipe", "folder"])
def in_the_way(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What stands where a file is to be written."""
    path = tmp_path / "out" / f"{request.param}.png"
    path.parent.mkdir()
    if request.param == "device":
        path.symlink_to("/dev/null")
    elif request.param == "link":
        (tmp_path / "target").write_bytes(b"before")
        path.symlink_to(tmp_path / "target")
    elif request.param == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    return path


def refused(done: object) -> None:
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("Error: ") and "can't be written (it is a" in sentence


def test_nothing_but_a_file_is_replaced(
    path: Path, who: People, in_the_way: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = in_the_way.lstat()
    monkeypatch.setattr(query, "query", never)
    monkeypatch.setattr(ingest, "ingest", never)
    for option in ("--report", "--sheet"):
        refused(typed(query.command, min(who), option, in_the_way, "--site", path))
        refused(typed(query.command, min(who), option, "/dev/null", "--site", path))
    refused(typed(contact_sheet, in_the_way, "--site", path))
    refused(typed(export, "model", in_the_way, "--site", path))
    for what, ending in (("tracks", "txt"), ("tracklets", "txt")):
        in_the_way.rename(in_the_way.with_name(f"camera1.{ending}"))
        refused(typed(export, what, in_the_way.parent, "--site", path))
        in_the_way.with_name(f"camera1.{ending}").rename(in_the_way)
    in_the_way.rename(in_the_way.with_name("hall.mp4"))
    refused(typed(ingest.command, path, "--draw", in_the_way.parent, "--site", path))
    in_the_way.with_name("hall.mp4").rename(in_the_way)
    after = in_the_way.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert [file.name for file in in_the_way.parent.iterdir()] == [in_the_way.name]
    assert Path("/dev/null").is_char_device()


def test_a_file_is_no_folder_for_videos(path: Path, tmp_path: Path, typed: Typed) -> None:
    (tmp_path / "file").write_bytes(b"before")
    done = typed(ingest.command, tmp_path / "file", "--draw", tmp_path / "file", "--site", path)
    assert (done.returncode, "is no folder to write videos into" in done.stderr) == (2, True)


def test_each_view_and_each_export_leaves_a_row(path: Path, who: People, tmp_path: Path, typed: Typed) -> None:
    out = tmp_path / "out"
    with Site.open(path) as site:
        before = len(site.audit())
    for words in (
        (contact_sheet, out / "sheet.png", "--camera", "camera1", "--rows", 3),
        (export, "tracks", out),
        (export, "tracklets", out),
        (export, "model", out / "model.onnx"),
        (query.command, min(who)),
    ):
        assert typed(*words, "--site", path).returncode == 0
    with Site.open_to_write(path) as site:
        use(site, "base", who=this_user())
        rows = site.audit()[before:]
        shown = [row.id for row in site.segments("camera1")]
    assert {row.who for row in rows} == {this_user()}
    assert [row.action for row in rows] == ["contact_sheet", "export", "export", "export", "query", "models use"]
    sheet, tracks, tracklets, model = (row.details for row in rows[:4])
    assert sheet["camera"] == "camera1" and len(sheet["tracklets"]) == 3 and set(sheet["tracklets"]) <= set(shown)
    assert [details["of"] for details in (tracks, tracklets, model)] == ["tracks", "tracklets", "model"]
    assert tracks["cameras"] == ["camera0", "camera1", "camera2"] and tracks["to"] == str(out)
    assert model["model"] == "base" and sheet["to"] == str(out / "sheet.png")


def test_the_page_on_privacy_lists_each_action() -> None:
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "app").rglob("*.py"))
    actions = re.findall(r'AuditEntry\([\w.()]+, who, "([^"]+)"', sources)
    entries = len(re.findall(r"(?<!list\[)\bAuditEntry\([a-z]", sources)) - 1  # one reads the rows
    assert len(actions) == entries >= 9
    table = (ROOT / "docs" / "privacy.md").read_text("utf-8").partition("| action | is |")[2].partition("\n\n")[0]
    listed = re.findall("`([^`]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "`" in line))
    assert set(listed) == set(actions)
