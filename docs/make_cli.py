"""Writes docs/cli.md from the commands themselves: `make docs` runs it, and a test compares."""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "cli.md"
ALONE = ("sample_videos", "deploy", "reid", "bench")  # their commands have no group, as those of `app` have
HEAD = """# All commands

This page is made from the commands by `make docs`. Do not edit it by hand.

Every command prints its result on stdout. Progress, logs and errors are on stderr.
Exit code 0 is done, 1 is done with recorded errors, 2 could not start.
Where Sightline is installed, `python -m app` is also `sightline`.
"""


def programs() -> Iterator[tuple[str, typer.Typer]]:
    """What stands after `python -m`, and the program: `app`, then each module that is a Typer command of its own."""
    yield "app", importlib.import_module("app.__main__").program
    for folder in ALONE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "\nif __name__ ==" in text and "\nimport typer" in text:
                name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield name, _program(importlib.import_module(name), path.stem)


def commands(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """The words and the Typer command of each command under one, itself first where it does something."""
    context = typer.Context(command)
    below = command.list_commands(context) if hasattr(command, "list_commands") else []
    if not below or command.invoke_without_command:
        yield words, command
    for name in below:
        yield from commands(f"{words} {name}", command.get_command(context, name))


def parameters(command: Any) -> list[tuple[str, str]]:
    """The arguments and options of a command, in its order: how each is written, and what it does."""
    context = typer.Context(command)
    records = [parameter.get_help_record(context) for parameter in command.params if not parameter.hidden]
    return [(written, _said(text)) for written, text in records]


def section(words: str, command: Any) -> str:
    """One command as Markdown."""
    lines = [f"## {words}", "", _one_line(command.help or ""), ""]
    if rows := parameters(command):
        lines += ["| argument or option | what it does |", "|---|---|"]
        lines += [f"| `{_cell(written)}` | {html.escape(_cell(said), quote=False)} |" for written, said in rows]
        lines.append("")
    return "\n".join(lines)


def page() -> str:
    """All of docs/cli.md."""
    sections = [
        section(f"python -m {words}", command)
        for name, program in programs()
        for words, command in commands(name, typer.main.get_command(program))
    ]
    return "\n".join([HEAD, *sections])


def _program(module: ModuleType, name: str) -> typer.Typer:
    """A module's group of commands, else its function `command`, or the one of its own name."""
    for value in vars(module).values():
        if isinstance(value, typer.Typer):
            return value
    program = typer.Typer(add_completion=False)
    program.command()(getattr(module, "command", None) or getattr(module, name))
    return program


def _said(text: str) -> str:
    """A help text, without Typer's default where the text has one itself: that may depend on the machine."""
    sentence, bracket, rest = text.rpartition("  [")
    if "default: " in sentence:
        rest = re.sub(r"default: [^;\]]*(; )?", "", rest)
        return sentence if rest == "]" else f"{sentence}{bracket}{rest}"
    return text


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cell(text: str) -> str:
    """Text of a table's cell."""
    return _one_line(text).replace("|", "/")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
