"""How good the results are, against truth that somebody has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.movement.flow import Interval
from app.on_cluster import ClusterOption, spread_over
from app.record import Site
from app.report.accuracy import Pooling, TrackingReport, evaluate_reid, evaluate_tracking
from app.report.flow_accuracy import evaluate_flow
from app.report.site_accuracy import evaluate_site
from app.terminal import SITE, JsonOption, SiteOption, errors, group, output, print_json, print_remarks, table
from reid.progress import Bars

commands = group("Measure results against ground truth.")


@commands.command()
def tracking(
    truth: Annotated[Path, typer.Option(help="A folder with <camera>/gt/gt.txt in MOTChallenge columns.")],
    site: Annotated[Path | None, typer.Option(help="Measure this site's tracks and tracklets…")] = None,
    results: Annotated[Path | None, typer.Option(help="…or MOTChallenge files <camera>.txt in this folder.")] = None,
    as_json: JsonOption = False,
) -> None:
    """HOTA, MOTA, IDF1, identity switches, purity of tracklets and visits found, by camera."""
    if (site is None) == (results is None):
        raise typer.BadParameter("give either --site or --results.", param_hint="--site")
    report = evaluate_tracking(truth, site=site, results=results)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(1 if report.errors else 0)


def _print(report: TrackingReport) -> None:
    rows = (*report.cameras, report.all)
    tracks = table("camera", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")
    for r in rows:
        tracks.add_row(r.camera, *(f"{100 * v:.2f}" for v in (r.HOTA, r.DetA, r.AssA, r.MOTA, r.IDF1)), str(r.IDSW))
    output.print(tracks)
    purity = ("purity", "each frame", "mixed", "each frame")
    visits = ("visits", "found", "≥ 2 s", "found")
    sightings = ("sightings", "on nobody")
    tracklets = table("camera", "tracklets", *purity, "a person", "pieces", "kept", *sightings, *visits)
    for r in rows:
        tracklets.add_row(
            r.camera,
            str(r.tracklets),
            *(f"{100 * v:.2f}" for v in (r.purity, r.purity_each_frame, r.mixed, r.mixed_each_frame)),
            f"{r.tracklets_a_person:.2f}",
            f"{r.pieces:.2f}",
            f"{100 * r.kept:.1f}",
            str(r.sightings),
            str(r.sightings_of_nobody),
            "–" if r.visits is None else str(r.visits),
            _percent(r.visits_found),
            "–" if r.long_visits is None else str(r.long_visits),
            _percent(r.long_visits_found),
        )
    output.print(tracklets)
    print_remarks(report.remarks)
    for error in report.errors:
        output.print(error)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


@commands.command()
def reid(
    data: Annotated[str, typer.Argument(help="A benchmark and where it is, as market1501:DIR or mars:DIR.")],
    model: Annotated[
        str, typer.Option(help="base, a .safetensors or .onnx file, or the folder of a site's model.")
    ] = "base",
    imagenet: Annotated[
        bool,
        typer.Option(help="Whether a foreign .onnx (float N×3×H×W) wants ImageNet's normalisation, or 0…1."),
    ] = True,
    pooling: Annotated[Pooling, typer.Option(help="What a tracklet has of its crops' embeddings.")] = Pooling.mean,
    rerank: Annotated[bool, typer.Option("--rerank", help="With k-reciprocal re-ranking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How well a model finds people in other cameras: mAP, CMC and mINP of a labelled benchmark."""
    from deploy.encoder import OnnxError
    from reid.benchmarks.parts import BenchmarkError
    from reid.encoder import EncoderError
    from reid.evaluate import EvaluationError
    from reid.tracklets import DatasetError

    try:
        with Bars(errors) as progress:
            scores = evaluate_reid(data, model, imagenet=imagenet, pooling=pooling, rerank=rerank, progress=progress)
    except (BenchmarkError, DatasetError, EncoderError, OnnxError, EvaluationError) as error:
        errors.print(f"Error: {error}")
        sys.exit(2)
    if as_json:
        print_json(scores)
        return
    heads = ("mAP", "rank1", "rank5", "rank10", "rank20", "mINP")
    figures_table = table(*heads, "queries", "gallery")
    figures = [f"{100 * getattr(scores, head):.2f}" for head in heads]
    figures_table.add_row(*figures, str(scores.queries), str(scores.gallery))
    output.print(figures_table)


@commands.command("site")
def site_command(
    truth: Annotated[
        Path, typer.Option(help="A folder with <camera>/gt/gt.txt; people numbered alike in all cameras.")
    ],
    site: SiteOption = SITE,
    cluster: ClusterOption = None,
    as_json: JsonOption = False,
) -> None:
    """How well a site's trajectories, identities and queries fit true people."""
    with Site.open(site) as opened, spread_over(cluster) as spread:
        scores = evaluate_site(opened, truth, spread)
    if as_json:
        print_json(scores)
        return
    output.print(
        f"{scores.tracklets:,} tracklets of {scores.people} people in {len(scores.cameras)} cameras "
        f"({scores.strangers} more are on nobody), model {scores.model}"
    )
    figures_table = table("", "NMI", "ARI", "precision", "recall", "F1", "groups", "a person", left=("",))
    for name, groups in (
        ("tracklets", scores.before),
        ("trajectories", scores.trajectories),
        ("identities", scores.identities),
    ):
        if groups is not None:
            figures = (groups.nmi, groups.ari, groups.precision, groups.recall, groups.f1)
            percents = [f"{100 * figure:.1f}" for figure in figures]
            figures_table.add_row(name, *percents, str(groups.groups), f"{groups.fragments:.2f}")
    output.print(figures_table)
    if scores.idf1 is not None:
        output.print(f"identities over all cameras: IDF1 {100 * scores.idf1:.1f}")
    if scores.query is not None:
        q = scores.query
        output.print(
            f"each tracklet searched in the other cameras: mAP {100 * q.mAP:.1f}, rank-1 {100 * q.rank1:.1f} "
            f"({q.queries:,} queries, {q.gallery:,} tracklets)"
        )
    print_remarks(scores.remarks)


@commands.command("flow")
def flow_command(
    truth: Annotated[
        Path, typer.Option(help="A folder with <camera>/gt/gt.txt; people numbered alike in all cameras.")
    ],
    site: SiteOption = SITE,
    by: Annotated[Interval, typer.Option(help="Intervals by which counts are compared.")] = Interval.minute,
    as_json: JsonOption = False,
) -> None:
    """How well a merged site counts people, their ways from camera to camera, and how long these take."""
    with Site.open(site) as opened:
        scores = evaluate_flow(opened, truth, by)
    if as_json:
        print_json(scores)
        return
    people = scores.people
    rows = table("", "true", "counted", "error", left=("",))
    estimate = f"{people.identities} identities, about {people.estimate} ({people.low} to {people.high})"
    rows.add_row("people", str(scores.true_people), estimate, "")
    rows.add_row(f"people a camera, by {scores.interval}", "", "", f"{100 * scores.count_error:.0f} %")
    rows.add_row("stays", str(scores.true_stays), str(scores.stays), f"{scores.length_error:.1f} s of the median")
    transit = "" if scores.transit_error is None else f", {scores.transit_error:.1f} s of the median"
    shares = f"{100 * scores.way_error:.0f} % go elsewhere{transit}"
    rows.add_row("ways from camera to camera", str(scores.true_ways), str(scores.ways), shares)
    zone_error, crossing_error = f"{100 * scores.zone_error:.0f} %", f"{100 * scores.crossing_error:.0f} %"
    rows.add_row(
        f"people in halves of the picture, by {scores.interval}",
        str(scores.true_zone_people),
        str(scores.zone_people),
        zone_error,
    )
    rows.add_row(
        "crossings of lines through its middle", str(scores.true_crossings), str(scores.crossings), crossing_error
    )
    output.print(rows)
    print_remarks(scores.remarks)


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
