"""A site as a cluster's worker opens it, on whatever machine that runs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.engine.cluster import in_a_folder
from app.errors import SiteError
from app.record import Site
from app.record.database import Database
from app.record.model_files import ONNX, digest
from app.record.model_store import models_at
from app.record.places import Places, write_places
from app.record.rows import ModelRecord


@dataclass(frozen=True, slots=True)
class ClusterSite:
    """Where a site is, and the versions that a worker needs."""

    path: Path
    places: Places
    sha256: Mapping[str, str]  # of a version's ONNX file, by its name

    @classmethod
    def of(cls, site: Site, models: list[ModelRecord]) -> ClusterSite:
        """Of an open site, with some versions."""
        return cls(site.path.absolute(), site.database.places, {model.name: model.sha256 for model in models})

    def folder(self) -> Path:
        """Its folder where all workers are on its machine. Else a folder of this machine.

        That one is private, says where the site is, and has copies of files that were needed. Raises SiteError where
        somebody else has it.
        """
        if in_a_folder(self.places):
            return self.path
        name = hashlib.blake2b(str((self.path, self.places.record, self.places.store)).encode(), digest_size=12)
        top = Path(tempfile.gettempdir()) / f"sightline-{os.getuid()}"
        folder = top / name.hexdigest()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (top, folder):
            each.chmod(0o700) if each.stat().st_uid == os.getuid() else _refuse(each)
        write_places(folder, Places(self.places.record, self.places.store))
        return folder

    def onnx(self, name: str) -> Path:
        """The file of a version, on this machine. Raises SiteError where the store has none."""
        store = models_at(self.folder(), self.places.store)
        path = store.path(name, ONNX, self.sha256[name])
        if not path.is_file() or digest(path) != self.sha256[name]:
            raise SiteError(
                f"{store.where(name, ONNX, self.sha256[name])} is lost: `python -m app.site --repair` on a machine "
                "that used it brings it back."
            )
        return path

    def open(self) -> Site:
        """Opens it to write. What an erasure left to do is for who has the site's own folder."""
        folder = self.folder()
        return Site(folder, Database.open(folder, write=True))


def _refuse(folder: Path) -> None:
    raise SiteError(f"{folder} on {os.uname().nodename} belongs to somebody else: remove it there.")
