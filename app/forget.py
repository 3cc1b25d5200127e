"""Erasure: tracklets leave the site for good, with their rows, the bytes of their crops and what derives from them."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.asking import this_user
from app.record import Site
from app.record.forget import Forgotten
from app.record.retention import retain
from app.search.forgetting import forget_people
from app.search.searcher import Searcher
from app.terminal import SITE, JsonOption, SiteOption, errors, moment, output, print_json
from reid.foreign import visible
from reid.progress import Bars

SHOWN = 20  # ids in a line


def command(
    tracklet: Annotated[list[int] | None, typer.Option("--tracklet", help="A tracklet's id; may be repeated.")] = None,
    identity: Annotated[list[int] | None, typer.Option("--identity", help="All of an identity.")] = None,
    before: Annotated[
        str | None, typer.Option(help="All that ended before this time (ISO 8601; UTC unless it has an offset).")
    ] = None,
    retention: Annotated[
        bool, typer.Option("--retention", help="What the site's settings let go: days a camera, films, old jobs.")
    ] = False,
    searches: Annotated[
        bool, typer.Option("--searches", help="Also remove kept searches whose picture likely shows them.")
    ] = False,
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """Erase people from a site for good: rows, pictures, embeddings. What a model has learned stays in its weights."""
    if not (tracklet or identity or before or retention):
        raise typer.BadParameter("say what to forget: --tracklet, --identity, --before or --retention.")
    if retention and (tracklet or identity or before or searches):
        raise typer.BadParameter("the site's settings say all of it: give nothing else.", param_hint="--retention")
    if retention:
        _retain(site, as_json=as_json)
    limit = moment(before, "--before")
    with Site.open_to_write(site) as opened, Bars(errors) as progress:
        done = forget_people(
            opened,
            partial(Searcher, opened),
            who=this_user(),
            remove=None if searches else (),
            tracklets=tracklet or (),
            identities=identity or (),
            before=limit,
            progress=progress,
        )
    if as_json:
        print_json(done)
    else:
        _print(done)
    raise typer.Exit(1 if done.found else 0)


def _retain(site: Path, *, as_json: bool) -> NoReturn:
    with Site.open_to_write(site) as opened, Bars(errors) as progress:
        done = retain(opened, who=this_user(), now=time.time(), progress=progress)
    if as_json:
        print_json(done)
    else:
        for camera, tracklets in done.tracklets.items():
            output.print(f"{camera}: {tracklets:,} tracklets erased")
        output.print(
            f"{done.files:,} uploaded files ({done.file_bytes:,} bytes) and {done.jobs:,} old jobs left with them."
        )
        for sentence in (*done.found, *done.left):
            output.print(f"Still there, or not reached: {sentence}.")
    raise typer.Exit(1 if done.found else 0)


def _print(done: Forgotten) -> None:
    output.print(f"{done.tracklets:,} tracklets erased ({done.segments:,} pieces of tracks in all)")
    output.print(
        f"With them left {done.crops:,} crops ({done.crop_bytes:,} bytes), {done.boxes:,} boxes and "
        f"{done.embeddings:,} embeddings."
    )
    if done.recordings:
        output.print(f"{done.recordings:,} pieces of recorded film lost the seconds in which they were in sight.")
    if done.adaptations:
        output.print(f"{done.adaptations:,} adaptations under way had pictures of them, and begin anew.")
    if done.open_tracks:
        output.print(
            f"{done.open_tracks:,} of their tracks were still in sight where ingest stopped. That was dropped. Where "
            "ingest goes on just now, look for them again when it is done."
        )
    if done.looked:
        output.print(f"Looked for them in {', '.join(done.looked)}: " + ("" if done.found else "nothing is left."))
    for sentence in done.found:
        output.print(
            f"Still there: {sentence}. Check the disk, then run any command that writes: it erases them again."
        )
    if done.same_tracks:
        output.print(
            f"{len(done.same_tracks):,} tracklets of the same tracks stay, which may show the same people: "
            f"{', '.join(map(str, done.same_tracks[:SHOWN]))}{', …' if len(done.same_tracks) > SHOWN else ''}. Look at "
            "them with `python -m app.query`, and name those with --tracklet."
        )
    for search in done.searches:
        state = "was removed" if search.removed else "stays: --searches removes such, or the page Search does"
        output.print(
            f"The kept search {visible(search.name)} of {visible(search.who)} likely has a picture of them "
            f"({search.probability:.0%}). It {state}."
        )
    for film in done.films[:SHOWN]:
        output.print(
            f"The film {visible(film.label)} of {visible(film.camera)} was uploaded and still shows them: remove it on "
            f"the page Footage (upload {film.upload})."
        )
    if len(done.films) > SHOWN:
        output.print(f"So do {len(done.films) - SHOWN:,} more: --json names all.")
    for sentence in done.left:
        output.print(f"Not reached: {sentence}.")
    if done.models and done.tracklets:
        output.print(
            f"{', '.join(done.models)} learned while they were there; weights hold no pictures, but can't unlearn: "
            "`python -m app.adapt` makes a new version, `python -m app.models use base` goes back."
        )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
