"""What does not learn needs only deploy/runtime.txt: no torch, no torchvision, no ultralytics."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.app.sites import figure_site

ROOT = Path(__file__).parents[1]
# Runs commands one after the other in a process where the libraries named first can't be imported.
WITHOUT = """
import json, sys
absent, commands = json.loads(sys.argv[1]), json.loads(sys.argv[2])
sys.modules.update(dict.fromkeys(absent))
from app.__main__ import main
for words in commands:
    sys.argv = ["sightline", *words]
    try:
        main()
    except SystemExit as ended:
        print("ended", words[0], ended.code, file=sys.stderr)
print("torch:", sys.modules["torch"], file=sys.stderr)
"""
ABSENT = ("torch", "torchvision", "ultralytics", "safetensors", "matplotlib", "trackeval", "filterpy", "tensorboard")


def without(commands: list[list[str]]) -> subprocess.CompletedProcess[str]:
    import json

    words = [sys.executable, "-c", WITHOUT, json.dumps(ABSENT), json.dumps(commands)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def names(lines: list[str]) -> set[str]:
    return {re.split(r"[><=;\s\[]", line)[0].lower() for line in lines}


def test_the_small_list_is_part_of_the_whole_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    small = (ROOT / "deploy" / "runtime.txt").read_text("utf-8").splitlines()
    listed = names([line for line in small if line and not line.startswith("#")])
    # The same libraries under their names for machines without a GPU or a screen.
    same = {"onnxruntime": "onnxruntime-gpu", "opencv-python-headless": "opencv-python"}
    assert {same.get(name, name) for name in listed} <= names(project["dependencies"])
    assert not listed & set(ABSENT)
    beside = names(
        [line for line in (ROOT / "deploy" / "learning.txt").read_text("utf-8").splitlines() if line[0] not in "#-"]
    )
    assert beside <= names(project["dependencies"]) and beside & set(ABSENT)


def test_a_cluster_needs_its_extras() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    lines = (ROOT / "deploy" / "cluster.txt").read_text("utf-8").splitlines()
    assert names([line for line in lines if line[0] not in "#-"]) == names(
        [library for name in ("cluster", "postgres", "store") for library in extras[name]]
    )


def test_what_does_not_learn_runs_without_torch(tmp_path: Path) -> None:
    site = tmp_path / "site"
    figure_site(site, people=3, cameras=2)
    page = tmp_path / "page.html"
    still, film = "sample_videos/walk/still.jpg", "sample_videos/films/hall.mp4"
    moment = ["--from", "2026-11-20T14:30:20", "--to", "2026-11-20T14:30:22"]
    done = without(
        [
            ["ingest", film, "--site", str(tmp_path / "new"), *moment, "--json"],
            ["merge", "--site", str(site), "--json"],
            ["flow", "--site", str(site), "--csv", str(tmp_path / "flow")],
            ["query", still, "--person", "1", "--site", str(site), "--rerank", "--expand", "--report", str(page)],
            ["forget", "--tracklet", "4294967297", "--site", str(site)],
            ["models", "use", "base", "--site", str(site)],
            ["site", "--verify", "--site", str(site)],
            ["contact_sheet", str(tmp_path / "sheet.png"), "--site", str(site)],
            ["export", "model", str(tmp_path / "small.onnx"), "--variant", "fp16", "--site", str(site)],
            ["audit", "--site", str(site)],
        ]
    )
    ended = re.findall(r"^ended (\w+) (\d+)$", done.stderr, re.MULTILINE)
    assert [code for _, code in ended] == ["0"] * 10, done.stderr
    assert "torch: None" in done.stderr
    assert "no plots and heat maps: matplotlib is not installed" in done.stderr
    assert page.is_file() and (tmp_path / "small.onnx").is_file()


def test_a_library_that_is_not_there_is_named(tmp_path: Path) -> None:
    figure_site(tmp_path / "site", people=3, cameras=2)
    done = without(
        [["adapt", "--site", str(tmp_path / "site")], ["merge", "--method", "utal", "--site", str(tmp_path / "site")]]
    )
    assert re.findall(r"^ended (\w+) (\d+)$", done.stderr, re.MULTILINE) == [("adapt", "2"), ("merge", "2")]
    assert done.stderr.count("this needs the library torch, which is not installed here: run `pip install '.'`") == 2
    assert "Traceback" not in done.stderr
