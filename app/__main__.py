"""`python -m app`, installed as `sightline`: all commands in one place."""

from __future__ import annotations

from app import adapt, audit, contact_sheet, evaluate, export, forget, ingest, merge, models, query, site
from app.terminal import group, run

program = group("Sightline: multi-camera video analytics. Footage becomes tracklets; all stays on this machine.")
program.command("ingest")(ingest.command)
program.command("adapt")(adapt.command)
program.command("merge")(merge.command)
program.command("query")(query.command)
program.command("forget")(forget.command)
program.command("audit")(audit.command)
program.add_typer(models.commands, name="models")
program.command("site")(site.command)
program.command("contact_sheet")(contact_sheet.command)
program.add_typer(export.commands, name="export")
program.add_typer(evaluate.commands, name="evaluate")


def main() -> None:
    run(program)


if __name__ == "__main__":
    main()
