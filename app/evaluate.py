"""How good the results are, against truth that somebody has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.export import track_rows, tracklet_rows
from app.footage import FootageError
from app.record import Site
from app.terminal import JsonOption, group, output, print_json, table
from trackers.evaluate import (
    PurityMetrics,
    TrackingMetrics,
    combine,
    combine_purity,
    evaluate_purity,
    evaluate_sequence,
)
from trackers.motchallenge import Rows, read_rows

commands = group("Measure results against ground truth.")


@commands.callback()
def _group() -> None:
    """Keeps `tracking` a sub-command while it is the only one."""


@dataclass(frozen=True, slots=True)
class TrackingRow:
    """Figures of one camera, 0..1 except counts. Purity is that of tracklets, the rest that of tracks."""

    camera: str
    HOTA: float
    DetA: float
    AssA: float
    MOTA: float
    IDF1: float
    IDSW: int
    tracklets: int
    purity: float  # share of tracklet boxes on people that show their tracklet's main person
    mixed: float  # share of tracklets that hold a box of anybody else
    tracklets_a_person: float
    kept: float  # tracklet boxes, as a share of track boxes
    unmatched: float  # share of tracklet boxes that are on nobody


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """Figures by camera and of all together."""

    cameras: list[TrackingRow]
    all: TrackingRow
    errors: list[str]


def evaluate_tracking(
    truth: Path, *, site: Path | None = None, results: Path | None = None, each_frame: bool = False
) -> TrackingReport:
    """Compares a site, or the MOTChallenge files `results/<camera>.txt`, with `truth/<camera>/gt/gt.txt`.

    MOTChallenge's preprocessing is applied. Raises FootageError where there is no truth, SiteError where there is no
    site.
    """
    files = {path.parents[1].name: path for path in sorted(truth.glob("*/gt/gt.txt"))}
    if not files:
        raise FootageError(
            f"There is no ground truth in {truth}: it should hold <camera>/gt/gt.txt in MOTChallenge columns."
        )
    found = _site_rows(site) if site is not None else _file_rows(results or Path())
    errors = [
        f"{name}: has truth but no results; counted as if nobody had been found" for name in files if name not in found
    ]
    errors += [f"{name}: has results but no truth; left out" for name in found if name not in files]
    rows, tracking, purity, kept = [], [], [], []
    for name, path in files.items():
        people = read_rows(path)
        tracks, tracklets = found.get(name, (np.zeros((0, 7)), np.zeros((0, 7))))
        tracking.append(evaluate_sequence(people, tracks))
        purity.append(evaluate_purity(people, tracklets, each_frame=each_frame))
        kept.append((len(tracklets), len(tracks)))
        rows.append(_row(name, tracking[-1], purity[-1], *kept[-1]))
    every = _row("all", combine(tracking), combine_purity(purity), sum(a for a, _ in kept), sum(b for _, b in kept))
    return TrackingReport(rows, every, errors)


def _row(camera: str, tracking: TrackingMetrics, purity: PurityMetrics, kept: int, of: int) -> TrackingRow:
    return TrackingRow(
        camera,
        tracking.hota,
        tracking.deta,
        tracking.assa,
        tracking.mota,
        tracking.idf1,
        tracking.idsw,
        purity.tracklets,
        purity.purity,
        purity.mixed,
        purity.tracklets_a_person,
        kept / of if of else 0.0,
        purity.unmatched,
    )


def _site_rows(path: Path) -> dict[str, tuple[Rows, Rows]]:
    with Site.open(path) as site:
        return {c.camera: (track_rows(site, c.camera), tracklet_rows(site, c.camera)) for c in site.cameras()}


def _file_rows(folder: Path) -> dict[str, tuple[Rows, Rows]]:
    """Files do not tell tracks from tracklets: the same rows are measured as both."""
    if not folder.is_dir():
        raise FootageError(
            f"{folder} is no folder: it should hold one <camera>.txt in MOTChallenge columns for each camera."
        )
    rows = {path.stem: read_rows(path) for path in sorted(folder.glob("*.txt"))}
    return {name: (mine, mine) for name, mine in rows.items()}


@commands.command()
def tracking(
    truth: Annotated[Path, typer.Option(help="A folder with <camera>/gt/gt.txt in MOTChallenge columns.")],
    site: Annotated[Path | None, typer.Option(help="Measure this site's tracks and tracklets…")] = None,
    results: Annotated[Path | None, typer.Option(help="…or MOTChallenge files <camera>.txt in this folder.")] = None,
    each_frame: Annotated[
        bool, typer.Option("--each-frame", help="Purity with people matched afresh in every frame: stricter.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """HOTA, MOTA, IDF1, identity switches and tracklet purity, by camera."""
    if (site is None) == (results is None):
        raise typer.BadParameter("give either --site or --results.", param_hint="--site")
    report = evaluate_tracking(truth, site=site, results=results, each_frame=each_frame)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(1 if report.errors else 0)


def _print(report: TrackingReport) -> None:
    shown = table(
        "camera", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "tracklets", "purity", "mixed", "a person", "kept"
    )
    for r in (*report.cameras, report.all):
        shown.add_row(
            r.camera,
            *(f"{100 * v:.2f}" for v in (r.HOTA, r.DetA, r.AssA, r.MOTA, r.IDF1)),
            str(r.IDSW),
            str(r.tracklets),
            f"{100 * r.purity:.2f}",
            f"{100 * r.mixed:.2f}",
            f"{r.tracklets_a_person:.2f}",
            f"{100 * r.kept:.1f}",
        )
    output.print(shown)
    for error in report.errors:
        output.print(error, markup=False, soft_wrap=True)


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
