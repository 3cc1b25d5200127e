"""A site as a cluster's worker opens it, on whatever machine that runs."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.encoders.versions import ONNX, digest, folder_of
from app.engine.cluster import answer, in_a_folder
from app.engine.ray_runtime import ray
from app.errors import SiteError
from app.record import Site, model_files
from app.record.database import Database
from app.record.places import Places, write_places
from app.record.rows import ModelRecord
from reid.whole_file import whole_file


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The file of a version, for who has not got the site's folder."""

    name: str
    sha256: str
    onnx: Any  # a reference to its bytes


@dataclass(frozen=True, slots=True)
class ClusterSite:
    """Where a site is, and its files that a worker needs."""

    path: Path
    places: Places
    models: tuple[ModelFile, ...]

    @classmethod
    def of(cls, site: Site, models: list[ModelRecord]) -> ClusterSite:
        """Of an open site, with the files of some versions."""
        files = {model.name: (model.sha256, folder_of(site, model.name) / ONNX) for model in models}
        return cls(
            site.path.absolute(),
            site.database.places,
            tuple(ModelFile(name, sha256, ray.put(path.read_bytes())) for name, (sha256, path) in files.items()),
        )

    def folder(self) -> Path:
        """Its folder where all workers are on its machine. Else a folder of this machine, with files that are needed.

        That one is private, and only says where the site is. Raises SiteError where somebody else has it.
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
        for model in self.models:
            self._fetch(folder, model)
        return folder

    def onnx(self, name: str) -> Path:
        """The file of a version, on this machine."""
        return model_files.model_folder(self.folder(), name) / ONNX

    def open(self) -> Site:
        """Opens it to write. What an erasure left to do is for who has the site's own folder."""
        folder = self.folder()
        return Site(folder, Database.open(folder, write=True))

    @staticmethod
    def _fetch(folder: Path, model: ModelFile) -> None:
        path = model_files.model_folder(folder, model.name) / ONNX
        if path.is_file() and digest(path) == model.sha256:
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(path, private=True) as part:
            part.write_bytes(answer(model.onnx))


def _refuse(folder: Path) -> None:
    raise SiteError(f"{folder} on {os.uname().nodename} belongs to somebody else: remove it there.")
