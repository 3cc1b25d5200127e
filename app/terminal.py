"""How every command talks: results on stdout, progress and logs on stderr, one clear sentence and exit code 2 for what
could not start, 1 for what was done with errors."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from app.errors import StorageError, expected

errors = Console(stderr=True, highlight=False)
output = Console(highlight=False, width=None if sys.stdout.isatty() else 160)

SiteOption = Annotated[Path, typer.Option("--site", envvar="SIGHTLINE_SITE", help="The site's folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]
SITE = Path("site")
# Libraries that `deploy/runtime.txt` leaves out, and the extra of pyproject.toml that brings each (none: the checkout).
OPTIONAL = dict.fromkeys(
    ("filterpy", "matplotlib", "onnxscript", "safetensors", "tensorboard", "torch", "torchvision", "trackeval"), ""
) | {"psycopg": "postgres", "numba": "world"}


def group(help: str) -> typer.Typer:
    """A program of several commands."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, no_args_is_help=True, help=help
    )


def alone(command: Callable[..., Any]) -> typer.Typer:
    """A program of one command."""
    program = group(command.__doc__ or "")
    program.command()(command)
    return program


def table(*heads: str, left: tuple[str, ...] = ("camera",)) -> Table:
    """A plain table whose columns are figures, but for those named in `left`."""
    plain = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        plain.add_column(head, justify="left" if head in left else "right")
    return plain


def print_errors(camera: str, wrong: list[str]) -> None:
    """What was wrong with a camera, a line each."""
    for error in wrong:
        output.print(f"{camera}: {error}", markup=False, soft_wrap=True)


def run(command: Callable[..., Any] | typer.Typer) -> NoReturn:
    """Runs one command, or a group of them, as a program."""
    program = command if isinstance(command, typer.Typer) else alone(command)
    logging.basicConfig(level=logging.WARNING, handlers=[_Log()], format="%(message)s")
    logging.getLogger("sightline").setLevel(logging.INFO)
    try:
        program()
    except expected() as error:  # asked only when there is an error: it imports all floors
        errors.print(f"Error: {error}", markup=False, soft_wrap=True)
        sys.exit(1 if isinstance(error, StorageError) else 2)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in OPTIONAL:
            raise
        errors.print(
            f"Error: this needs the library {library}, which is not installed here: run "
            f"`pip install '.{OPTIONAL[library] and f'[{OPTIONAL[library]}]'}'` in Sightline's checkout.",
            markup=False,
            soft_wrap=True,
        )
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != 130:  # 130 is what Typer makes of a KeyboardInterrupt
            raise
        errors.print("Interrupted. What was finished is kept; the same command goes on from there.")
        sys.exit(130)
    except BrokenPipeError:  # the reader of stdout went away (`| head`)
        sys.stderr.close()
        sys.exit(1)
    sys.exit(0)


def moment(text: str | None, option: str) -> float | None:
    """An option's ISO 8601 time as UTC seconds; UTC unless it has an offset."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time like 2026-11-20T14:30:05 or …+01:00.", param_hint=option
        ) from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def print_json(result: Any) -> None:
    """One JSON object on stdout, from a dataclass or plain values."""
    value = dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


class _Log(logging.Handler):
    """Log lines on stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        errors.print(self.format(record), markup=False, soft_wrap=True)
