"""Erasure: tracklets leave the site for good, with their rows, the bytes of their crops and what derives from them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer

from app.audit import asker
from app.database import SiteError
from app.embeddings import Embeddings
from app.record import Site
from app.rows import AuditEntry
from app.terminal import SITE, JsonOption, SiteOption, moment, output, print_json


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased."""

    segments: int  # pieces of tracks, tracklets among them
    tracklets: int
    models: list[str]  # versions that were trained while the site held them: weights can't be unlearned


def forget(
    site: Site,
    *,
    tracklets: Sequence[int] = (),
    identities: Sequence[int] = (),
    before: float | None = None,
) -> Forgotten:
    """Erases tracklets by id, all of an identity, or all that ended before a time (UTC seconds).

    Raises SiteError where something asked for is not there; then nothing is erased.
    """
    pending = set(site.erasures())  # what an earlier process left
    _finish(site)
    table, merge = site.tracklet_table(), site.merge()
    leaving = set(tracklets)
    if unknown := leaving - set(table.ids.tolist()) - pending:
        raise SiteError(f"The site at {site.path} has no tracklet {', '.join(map(str, sorted(unknown)))}.")
    for identity in identities:
        mine = [] if merge is None else merge.ids[merge.identities == identity].tolist()
        if not mine:
            raise SiteError(
                f"The site at {site.path} has no identity {identity}"
                + ("." if merge is not None else f" yet: `python -m app.merge --site {site.path}` first.")
            )
        leaving |= set(mine)
    gone = len(leaving & set(table.ids.tolist()))
    if before is not None:
        older = site.segments_before(before)
        gone += len(set(older) & set(table.ids.tolist()) - leaving)
        leaving |= set(older)
    models = [model.name for model in site.models() if model.name != "base"]
    site.note(
        AuditEntry(
            time.time(),
            asker(),
            "forget",
            {"tracklets": gone, "segments": len(leaving), "identities": list(identities), "before": before},
        )
    )
    if leaving:
        site.forget(sorted(leaving))
        _finish(site)
    return Forgotten(len(leaving), gone, models)


def _finish(site: Site) -> None:
    """Erases what derives from tracklets whose rows are gone; again and again the same, until it is done."""
    ids = site.erasures()
    if not ids:
        return
    gone = np.array(ids, np.int64)
    for folder in sorted((site.path / "embeddings").glob("*")):
        Embeddings(folder).remove(gone)
    for derived in ("index", "adapt"):  # made again when they are needed
        for folder in sorted((site.path / derived).glob("*")):
            if folder.is_dir():
                shutil.rmtree(folder)
    site.forgotten()


def command(
    tracklet: Annotated[list[int] | None, typer.Option("--tracklet", help="A tracklet's id; may be repeated.")] = None,
    identity: Annotated[list[int] | None, typer.Option("--identity", help="All of an identity.")] = None,
    before: Annotated[
        str | None, typer.Option(help="All that ended before this time (ISO 8601; UTC unless it has an offset).")
    ] = None,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Erase people from a site for good: rows, pictures, embeddings. What a model has learned stays in its weights."""
    if not (tracklet or identity or before):
        raise typer.BadParameter("say what to forget: --tracklet, --identity or --before.")
    limit = moment(before, "--before")
    with Site.open_existing(site) as opened:
        done = forget(opened, tracklets=tracklet or (), identities=identity or (), before=limit)
    if as_json:
        print_json(done)
        return
    output.print(f"{done.tracklets:,} tracklets erased ({done.segments:,} pieces of tracks in all)", markup=False)
    if done.models and done.tracklets:
        output.print(
            f"{', '.join(done.models)} learned while they were there; weights hold no pictures, but can't unlearn: "
            "`python -m app.adapt` makes a new version, `python -m app.models use base` goes back.",
            markup=False,
            soft_wrap=True,
        )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
