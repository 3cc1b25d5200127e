"""The versions of a site's encoder: which there are, which one serves, and how another one comes to serve."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.asking import this_user
from app.encoders.versions import use
from app.record import Site
from app.record.rows import ModelRecord
from app.terminal import SITE, JsonOption, SiteOption, errors, group, output, print_json, table
from reid.progress import Bars

commands = group("List the versions of a site's encoder, or let another one serve.")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List the versions with their figures. `use NAME` lets another one serve."""
    if context.invoked_subcommand is not None:
        return
    with Site.open(site) as opened:
        models = opened.models()
    if as_json:
        print_json([{**_plain(model)} for model in models])
        return
    listed = table(
        "", "model", "made (UTC)", "method", "crops", "gate", "why", left=("", "model", "made (UTC)", "method", "why")
    )
    for model in models:
        listed.add_row(
            "→" if model.serving else "",
            model.name,
            f"{datetime.fromtimestamp(model.made, UTC):%Y-%m-%d %H:%M}",
            str(model.summary.get("method", "")),
            "×".join(map(str, model.summary.get("size", ()))),
            f"{model.summary['gate']['score']:.3f}" if "gate" in model.summary else "–",
            model.reason if model.status != "refused" else f"not deployed: {model.reason}",
        )
    output.print(listed)


@commands.command("use")
def use_command(
    name: Annotated[str, typer.Argument(help="base, v1, v2, …")],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Let a version serve. What it has not embedded yet is embedded first, while the old one serves."""
    with Site.open_to_write(site) as opened, Bars(errors) as progress:
        done = use(opened, name, who=this_user(), progress=progress)
    if as_json:
        print_json(done)
    else:
        output.print(f"{done.now} serves now, {done.before} did before; {done.embedded:,} tracklets embedded")


def _plain(model: ModelRecord) -> dict[str, Any]:
    return {name: getattr(model, name) for name in ModelRecord.__slots__}


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
