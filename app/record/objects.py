"""Whole files of a site in its store, by their keys: of models, and of an adaptation under way."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from app.record.private_files import make_folder, wipe, write_private


class Objects(Protocol):
    """What keeps whole files by their keys."""

    def put(self, key: str, data: bytes) -> None:
        """Writes an object, whole or not at all."""

    def get(self, key: str) -> bytes | None:
        """All of an object, None where there is none."""

    def remove(self, keys: Iterable[str]) -> None:
        """Removes objects with all their versions. Those that are gone are passed over."""

    def keys_with_versions(self, prefix: str) -> set[str]:
        """The keys below a folder, those with old versions alone included."""


class FolderObjects:
    """`Objects` that are files below a folder, as of a file server."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, data: bytes) -> None:
        """As `Objects.put`."""
        make_folder((self._folder / key).parent)
        write_private(self._folder / key, data)

    def get(self, key: str) -> bytes | None:
        """As `Objects.get`."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, keys: Iterable[str]) -> None:
        """As `Objects.remove`."""
        for key in keys:
            wipe(self._folder / key)

    def keys_with_versions(self, prefix: str) -> set[str]:
        """As `Objects.keys_with_versions`."""
        files = (path for path in (self._folder / prefix).rglob("*") if path.is_file())
        return {path.relative_to(self._folder).as_posix() for path in files}


@lru_cache(64)  # connecting takes a while
def objects_at(store: str) -> Objects:
    """The objects of a store elsewhere than in the site's folder, as `app.record.places` has it."""
    if store.startswith("file:"):
        return FolderObjects(Path(unquote(urlsplit(store).path)))
    from app.record.buckets import Bucket  # it brings what only stores need

    return Bucket(store)
