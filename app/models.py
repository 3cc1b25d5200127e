"""The versions of a site's encoder: which there are, which one serves, and how another one comes to serve."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app.asking import this_user
from app.encoders.versions import use
from app.record import Site
from app.record.rows import ModelRecord
from app.terminal import SITE, JsonOption, SiteOption, errors, group, output, print_json, table
from deploy.preprocessing import Input, Scale, Told
from reid.progress import Bars

_BY = {"told": "told", "the file": "the file says so", "trial": "found on the site's own tracklets"}

commands = group("List the versions of a site's encoder, add one, or let another one serve.")


@commands.callback(invoke_without_command=True)
def listing(context: typer.Context, site: SiteOption = SITE, as_json: JsonOption = False) -> None:
    """List the versions with their figures. `add FILE` takes one in, `use NAME` lets another one serve."""
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


@commands.command("add")
def add_command(
    file: Annotated[
        Path, typer.Argument(help="An ONNX encoder, safetensors of ours, or an OSNet that torchreid trained (.pth).")
    ],
    site: SiteOption = SITE,
    name: Annotated[str | None, typer.Option("--as", help="What the version is called; default: as the file.")] = None,
    order: Annotated[
        Input | None, typer.Option("--input", help="Colours as it wants them; default: found on the site's tracklets.")
    ] = None,
    scale: Annotated[
        Scale | None,
        typer.Option(
            help="Values as it wants them: 255 as they are, 1 from 0 to 1, half from -1 to 1, imagenet by ImageNet's "
            "mean and spread; default: found."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Let it serve whatever the gate says.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in an encoder that was trained elsewhere. It serves if the gate finds it better. Safe to interrupt."""
    from app.encoders.brought import bring

    with Site.open_to_write(site) as opened, Bars(errors) as progress:
        done = bring(opened, file, who=this_user(), name=name, told=Told(order, scale), force=force, progress=progress)
    if as_json:
        print_json(done)
        return
    if done.trials:
        tried = table("output", "input", "scale", "tracklets", "found first", "nats", left=("output", "input", "scale"))
        for trial in done.trials:
            figures = f"{trial.tracklets}", f"{trial.first_found:.1%}", f"{trial.information:.2f}"
            tried.add_row(trial.output, trial.input, trial.scale, *figures)
        output.print(tried)
    size = "×".join(map(str, done.size))
    output.print(
        f"{done.model}: crops of {size} px, {done.input}, scale {done.scale} ({_BY[done.preprocessing_by]}), "
        f"{done.dimensions} dimensions, output {done.output}"
    )
    if done.gate is not None and done.gate_before is not None:
        output.print(f"gate {done.gate_before['score']:.3f} → {done.gate['score']:.3f}: {done.reason}")
    if done.serves:
        output.print(f"{done.model} serves now.")
    elif done.deployed:
        output.print(f"{done.model} does not serve any more: `use {done.model}` lets it serve again.")
    else:
        output.print(f"{done.served} goes on serving; --force overrides.")


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
