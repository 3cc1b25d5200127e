"""How a benchmark's command talks: as those of `app` do, with tables in Markdown, which the documents take up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from app.errors import StorageError, expected
from app.terminal import output
from bench.processes import ProcessError
from reid import command as commands


def run(
    command: Callable[..., Any], *cannot_start: type[Exception], broke_off: tuple[type[Exception], ...] = ()
) -> NoReturn:
    """Runs one command as a program.

    Args:
        command: A function with Typer's annotations.
        cannot_start: Errors that are told in one sentence, with exit code 2, beside those of every command.
        broke_off: The same with exit code 1.
    """
    commands.run(command, lambda: (*cannot_start, *expected()), (*broke_off, ProcessError, StorageError))


def say(text: str = "") -> None:
    """A line of the result."""
    output.print(text)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A Markdown table."""
    say(f"| {' | '.join(heads)} |")
    say("|" + "---|" * len(heads))
    for row in rows:
        say(f"| {' | '.join(row)} |")
