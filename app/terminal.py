"""What the commands of `app` share: the option for the site, tables, times, and how they start and end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from app.errors import SiteError, StorageError, expected
from app.remarks import Remark
from reid import command as commands
from reid.command import JsonOption, alone, errors, group, output, print_json
from reid.foreign import visible

if TYPE_CHECKING:  # it brings the record, for which not every command waits
    from app.record.rows import BoxCounts

__all__ = [
    "NEW_PASSWORD",
    "SITE",
    "JsonOption",
    "SiteOption",
    "alone",
    "errors",
    "group",
    "moment",
    "output",
    "print_boxes",
    "print_errors",
    "print_json",
    "print_remarks",
    "run",
    "secret_of",
    "table",
]

SiteOption = Annotated[Path, typer.Option("--site", envvar="SIGHTLINE_SITE", help="The site's folder.")]
SITE = Path("site")
NEW_PASSWORD = "New password"  # which is asked for twice


class PlainTable(Table):
    """A table without lines, whose cells show foreign text as it is."""

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Adds a row of texts."""
        super().add_row(*(Text(visible(cell)) for cell in cells), **options)


def table(*heads: str, left: tuple[str, ...] = ("camera",)) -> PlainTable:
    """A plain table whose columns are figures, but for those named in `left`."""
    plain = PlainTable(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        plain.add_column(head, justify="left" if head in left else "right")
    return plain


def print_errors(camera: str, wrong: list[str]) -> None:
    """What was wrong with a camera, a line each."""
    for error in wrong:
        output.print(f"{camera}: {error}")


def print_remarks(remarks: Iterable[Remark], where: str = "") -> None:
    """What was left out, taken for something, or contradicts itself, a line each."""
    for remark in remarks:
        output.print(f"{where}{remark.count:,} {remark.what}: {remark.why}")


def print_boxes(boxes: BoxCounts) -> None:
    """What became of boxes, one line."""
    output.print(
        f"Of {sum(astuple(boxes)):,} boxes {boxes.tracklets:,} are in tracklets, {boxes.sightings:,} in sightings, "
        f"{boxes.crossing:,} in crossings, "
        f"{boxes.short:,} in pieces too short, {boxes.small:,} in pieces too small, {boxes.single:,} in tracks of one "
        f"box, {boxes.untracked:,} in no track"
    )


def run(command: Callable[..., Any] | typer.Typer) -> NoReturn:
    """Runs one command, or a group of them, as a program."""
    commands.run(command, expected, broke_off=(StorageError,))


def secret_of(what: str) -> str:
    """A password: asked for in a terminal, else stdin's first line. Raises SiteError where there is none."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, confirmation_prompt=what == NEW_PASSWORD, err=True))
    line = sys.stdin.readline()
    if not line:
        raise SiteError("No password came: type it in a terminal, or send it to stdin as one line.")
    return line.rstrip("\r\n")


def moment(text: str | None, option: str) -> float | None:
    """An option's ISO 8601 time as UTC seconds. It is UTC unless it has an offset."""
    if text is None:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is no time like 2026-11-20T14:30:05 or …+01:00.", param_hint=option
        ) from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
