"""`python -m app`, installed as `sightline`: all commands in one place."""

from __future__ import annotations

import typer

from app import contact_sheet, evaluate, export, ingest, site
from app.terminal import run

program = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Sightline: multi-camera video analytics. Footage becomes tracklets; everything stays on this machine.",
)
program.command("ingest")(ingest.command)
program.command("site")(site.command)
program.command("contact_sheet")(contact_sheet.command)
program.add_typer(export.commands, name="export")
program.add_typer(evaluate.commands, name="evaluate")


def main() -> None:
    run(program)


if __name__ == "__main__":
    main()
