"""A site teaches itself its own appearance, without a label."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Annotated, Any

import typer

from app.asking import this_user
from app.learning.adapt import adapt
from app.learning.methods import MethodName
from app.learning.plan import EPOCHS
from app.on_cluster import ClusterOption, ray_wanted
from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, errors, output, print_json
from reid.progress import Bars


def _pixels(text: str) -> tuple[int, int]:
    from reid.training import TrainingError, pixels

    try:
        return pixels(text)
    except TrainingError as error:
        raise typer.BadParameter(f"{error}.", param_hint="--size") from error


def command(
    site: SiteOption = SITE,
    method: Annotated[MethodName, typer.Option(help="How it learns.")] = MethodName.merged,
    minutes: Annotated[float, typer.Option(help="In this time at most.", min=0.1)] = 30.0,
    epochs: Annotated[
        int | None, typer.Option(help=f"So often through all crops; default: {EPOCHS}, or as many as fit.", min=1)
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="What it starts from: a version, or a file of weights (.safetensors of ours, .pth of an OSNet "
            "of torchreid's); default: the model that serves.",
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="HEIGHTxWIDTH", help="Of crops, px; default: as tracklets and time allow.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1; default: CUDA where it works.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let the new model serve whatever the gate says.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn the site's own appearance from its tracklets, without labels. Safe to interrupt."""
    height_width = None if size is None else _pixels(size)
    wishes: dict[str, Any] = {"method": method.value, "minutes": minutes, "epochs": epochs, "start": start}
    wishes |= {"size": height_width, "device": device, "force": force, "seed": seed}
    with ExitStack() as closing:
        opened = closing.enter_context(Site.open_to_write(site))
        if cluster is None:
            report = adapt(opened, who=this_user(), progress=closing.enter_context(Bars(errors)), **wishes)
        else:
            with ray_wanted():
                from app.cluster_adapt import adapt_on_cluster
                from app.engine.cluster import connected
            report = adapt_on_cluster(closing.enter_context(connected(cluster)), opened, who=this_user(), **wishes)
    if as_json:
        print_json(report)
        return
    output.print(
        f"{report.model} ({report.method} from {report.started_from}, {report.backbone} backbone, "
        f"{report.parameters / 1e6:.1f} M parameters): {report.epochs} epochs of "
        f"{report.crops:,} crops of {report.tracklets:,} tracklets, {'×'.join(map(str, report.size))} px, in "
        f"{report.seconds / 60:.1f} minutes; {report.share:.0%} of the way from {report.started_from}"
    )
    output.print(f"gate {report.gate_before['score']:.3f} → {report.gate['score']:.3f}: {report.reason}")
    output.print(
        f"{report.model} serves now." if report.deployed else f"{report.served} goes on serving; --force overrides."
    )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
