"""The whole loop on footage with truth.

The order is ingest → figures of the base model → merge → figures → adapt → the same again. Each is done by the command
that a person types. What is done already (in S) is not done again. A model that the gate refuses is let serve all the
same. So its figures can be seen.

    python -m bench.loop VIDEOS --truth DIR --site S
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.terminal import SiteOption, errors
from bench.processes import finished
from bench.terminal import print_table, run, say

GROUPS = "NMI / precision / F1 / fragments"
HEADS = ("", "query mAP / rank-1", "fragments", f"trajectories {GROUPS}", f"identities {GROUPS}", "IDF1")


def said_by(*words: object) -> Any:
    """Runs `python -m …` with --json and returns what it says."""
    name = " ".join(map(str, words))
    process = finished(name, [sys.executable, "-m", *words, "--json"])
    errors.print(f"{words[0]} {process.seconds:.0f} s", markup=False)
    return json.loads(process.output)


def row(name: str, scores: dict[str, Any]) -> list[str]:
    """A line of the table, from what `app.evaluate site` says."""
    query, before = scores["query"], scores["before"]
    accuracy = f"{100 * query['mAP']:.1f} / {100 * query['rank1']:.1f}" if query else "–"  # nobody passed two cameras
    cells = [name, accuracy, f"{before['fragments']:.2f}"]
    for groups in (scores["trajectories"], scores["identities"]):
        cells.append(
            f"{100 * groups['nmi']:.1f} / {100 * groups['precision']:.1f} / {100 * groups['f1']:.1f} / "
            f"{groups['fragments']:.2f}"
            if groups
            else "–"
        )
    cells.append(f"{100 * scores['idf1']:.1f}" if scores["idf1"] is not None else "–")
    return cells


def figures(site: Path, truth: Path, model: str) -> list[list[str]]:
    """Rows of the model that serves: not merged, and merged by each method."""
    evaluate = ("app.evaluate", "site", "--site", site, "--truth", truth)
    scores = said_by(*evaluate)
    while scores["trajectories"] is not None:  # of a merging before this
        said_by("app.merge", "--site", site, "--undo")
        scores = said_by(*evaluate)
    rows = [row(f"{model}, not merged", scores)]
    for method in ("utal", "constrained"):
        said_by("app.merge", "--site", site, "--method", method)
        rows.append(row(f"{model}, merged by {method}", said_by(*evaluate)))
    return rows


def command(
    videos: Annotated[Path, typer.Argument(help="A folder of footage with truth.")],
    truth: Annotated[Path, typer.Option(help="Folder of CAMERA/gt/gt.txt.")],
    site: SiteOption,
    detector: Annotated[str, typer.Option(help="As for ingest.")] = "shipped",
    method: Annotated[str, typer.Option(help="As for adapt.")] = "merged",
    minutes: Annotated[float | None, typer.Option(help="Adapt as long as this at most; default: 30.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Adapt for so many epochs, not by the clock.")] = None,
    start: Annotated[str | None, typer.Option(help="Model to start from; default: what adapt picks.")] = None,
    size: Annotated[
        str | None,
        typer.Option(metavar="HEIGHTxWIDTH", help="Of the crops to learn from; default: what adapt picks."),
    ] = None,
) -> None:
    """Run the whole loop on footage with truth, and print figures before and after adapting."""
    if minutes is not None and epochs is not None:
        raise typer.BadParameter("give --minutes or --epochs, not both.", param_hint="--epochs")
    plan: list[object] = ["--epochs", epochs] if epochs is not None else ["--minutes", minutes or 30.0]
    plan += [] if start is None else ["--start", start]
    plan += [] if size is None else ["--size", size]
    said_by("app.ingest", videos, "--site", site, "--detector", detector)
    names = [model["name"] for model in said_by("app.models", "--site", site)]
    rows, verdict = [], ""
    if len(names) == 1:
        rows += figures(site, truth, names[0])
        report = said_by("app.adapt", "--site", site, "--method", method, *plan)
        deployed = "deployed" if report["deployed"] else "not deployed"
        verdict = f"{report['model']}: {deployed}, {report['reason']} ({report['seconds']:.0f} s)"
        if not report["deployed"]:
            said_by("app.models", "use", report["model"], "--site", site)  # its figures are wanted all the same
    serving = next(model["name"] for model in said_by("app.models", "--site", site) if model["serving"])
    rows += figures(site, truth, serving)
    print_table(HEADS, rows)
    if verdict:
        say()
        say(verdict)


if __name__ == "__main__":
    run(command)
