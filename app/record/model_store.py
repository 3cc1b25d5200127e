"""The files of a site's models where several machines share it: objects beside its pictures.

An object is `models/VERSION/SHA256.onnx`, or `.safetensors`. It is never written again, as other bytes have another
name. It is written before the record names it. A folder of the site has copies of those that its machine needed.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from app.record.model_files import ONNX, WEIGHTS, digest, model_folder, weights_digest
from app.record.objects import Objects, objects_at
from app.record.places import FOLDER
from app.record.private_files import make_folder, write_private

if TYPE_CHECKING:
    from app.record.database import Database

_TOP = "models"


class ModelStore:
    """The files of a site's models. All raise OSError or StorageError where their place can't be reached."""

    def __init__(self, folder: Path, store: str) -> None:
        """folder: of the site. store: the place of its pictures, as `app.record.places` has it."""
        self._folder, self._store = folder, store
        self.is_elsewhere = store != FOLDER

    @property
    def _objects(self) -> Objects:
        return objects_at(self._store)

    def path(self, name: str, file: str, sha256: str | None) -> Path:
        """Where this machine has a file of a version, which the record knows by its digest.

        It is fetched where the folder has none, or another. What the store has not got, or damaged, is not fetched.
        """
        path = model_folder(self._folder, name) / file
        if self.is_elsewhere and sha256 is not None and not (path.is_file() and digest(path) == sha256):
            data = self._objects.get(_key(name, file, sha256))
            if data is not None and hashlib.sha256(data).hexdigest() == sha256:
                make_folder(path.parent)
                write_private(path, data)
        return path

    def keep(self, name: str) -> str | None:
        """Brings a version's files, which are new in the folder, to where all machines have them.

        Returns the digest of its weights, None where there are none.
        """
        weights = weights_digest(self._folder, name)
        onnx = model_folder(self._folder, name) / ONNX
        if self.is_elsewhere and onnx.is_file():
            self.put(name, ONNX, digest(onnx))
            if weights is not None:
                self.put(name, WEIGHTS, weights)
        return weights

    def put(self, name: str, file: str, sha256: str) -> None:
        """Brings one file from the folder to the store, where that has not got it. What arrived is compared."""
        data = (model_folder(self._folder, name) / file).read_bytes()
        if self._objects.get(_key(name, file, sha256)) == data:
            return
        self._objects.put(_key(name, file, sha256), data)
        if self._objects.get(_key(name, file, sha256)) != data:
            raise OSError(errno.EIO, "what was sent did not arrive", self.where(name, file, sha256))

    def digest(self, name: str, file: str, sha256: str) -> str:
        """SHA-256 of a file where all machines have it. Raises OSError where it is not there."""
        if not self.is_elsewhere:
            return digest(model_folder(self._folder, name) / file)
        data = self._objects.get(_key(name, file, sha256))
        if data is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.where(name, file, sha256))
        return hashlib.sha256(data).hexdigest()

    def where(self, name: str, file: str, sha256: str) -> str:
        """A file's path or URL."""
        return (
            f"{self._store}/{_key(name, file, sha256)}"
            if self.is_elsewhere
            else str(model_folder(self._folder, name) / file)
        )

    def drop_others(self, name: str, kept: Collection[str | None]) -> None:
        """Removes objects of a version that are none of its files: it was made anew, or somebody died.

        kept: digests.
        """
        if self.is_elsewhere:
            there = self._objects.keys_with_versions(f"{_TOP}/{name}")
            self._objects.remove(key for key in there if Path(key).stem not in kept)

    def remove_all(self) -> None:
        """Removes the objects of all versions. Copies in folders stay."""
        if self.is_elsewhere:
            self._objects.remove(sorted(self._objects.keys_with_versions(_TOP)))


def models_of(database: Database) -> ModelStore:
    """The models of a site whose record this is."""
    return models_at(database.folder, database.places.store)


@lru_cache(64)
def models_at(folder: Path, store: str) -> ModelStore:
    """The models at a place. folder: of the site."""
    return ModelStore(folder, store)


def _key(name: str, file: str, sha256: str) -> str:
    return f"{_TOP}/{name}/{sha256}{Path(file).suffix}"
