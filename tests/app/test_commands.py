"""The command line: every command is listed, documented, and answers for itself."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "ingest": ["--site", "--detector", "--download", "--tracker", "--every", "--fps", "--from", "--to", "--start"],
    "site": ["--site", "--verify", "--json"],
    "contact_sheet": ["--site", "--camera", "--rows", "--columns"],
    "export": ["tracks", "tracklets", "model"],
    "evaluate": ["tracking", "reid", "site"],
    "adapt": ["--site", "--method", "--minutes", "--epochs", "--device", "--force", "--seed", "--json"],
    "models": ["--site", "--json", "use"],
    "merge": ["--site", "--method", "--undo", "--join", "--split", "--json"],
    "query": [
        *("--site", "--camera", "--from", "--to", "--at", "--in", "--top", "--person", "--box", "--whole", "--rerank"),
        *("--expand", "--detector", "--report", "--sheet", "--json"),
    ],
    "forget": ["--site", "--tracklet", "--identity", "--before", "--json"],
    "audit": ["--site", "--last", "--json"],
}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_list_holds_every_command_there_is() -> None:
    listed = run("app", "--help")
    assert listed.returncode == 0
    modules = {
        path.stem for path in (ROOT / "app").glob("*.py") if 'if __name__ == "__main__"' in path.read_text("utf-8")
    } - {"__main__"}
    assert modules == set(COMMANDS)
    for name in COMMANDS:
        assert re.search(rf"^\s*{name}\b", listed.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_complete(name: str) -> None:
    """Every option of a command has a sentence of its own, and the module and the group say the same."""
    alone, grouped = run(f"app.{name}", "--help"), run("app", name, "--help")
    assert alone.returncode == grouped.returncode == 0
    for text in (alone.stdout, grouped.stdout):
        for word in COMMANDS[name]:
            assert word in text
    options = re.findall(r"^  (?:-\w, )?--[\w-]+.*(?:\n {10,}.*)*", alone.stdout, re.MULTILINE)
    assert options
    for option in options:
        assert len(re.sub(r"\s+", " ", option).split(" ", 4)) >= 4, f"undocumented: {option}"


@pytest.mark.parametrize(("module", "name"), [("app.export", "tracks"), ("app.evaluate", "tracking")])
def test_sub_commands_have_help(module: str, name: str) -> None:
    assert "--site" in run(module, name, "--help").stdout


def test_readme_names_every_command_and_option() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for name, words in COMMANDS.items():
        assert f"app.{name}" in readme, name
        if name == "ingest":
            for option in words:
                assert option in readme, option


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["app.site", "--site", "nowhere"], "There is no site at nowhere"),
        (["app.contact_sheet", "a.jpg", "--site", "nowhere"], "must end in .png"),
        (["app.export", "tracks", "out", "--site", "nowhere"], "There is no site at nowhere"),
        (["app.evaluate", "tracking", "--truth", "nowhere", "--site", "nowhere"], "no ground truth in nowhere"),
        (["app.evaluate", "tracking", "--truth", "nowhere"], "give either --site or --results"),
        (["app.ingest", "nowhere"], "nowhere does not exist"),
    ],
)
def test_what_cannot_start_says_why_and_exits_with_2(words: list[str], said: str) -> None:
    ended = run(*words)
    assert ended.returncode == 2
    assert said in re.sub(r"[\s│]+", " ", ended.stderr)
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
