"""The whole loop on footage with truth: `python -m bench.loop VIDEOS --truth DIR --site S [--minutes 30]`.

ingest → figures of the base model → merge → figures → adapt → the same again, each by the command that a person types;
what is done already (in S) is not done again. Prints a table: queries, trajectories and identities before and after. A
model that the gate refuses is let serve all the same, so that its figures can be seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def command(*words: object) -> Any:
    """Runs `python -m …` with --json and returns what it says."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *map(str, words), "--json"], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))} ended with {done.returncode}")
    print(f"{words[0]} {time.monotonic() - began:.0f} s", file=sys.stderr)
    return json.loads(done.stdout)


def row(name: str, scores: dict[str, Any]) -> str:
    query, before = scores["query"], scores["before"]
    cells = [name, f"{100 * query['mAP']:.1f} / {100 * query['rank1']:.1f}", f"{before['fragments']:.2f}"]
    for groups in (scores["trajectories"], scores["identities"]):
        cells.append(
            f"{100 * groups['nmi']:.1f} / {100 * groups['precision']:.1f} / {100 * groups['f1']:.1f} / "
            f"{groups['fragments']:.2f}"
            if groups
            else "–"
        )
    cells.append(f"{100 * scores['idf1']:.1f}" if scores["idf1"] is not None else "–")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--detector", default="shipped")
    parser.add_argument("--method", default="merged")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=30.0)
    budget.add_argument("--epochs", type=int)
    parser.add_argument("--start", help="model to start from (default: what adapt picks)")
    parser.add_argument("--size", help="HEIGHTxWIDTH of the crops to learn from (default: what adapt picks)")
    arguments = parser.parse_args()
    site = ("--site", arguments.site)
    plan = ["--epochs", arguments.epochs] if arguments.epochs else ["--minutes", arguments.minutes]
    plan += ["--start", arguments.start] if arguments.start else []
    plan += ["--size", arguments.size] if arguments.size else []
    groups = "NMI / precision / F1 / fragments"
    heads = f"| | query mAP / rank-1 | fragments | trajectories {groups} | identities {groups} | IDF1 |"
    lines = [heads, "|---|---|---|---|---|---|"]

    def figures(name: str) -> None:
        scores = command("app.evaluate", "site", *site, "--truth", arguments.truth)
        while scores["trajectories"] is not None:  # of a merging before this
            command("app.merge", *site, "--undo")
            scores = command("app.evaluate", "site", *site, "--truth", arguments.truth)
        lines.append(row(f"{name}, not merged", scores))
        for method in ("utal", "constrained"):
            command("app.merge", *site, "--method", method)
            scores = command("app.evaluate", "site", *site, "--truth", arguments.truth)
            lines.append(row(f"{name}, merged by {method}", scores))

    command("app.ingest", arguments.videos, *site, "--detector", arguments.detector)
    names = [model["name"] for model in command("app.models", *site)]
    if len(names) == 1:
        figures(names[0])
        report = command("app.adapt", *site, "--method", arguments.method, *plan)
        said = "deployed" if report["deployed"] else "not deployed"
        lines.append(f"\n{report['model']}: {said}, {report['reason']} ({report['seconds']:.0f} s)\n")
        if not report["deployed"]:
            command("app.models", "use", report["model"], *site)  # its figures are wanted all the same
    figures(next(model["name"] for model in command("app.models", *site) if model["serving"]))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
