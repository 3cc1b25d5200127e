"""Where a site's record and its pictures are: what `store.toml` in its folder says. Without it, both are in the folder.

The file has no secrets. PostgreSQL's password stands in `~/.pgpass`, credentials of a store in its usual variables or
files. What a move left behind stands there too, until it is removed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy
from sqlalchemy import URL, exc

from app.errors import SiteError
from app.record.private_files import write_private

STORE = "store.toml"
FOLDER = "folder"  # the site's own, where a URL could stand
RECORD_LIKE, STORE_LIKE = "postgresql://USER@HOST/DATABASE", "s3://BUCKET/PREFIX"
_SCHEMES = ("s3", "gs", "az", "file")


@dataclass(frozen=True, slots=True)
class Places:
    """Where a site is."""

    record: str = FOLDER  # FOLDER, or the URL of a PostgreSQL database
    store: str = FOLDER  # FOLDER, or the URL of an object store or of another folder
    left: Mapping[str, str] = field(default_factory=dict)  # `record` or `store` → where a move left it

    @property
    def url(self) -> URL | None:
        """SQLAlchemy's URL of the record, None where it is in the folder."""
        return None if self.record == FOLDER else sqlalchemy.make_url(self.record).set(drivername="postgresql+psycopg")

    def __str__(self) -> str:
        return f"record: {shown(self.record)}, pictures: {shown(self.store)}"


def read_places(folder: Path) -> Places:
    """What a site's `store.toml` says. Raises SiteError where that is nothing to go by."""
    path = folder / STORE
    if not path.is_file():
        return Places()
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        left = settings.pop("left", {})
        if not settings or not {*settings, *left} <= {"record", "store"}:
            raise ValueError("another key, or none")
        places = Places(**settings, left=left)
        for parts in ({"record": places.record, "store": places.store}, left):
            _check(**parts)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise SiteError(
            f"{path} must say where the record is, or the pictures, and nothing else: "
            f'record = "{RECORD_LIKE}", store = "{STORE_LIKE}".'
        ) from error
    return places


def write_places(folder: Path, places: Places) -> None:
    """Writes `store.toml`, whole or not at all. Raises SiteError where it can't be written."""
    if places == Places():
        (folder / STORE).unlink(missing_ok=True)
        return
    parts = {"record": places.record, "store": places.store}
    lines = [f"{name} = {json.dumps(place)}\n" for name, place in parts.items()]
    if places.left:
        lines.append("\n[left] # by a move: `python -m app.site move` removes it with --remove-left\n")
        lines += [f"{name} = {json.dumps(place)}\n" for name, place in places.left.items()]
    write_private(folder / STORE, "".join(lines).encode())


def record_at(text: str) -> str:
    """A place for a record, as somebody gave it. Raises SiteError where it is none, or has a password."""
    try:
        _check(record=text)
        password = text != FOLDER and bool(sqlalchemy.make_url(text).password)
    except (ValueError, TypeError) as error:
        raise SiteError(f"A record is in the folder, or at {RECORD_LIKE}: give such a URL.") from error
    if password:
        raise SiteError("A password is for nobody else's eyes: put it into ~/.pgpass, and give the URL without it.")
    return text


def store_at(text: str) -> str:
    """A place for pictures, as somebody gave it. Raises SiteError where it is none, or has credentials."""
    text = text.rstrip("/")
    try:
        _check(store=text)
    except ValueError as error:
        raise SiteError(
            f"Pictures are in the folder, or at {STORE_LIKE}, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or "
            "file:///FOLDER: give such a URL, without credentials."
        ) from error
    return text


def shown(place: str) -> str:
    """A place as anybody may read it."""
    return sqlalchemy.make_url(place).render_as_string() if place.startswith("postgres") else place


def _check(record: str = FOLDER, store: str = FOLDER) -> None:
    """Raises ValueError or TypeError where one is no place."""
    if record != FOLDER:
        try:
            url = sqlalchemy.make_url(record)
        except exc.ArgumentError as error:
            raise ValueError("no URL") from error
        if url.drivername not in ("postgresql", "postgres"):
            raise ValueError("no PostgreSQL")
    if store != FOLDER:
        parts = urlsplit(store)
        names = [parts.netloc, *parts.path.strip("/").split("/")]
        if parts.scheme not in _SCHEMES or parts.query or parts.fragment or "@" in parts.netloc or ".." in names:
            raise ValueError("no store")
        if bool(parts.netloc) == (parts.scheme == "file") or (parts.scheme == "file" and not names[1]):
            raise ValueError("no bucket, container or folder")
