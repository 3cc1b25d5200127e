"""`python -m app`, installed as `sightline`: all commands in one place. Only the one that is called is imported."""

from __future__ import annotations

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from app.terminal import alone, group, run

COMMANDS = {
    "ingest": "Turn footage into a site: detect and track people, cut pure tracklets.",
    "watch": "Follow live cameras: who leaves a picture is found a few seconds later.",
    "adapt": "Learn the site's own appearance from its tracklets, without labels.",
    "merge": "Join tracklets into trajectories and identities.",
    "query": "Find a person in all cameras from one still.",
    "flow": "Count people: where, from where to where, and for how long.",
    "forget": "Erase people from a site for good.",
    "audit": "Show who asked, looked, exported, erased, merged, or let another model serve.",
    "models": "List the versions of a site's encoder, or let another one serve.",
    "serve": "Serve a site to a browser, and to programs over HTTP.",
    "users": "Say who may sign in to the served site, and what they may do.",
    "site": "Show what a site holds; with --verify, read and check all of it.",
    "contact_sheet": "Draw tracklets as rows of crops, by camera and time.",
    "export": "Write what a site holds as files that other programs read.",
    "evaluate": "Measure results against ground truth.",
}


class _Commands(TyperGroup):
    """Each command is a module of its name, imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"app.{cmd_name}")
        command: Any = typer.main.get_command(getattr(module, "commands", None) or alone(module.command))
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


program = group("Sightline: multi-camera video analytics. Footage becomes tracklets; all stays on this machine.")
program.info.cls = _Commands
program.callback()(lambda: None)


def main() -> None:
    """Runs the command that the arguments name."""
    run(program)


if __name__ == "__main__":
    main()
