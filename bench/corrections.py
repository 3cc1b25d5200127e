"""What a person's corrections are worth to merging and to adapting, from a simulated person who knows the truth.

It looks at matches as a person at a page does: a tracklet, and who is most alike in another camera. Whom merging did
not join though they are one, they join. Whom it joined though they are two, they split. What is right already needs no
word. Which tracklets they look at is random.

Each number of corrections has a site of its own, a copy of S, which has to be merged and not adapted.

    python -m bench.corrections --site S --truth DIR --out OUT
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from app.encoders.seen import seen_tracklets
from app.encoders.versions import BASE, serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.rows import Correction
from app.report.site_accuracy import people_shown
from app.search.merging import merge
from app.terminal import JsonOption, print_json
from bench.loop import HEADS, row, said_by
from bench.terminal import print_table, run, say
from reid.merging import in_context

COUNTS = (0, 10, 50, 200)


def corrections_of(site: Site, truth: Path, count: int, seed: int) -> list[Correction]:
    """So many corrections, or as many as there are to make.

    Raises SiteError where the site is not merged.
    """
    merging = site.merging()
    if merging is None:
        raise SiteError(f"{site.path} was never merged: `python -m app.merge --site {site.path}` comes first.")
    person = people_shown(site, truth)
    seen = in_context(seen_tracklets(site, store_of(site, serving(site).name)))
    known = np.array([number in person for number in seen.ids.tolist()])
    who = np.array([person.get(number, -1) for number in seen.ids.tolist()])
    identity = merging.of(seen.ids)[1]
    made: list[Correction] = []
    told: set[frozenset[int]] = set()
    for at in np.random.default_rng(seed).permutation(np.flatnonzero(known)).tolist():
        for other in _looked_at(seen.embedding, seen.camera, known, at):
            same, joined = who[at] == who[other], identity[at] == identity[other]
            pair = frozenset((at, other))
            if same != joined and len(made) < count and pair not in told:
                told.add(pair)
                made.append(Correction("join" if same else "split", int(seen.ids[at]), int(seen.ids[other])))
    return made


def _looked_at(rows: NDArray[np.float32], camera: NDArray[np.int64], known: NDArray[np.bool_], at: int) -> list[int]:
    """Of each other camera the tracklet that is most like one."""
    alike = np.where(known, rows @ rows[at], -np.inf)
    best = []
    for number in np.unique(camera[known & (camera != camera[at])]).tolist():
        best.append(int(np.argmax(np.where(camera == number, alike, -np.inf))))
    return best


def accuracy(scores: dict[str, Any] | None) -> str:
    """What `app.evaluate reid` says as mAP / rank-1, a dash of nothing."""
    return f"{100 * scores['mAP']:.1f} / {100 * scores['rank1']:.1f}" if scores else "–"


def command(
    site: Annotated[Path, typer.Option(help="A site that is merged and not adapted.")],
    truth: Annotated[Path, typer.Option(help="Folder of CAMERA/gt/gt.txt.")],
    out: Annotated[Path, typer.Option(help="A folder for the copies. What is done there is not done again.")],
    counts: Annotated[list[int] | None, typer.Option(help="Of corrections; default: 0, 10, 50 and 200.")] = None,
    unseen: Annotated[
        str | None, typer.Option(metavar="SET:FOLDER", help="Test each version on a benchmark's people, too.")
    ] = None,
    epochs: Annotated[int, typer.Option(help="As for adapt.", min=1)] = 12,
    seed: Annotated[int, typer.Option(help="Of which tracklets are looked at, and of learning.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Correct a merged site as a person would, and measure merging and adapting with it."""
    told: dict[str, Any] = {}
    evaluate = ("app.evaluate", "site", "--truth", truth)
    for count in counts or COUNTS:
        copy = out / f"{count}-{seed}"
        if not copy.exists():
            part = out / f"{count}-{seed}.part"
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(site, part)
            with Site.open_to_write(part) as opened:
                merge(opened, who="bench", corrections=corrections_of(opened, truth, count, seed))
            part.rename(copy)
        with Site.open(copy) as opened:
            made = len(opened.corrections())
            models = [model.name for model in opened.models()]
        name = f"{made} corrections"
        if models == [BASE]:
            told[f"{name}, merged"] = said_by(*evaluate, "--site", copy)
            plan = ("--epochs", epochs, "--size", "128x64", "--start", "base", "--seed", seed, "--force")
            said_by("app.adapt", "--site", copy, *plan)
        said_by("app.merge", "--site", copy)
        scores = said_by(*evaluate, "--site", copy)
        if unseen is not None:
            with Site.open(copy) as opened:
                model = copy / "models" / serving(opened).name
            scores["unseen"] = said_by("app.evaluate", "reid", unseen, "--model", model)
        told[f"{name}, adapted and merged"] = scores
    if as_json:
        print_json(told)
        return
    rows = [[*row(name, scores), accuracy(scores.get("unseen"))] for name, scores in told.items()]
    print_table((*HEADS, "unseen people"), rows)
    say()
    say("The corrected pairs count in all figures but those of unseen people.")


if __name__ == "__main__":
    run(command)
