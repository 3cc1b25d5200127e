"""Who looked at, took along, searched or erased what: each leaves a row that `python -m app.audit` shows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.record import Site
from app.record.verify import audit_damage
from app.terminal import SITE, JsonOption, SiteOption, output, print_json, table


def command(
    site: SiteOption = SITE,
    last: Annotated[int, typer.Option(help="Only the latest so many.", min=1)] = 50,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no row was changed, moved or removed, and name the first.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show who searched this site for whom, what was looked at, taken along, changed and erased."""
    with Site.open(site) as opened:
        damaged = audit_damage(opened) if verify else None
        entries = opened.audit()[-last:] if damaged is None else []
    if verify:
        if as_json:
            print_json({"sound": damaged is None, "damage": None if damaged is None else str(damaged)})
        else:
            output.print("The audit is sound." if damaged is None else str(damaged))
        raise typer.Exit(0 if damaged is None else 1)
    if as_json:
        print_json(
            [
                {"time": e.time, "who": e.who, "session": e.session, "action": e.action, **e.details, "hash": e.hash}
                for e in entries
            ]
        )
        return
    columns = ("time (UTC)", "who", "session", "action", "details", "hash")
    entry_table = table(*columns, left=columns)
    for e in entries:
        details = ", ".join(f"{name} {value}" for name, value in e.details.items() if value not in (None, [], {}))
        moment = f"{datetime.fromtimestamp(e.time, UTC):%Y-%m-%d %H:%M:%S}"
        entry_table.add_row(moment, e.who, e.session, e.action, details, e.hash[:12])
    output.print(entry_table)


if __name__ == "__main__":
    from app.terminal import run

    run(command)
