"""Names chosen to do harm, through all commands: none acts on a terminal or a page, or leaves its folder."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.audit import command as audit
from app.contact_sheet import command as contact_sheet
from app.evaluate import commands as evaluate
from app.export import commands as export
from app.ingest import command as ingest
from app.merge import command as merge
from app.models import commands as models
from app.query import command as query
from app.site import command as show
from reid.foreign import visible
from tests.app.scenes import CREATED, SIZE, people, write_detections
from tests.app.sites import figure_site
from tests.app.typed import Typed
from tests.clips import render_clip

CAMERAS = (
    "[red]hall[/red]",
    "\x1b]8;;http://example.org\x1b\\click\x1b]8;;\x1b\\",
    "\u202egnp.exe\u202c",
    "hall\nError: all is erased",
    "../../evil",
    "nul\x00l",
    "long" * 100,
    "<script>alert(1)</script>",
    '"><img src=x>',
)
FILES = (b"Caf\xe9.mp4", b"[red]a.mp4", b"\x1b]0;title\x07.mp4", "\u202eb.mp4".encode(), b"c\nError: gone.mp4")


def said(done: object) -> str:
    """All that a command printed, once it is sure that none of it acts on a terminal."""
    text = f"{done.stdout}{done.stderr}"
    for line in text.split("\n"):
        assert visible(line.replace("\t", "")) == line.replace("\t", ""), line
        assert not line.startswith("Error: all is erased") and not line.startswith("Error: gone")
    assert "Traceback" not in text
    return text


@pytest.fixture(scope="module")
def crafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose cameras, users and models have such names, as somebody may hand it over."""
    path = tmp_path_factory.mktemp("crafted") / "deep" / "site"
    figure_site(path, people=3, cameras=len(CAMERAS), pieces=1)
    with sqlite3.connect(path / "site.db") as record:
        for number, name in enumerate(CAMERAS):
            record.execute("UPDATE cameras SET name = ? WHERE name = ?", (name, f"camera{number}"))
            record.execute(
                "INSERT INTO audit (time, who, action, details) VALUES (0, ?, ?, ?)",
                (name, name, json.dumps({name: name})),
            )
        record.execute("UPDATE models SET reason = ?", (" ".join(CAMERAS),))
        record.execute("UPDATE footage SET problems = ?", (json.dumps(list(CAMERAS)),))
    return path


def test_a_site_with_hostile_names_is_shown_and_searched(crafted: Path, tmp_path: Path, typed: Typed) -> None:
    with sqlite3.connect(crafted / "site.db") as record:
        tracklet = record.execute("SELECT min(id) FROM segments WHERE kind = 'tracklet'").fetchone()[0]
    report, sheet = tmp_path / "report.html", tmp_path / "sheet.png"
    for words in (
        (show,),
        (models,),
        (merge,),
        (query, tracklet, "--report", report, "--sheet", sheet, "--top", 40),
        (contact_sheet, tmp_path / "all.png"),
        (audit,),
    ):
        command, *options = words
        done = typed(command, *options, "--site", crafted)
        assert done.returncode == 0, done.stderr
        text = said(done)
        if command in (show, audit):
            assert "[red]hall[/red]" in text and r"\u202egnp.exe\u202c" in text
        json_options = ["--json", *options]
        done = typed(command, *json_options, "--site", crafted)
        assert done.returncode == 0, done.stderr
        said(done)
        json.loads(done.stdout)
    page = report.read_text("utf-8")
    assert "<script" not in page and "<img src=x" not in page and "&lt;script&gt;" in page
    assert all(visible(line) == line for line in page.replace("\t", "").split("\n"))
    assert r"\x1b]8;;" in page
    assert all(path.stat().st_mode & 0o077 == 0 for path in (report, sheet, tmp_path / "all.png"))


STILLS = (
    os.fsdecode(b"Caf\xe9.jpg"),
    "[red]a.jpg",
    "\x1b]0;title\x07.jpg",
    "\u202egpj.exe",
    "c\nError: gone.jpg",
    '"><img src=x onerror=alert(1)>.jpg',
)


@pytest.mark.parametrize("name", STILLS)
def test_a_still_with_a_hostile_name_is_searched_or_refused(
    crafted: Path, tmp_path: Path, typed: Typed, name: str
) -> None:
    """Its report names it, as it has no end."""
    still, report = tmp_path / name, tmp_path / "report.html"
    still.write_bytes(cv2.imencode(".jpg", np.full((128, 64, 3), 90, np.uint8))[1].tobytes()[:-2])
    for options in (("--report", report), ("--json",)):
        done = typed(query, still, "--whole", "--site", crafted, *options)
        assert done.returncode == 0, done.stderr
        assert "has no end" in said(done)
    assert json.loads(done.stdout)["remarks"][0]["why"].startswith(f"{name} has no end")
    page = report.read_text("utf-8")
    assert "has no end" in page and "<img src=x" not in page
    assert all(visible(line) == line for line in page.replace("\t", "").split("\n"))
    still.write_bytes(b"%PDF")
    refused = typed(query, still, "--site", crafted)
    assert refused.returncode == 2 and "but a PDF" in said(refused)


def test_truth_and_results_with_hostile_names_are_told(tmp_path: Path, typed: Typed) -> None:
    truth, results = tmp_path / "truth", tmp_path / "results"
    results.mkdir()
    names = [os.fsdecode(file).removesuffix(".mp4") for file in FILES]
    for number, name in enumerate(names):
        (truth / name / "gt").mkdir(parents=True)
        (truth / name / "gt" / "gt.txt").write_text("0,1,50,60,40,120,1,1,1\n")
        if number % 2:
            (results / f"{name}.txt").write_text("1,1,50,60,40,120,1\n")
    for extra in ((), ("--json",)):
        done = typed(evaluate, "tracking", "--truth", truth, "--results", results, *extra)
        assert done.returncode == 1, done.stderr  # some have no results
        assert "[red]a" in said(done) and "files whose frames count from 0" in done.stdout
    (results / f"{names[1]}.txt").write_text("frame,\x1b[31mError: gone\x07,a,b,c,d,e\n1,2,3,4,5,6,7\n")
    done = typed(evaluate, "tracking", "--truth", truth, "--results", results)
    assert done.returncode == 2 and "bring them into this order" in said(done)


@pytest.mark.parametrize("what", ["tracks", "tracklets"])
def test_what_is_exported_stays_in_its_folder(crafted: Path, tmp_path: Path, typed: Typed, what: str) -> None:
    out = tmp_path / "a" / "b" / "out"
    done = typed(export, what, out, "--site", crafted, "--json")
    assert done.returncode == 0, done.stderr
    said(done)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {str(path) for path in written} == set(json.loads(done.stdout)["files"])
    assert len(written) == len(CAMERAS)
    assert {path.parent for path in written} == {out}
    assert all(path.stat().st_mode & 0o077 == 0 for path in written)


@pytest.mark.parametrize("name", [*CAMERAS, os.fsdecode(b"Caf\xe9")])
def test_hostile_words_are_told_as_they_are(crafted: Path, tmp_path: Path, typed: Typed, name: str) -> None:
    missing = typed(show, "--site", tmp_path / name.replace("\x00", ""))
    wrong = typed(query, 1, "--site", crafted, "--from", name)
    nowhere = typed(contact_sheet, tmp_path / "x.png", "--site", crafted, "--camera", f"no {name}")
    unknown = typed(evaluate, f"--{name}")
    assert {done.returncode for done in (missing, wrong, nowhere, unknown)} == {2}
    for done in (missing, wrong, nowhere, unknown):
        said(done)


def test_footage_with_hostile_names_is_taken_in(tmp_path: Path, typed: Typed) -> None:
    videos, detections = tmp_path / "videos", tmp_path / "detections"
    (videos / "hall").mkdir(parents=True)
    name = "[red]Hall"
    film = render_clip(videos / "hall" / "a.mp4", people(30), size=SIZE, creation_time=CREATED)
    write_detections(detections / f"{name}.txt", film)
    for file in FILES:
        (videos / "hall" / os.fsdecode(file)).write_bytes(b"no film: " + file)
    (videos / "site.toml").write_text(f'[cameras.hall]\nname = "{name}"\n[cameras."\\u001b[31m"]\n', encoding="utf-8")
    assert tomllib.loads((videos / "site.toml").read_text("utf-8"))["cameras"]["hall"]["name"] == name
    site, drawn = tmp_path / "site", tmp_path / "drawn"
    site.mkdir(mode=0o755)
    words = (videos, "--site", site, "--detector", f"mot:{detections}", "--draw", drawn)
    for extra in ((), ("--json",)):
        done = typed(ingest, *words, *extra)
        assert done.returncode == 1, done.stderr  # five of its files are no film
        text = said(done)
        assert len(re.findall(r"\.mp4", text)) >= len(FILES)
    assert json.loads(done.stdout)["cameras"][0]["camera"] == name
    assert [path.name for path in drawn.iterdir()] == [f"{name}.mp4"]
    assert (drawn / f"{name}.mp4").stat().st_mode & 0o077 == 0
    assert [path for path in (site, *site.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert name in said(typed(show, "--site", site, "--verify"))


@pytest.mark.parametrize("file", FILES)
def test_a_camera_of_a_hostile_name_is_refused_or_shown_as_it_is(tmp_path: Path, typed: Typed, file: bytes) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / os.fsdecode(file)).write_bytes(b"no film")
    done = typed(ingest, tmp_path / "videos", "--site", tmp_path / "site")
    assert done.returncode in (1, 2)
    said(done)
