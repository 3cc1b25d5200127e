"""The command line: every command is listed, documented, and answers for itself."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from app.__main__ import program

ROOT = Path(__file__).parents[2]
CLI = runpy.run_path(str(ROOT / "docs" / "make_cli.py"))
GROUP: Any = typer.main.get_command(program)
COMMANDS = {name: GROUP.get_command(None, name) for name in GROUP.list_commands(None)}


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
def test_the_module_and_the_group_say_the_same(name: str) -> None:
    alone, grouped = run(f"app.{name}", "--help"), run("app", name, "--help")
    assert alone.returncode == grouped.returncode == 0
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts if option.startswith("--")}
    for word in options | set(getattr(COMMANDS[name], "commands", ())):
        assert word in alone.stdout
        assert word in grouped.stdout


def test_every_command_and_option_has_a_sentence() -> None:
    for name, started in CLI["programs"]():
        for words, command in CLI["commands"](name, typer.main.get_command(started)):
            assert command.help, words
            for written, said in CLI["parameters"](command):
                assert re.match(r"[^\[]", said), f"{words} {written}"


def test_the_reference_is_that_of_the_commands() -> None:
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == CLI["page"](), "docs/cli.md is stale: run `make docs`"


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
