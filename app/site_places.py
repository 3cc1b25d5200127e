"""Where a site is: `app.site create` and `app.site move`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.asking import this_user
from app.record.move import STAYS, Moved, create, move, remove_left
from app.record.places import FOLDER, RECORD_LIKE, STORE_LIKE, Places, read_places, record_at, store_at
from app.terminal import JsonOption, errors, output, print_json
from reid.foreign import visible
from reid.progress import Bars

SiteArgument = Annotated[Path, typer.Argument(help="The site's folder.")]


def create_command(
    site: SiteArgument,
    record: Annotated[str, typer.Option(help=f"Where its record is going to be: folder, or {RECORD_LIKE}.")] = FOLDER,
    store: Annotated[
        str,
        typer.Option(help=f"Where its pictures are going to be: folder, {STORE_LIKE}, gs://…, az://… or file:///…."),
    ] = FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Make a site whose record, or whose pictures, are elsewhere than in its folder. Writes FOLDER/store.toml."""
    places = Places(record_at(record), store_at(store))
    if places == Places():
        raise typer.BadParameter("give --record, --store or both: a site in its folder is made by `app.ingest`.")
    _say(create(site, places, who=this_user()), as_json)


def move_command(
    site: SiteArgument,
    to: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Where it goes: {RECORD_LIKE} its record, {STORE_LIKE}, gs://…, az://… or file:///… its pictures, "
            "and folder what is named by no other; may be repeated. What is not named stays. All that arrives is "
            "compared with what was sent. The old place keeps its copy until --remove-left."
        ),
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove-left", help="Remove what an earlier move left at the old place, for good.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Move a site's record and pictures, between its folder, a PostgreSQL and an object store. May be interrupted."""
    if remove == bool(to):
        raise typer.BadParameter("give either --to or --remove-left.")
    with Bars(errors) as progress:
        if to is None:
            moved = remove_left(site, who=this_user(), progress=progress)
        else:
            moved = move(site, _wished(site, to), who=this_user(), progress=progress)
    _say(moved, as_json)


def _wished(site: Path, to: list[str]) -> Places:
    """Places as they were typed, each by its kind."""
    places = read_places(site)
    rest = FOLDER in to
    named = [place for place in to if place != FOLDER]
    records = [record_at(place) for place in named if place.startswith("postgres")]
    stores = [store_at(place) for place in named if not place.startswith("postgres")]
    if len(records) > 1 or len(stores) > 1:
        raise typer.BadParameter("name one place for the record, and one for the pictures.", param_hint="--to")
    record, store = (FOLDER, FOLDER) if rest else (places.record, places.store)
    return Places(records[0] if records else record, stores[0] if stores else store)


def _say(moved: Moved, as_json: bool) -> None:
    if as_json:
        print_json(moved)
        return
    record, store = visible(moved.record), visible(moved.store)
    output.print(f"The record of {moved.site} is at {record}, its pictures and models at {store}.")
    if moved.rows or moved.shards:
        output.print(
            f"{moved.rows:,} rows, {moved.embeddings:,} embeddings, {moved.shards:,} shards of pictures "
            f"({moved.bytes / 1e6:.1f} MB) and {moved.models:,} files of models were copied and compared."
        )
    for part, place in moved.left.items():
        what = "record" if part == "record" else "pictures and models"
        output.print(
            f"The {what} as moved are still at {visible(place)}, which `app.forget` does not reach: "
            f"`python -m app.site move {moved.site} --remove-left` removes them."
        )
    if (moved.record, moved.store) != (FOLDER, FOLDER):
        output.print(f"In its folder stay {', '.join(STAYS)}. No other machine has these.")
