"""Names that others have on PyPI: nobody gets their code instead of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from setuptools import find_packages

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """`pyproject.toml` as it is read."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_the_wheel_has_what_runs_and_no_benchmarks_or_tests(project: dict[str, Any]) -> None:
    packages = find_packages(str(ROOT), include=project["tool"]["setuptools"]["packages"]["find"]["include"])
    assert {name.split(".")[0] for name in packages} == {"app", "deploy", "reid", "sample_videos", "trackers"}


def test_it_cannot_be_uploaded(project: dict[str, Any]) -> None:
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]


def test_no_page_tells_to_install_it_from_an_index() -> None:
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md"), ROOT / "Makefile"]:
        assert not re.search(r"pip install[^\n]*\bsightline\b", path.read_text("utf-8")), path


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A folder with another package named `trackers`."""
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "__init__.py").write_text("class ByteTrackTracker: ...\n", encoding="utf-8")
    return tmp_path


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Python in a folder, which comes first on its path."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    return subprocess.run([sys.executable, *words], cwd=folder, env=paths, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", [["-m", "app", "--help"], ["-m", "app.ingest", "videos"]])
def test_a_command_tells_of_another_trackers_in_one_sentence(words: list[str], foreign: Path) -> None:
    ended = run(words, foreign)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("Error: The package `trackers` at ")
    assert str(foreign / "trackers") in line
    assert "pip uninstall trackers" in line


def test_from_python_another_trackers_is_an_import_error(foreign: Path) -> None:
    ended = run(["-c", "import app.record"], foreign)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("ImportError: The package `trackers` at ")


def test_from_another_folder_ours_is_found(tmp_path: Path) -> None:
    assert run(["-m", "app", "--help"], tmp_path).returncode == 0
