"""`python -m app`, installed as `sightline`: all commands in one place."""

from __future__ import annotations

from app import contact_sheet, evaluate, export, ingest, site
from app.terminal import group, run

program = group("Sightline: multi-camera video analytics. Footage becomes tracklets; all stays on this machine.")
program.command("ingest")(ingest.command)
program.command("site")(site.command)
program.command("contact_sheet")(contact_sheet.command)
program.add_typer(export.commands, name="export")
program.add_typer(evaluate.commands, name="evaluate")


def main() -> None:
    run(program)


if __name__ == "__main__":
    main()
