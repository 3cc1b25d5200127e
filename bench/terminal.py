"""How a benchmark's command talks: as those of `app` do, with tables in Markdown, which the documents take up."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand

from app import terminal
from bench.processes import ProcessError


class SeveralValues(TyperCommand):
    """A command whose repeatable options take several values, too: `--model A B` is `--model A --model B`.

    A command that has repeatable options must not have positional arguments: they would be taken for values.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeats the option before each of its values."""
        repeatable = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        return super().parse_args(ctx, _repeated(args, repeatable))


def _repeated(words: Sequence[str], repeatable: set[str]) -> list[str]:
    repeated: list[str] = []
    option, values = "", 0
    for word in words:
        if word.startswith("-"):
            option, values = word, 0
        elif option in repeatable:
            if values:
                repeated.append(option)
            values += 1
        repeated.append(word)
    return repeated


def program(command: Callable[..., Any]) -> typer.Typer:
    """A program of one command."""
    group = terminal.group(command.__doc__ or "")
    group.command(cls=SeveralValues)(command)
    return group


def run(command: Callable[..., Any], *cannot_start: type[Exception]) -> NoReturn:
    """Runs one command as a program.

    Args:
        command: A function with Typer's annotations.
        cannot_start: Errors that are told in one sentence, with exit code 2, beside those of `app`.
    """
    expected: tuple[type[Exception], ...] = (*cannot_start, ProcessError)
    try:
        terminal.run(program(command))
    except expected as error:
        terminal.errors.print(f"Error: {error}", markup=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, ProcessError) else 2)


def say(text: str = "") -> None:
    """A line of the result."""
    terminal.output.print(text, markup=False, soft_wrap=True)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A Markdown table."""
    say(f"| {' | '.join(heads)} |")
    say("|" + "---|" * len(heads))
    for row in rows:
        say(f"| {' | '.join(row)} |")
