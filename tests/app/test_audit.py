"""The command `audit`: who did what, and whether the rows are those that were noted."""

from __future__ import annotations

import json
from pathlib import Path

from sqlalchemy import update

import app.audit
from app.record import Site
from app.record.rows import AuditEntry
from app.record.schema import audit
from app.terminal import alone
from tests.app.sites import figure_site
from tests.app.typed import Typed


def test_the_first_broken_row_is_named(path: Path, typed: Typed) -> None:
    figure_site(path, people=1, cameras=1)
    command = alone(app.audit.command)
    with Site.open_to_write(path) as site:
        for number in range(4):
            site.note(AuditEntry(float(number), "me", "query", {"number": number}))
    sound = typed(command, "--site", path, "--verify")
    assert (sound.returncode, sound.stdout.strip()) == (0, "The audit is sound.")
    with Site.open_to_write(path) as site, site.database.transaction():
        site.database.execute(update(audit).where(audit.c.who == "me", audit.c.time == 2.0).values(who="you"))
        broken = next(number for number, entry in enumerate(site.audit(), 1) if entry.who == "you")
    told = typed(command, "--site", path, "--verify")
    assert told.returncode == 1
    assert f"row {broken} is not what was noted" in " ".join(told.stdout.split())
    as_json = json.loads(typed(command, "--site", path, "--verify", "--json").stdout)
    assert as_json["sound"] is False and f"row {broken}" in as_json["damage"]
