"""How every command starts and ends.

Results go to stdout. Progress, logs and errors go to stderr. Exit codes: 0 done, 1 done with errors or broken off by
one, 2 could not start, 130 interrupted. A machine may train without Typer and rich. So the commands alone import this
file, never what they call.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from reid.foreign import visible, visible_json


class Screen(Console):
    """A console for text that may hold what others chose. Nothing in it is markup or acts on a terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Prints texts, each in one line whatever it holds, or what rich draws by itself."""
        if all(isinstance(text, str) for text in objects):
            options |= {"markup": False, "soft_wrap": True}
        super().print(*(visible(text) if isinstance(text, str) else text for text in objects), **options)


errors = Screen(stderr=True, highlight=False)
output = Screen(highlight=False, width=None if sys.stdout.isatty() else 160)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")]

Errors = tuple[type[Exception], ...]
UsageError: Any = typer.BadParameter.__mro__[1]  # Typer gives it no public name

# Libraries that `deploy/runtime.txt` leaves out, and the extra of pyproject.toml that brings each (none: all of it).
OPTIONAL = dict.fromkeys(
    (
        "filterpy",
        "matplotlib",
        "onnxscript",
        "pillow_heif",
        "safetensors",
        "tensorboard",
        "torch",
        "torchvision",
        "trackeval",
    ),
    "",
) | {"psycopg": "postgres", "numba": "world", "boto3": "store", "botocore": "store", "obstore": "store"}


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


def run(
    command: Callable[..., Any] | typer.Typer, cannot_start: Callable[[], Errors], broke_off: Errors = ()
) -> NoReturn:
    """Runs one command, or a group of them, as a program.

    Args:
        command: A function with Typer's annotations, or a group.
        cannot_start: Gives the errors that are told in one sentence, with exit code 2. It is called where there is an
            error, and may import what defines them then.
        broke_off: Errors that are told in one sentence, with exit code 1. They come first where a class is in both.
    """
    program = command if isinstance(command, typer.Typer) else alone(command)
    logging.basicConfig(level=logging.WARNING, handlers=[_Log()], format="%(message)s")
    logging.getLogger("sightline").setLevel(logging.INFO)
    try:
        code = program(standalone_mode=False)
    except UsageError as error:
        error.message = "\n".join(map(visible, error.message.split("\n")))  # help has lines
        error.show()
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of stdout went away (`| head`)
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        errors.print(f"Error: {error.filename} is too long for a file's name: give another.")
        sys.exit(2)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in OPTIONAL:
            raise
        extra = OPTIONAL[library] and f"[{OPTIONAL[library]}]"
        errors.print(
            f"Error: this needs the library {library}, which is not installed here: run `pip install '.{extra}'` in "
            "Sightline's checkout."
        )
        sys.exit(2)
    except (*broke_off, *cannot_start()) as error:
        for line in f"Error: {error}".replace("\n", "\n  ").split("\n"):  # no name makes a line that looks like ours
            errors.print(line)
        sys.exit(1 if isinstance(error, broke_off) else 2)
    if code == 130:  # which is also what Typer makes of a KeyboardInterrupt
        errors.print("Interrupted. What was finished is kept; the same command goes on from there.")
    sys.exit(code or 0)


def print_json(result: Any) -> None:
    """One JSON object on stdout, from a dataclass or plain values."""
    value = dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
    sys.stdout.write(visible_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)) + "\n")
    sys.stdout.flush()


class _Log(logging.Handler):
    """Log lines on stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        errors.print(self.format(record))
