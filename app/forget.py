"""Erasure: tracklets leave the site for good, with their rows, the bytes of their crops and what derives from them."""

from __future__ import annotations

from typing import Annotated

import typer

from app.asking import this_user
from app.record import Site
from app.record.forget import Forgotten, forget
from app.terminal import SITE, JsonOption, SiteOption, errors, moment, output, print_json
from reid.progress import Bars

SHOWN = 20  # ids in a line


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
    with Site.open_to_write(site) as opened, Bars(errors) as progress:
        done = forget(
            opened,
            who=this_user(),
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


def _print(done: Forgotten) -> None:
    output.print(f"{done.tracklets:,} tracklets erased ({done.segments:,} pieces of tracks in all)")
    output.print(
        f"With them left {done.crops:,} crops ({done.crop_bytes:,} bytes), {done.boxes:,} boxes and "
        f"{done.embeddings:,} embeddings."
    )
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
