"""Adaptations under way: a folder each, and where several machines share a site what another needs to go on with one.

That is `adapt/VERSION/plan.json`, `log.jsonl` and `checkpoint.pt` in the store. The plan comes first and says which
tracklets are learned from. Erasing removes it first, so who trains elsewhere finds it gone.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from app.record.database import Database
from app.record.objects import Objects, objects_at
from app.record.places import FOLDER
from app.record.private_files import make_folder, wipe, write_private

PLAN = "plan.json"
TRAINING = "training"  # the folder of a run's training
_CARRIED = ("log.jsonl", "checkpoint.pt")  # files of a training, without which none goes on. The last one counts
_TOP = "adapt"


class Adaptations:
    """Those of a site, one at a time. All raise OSError or StorageError where their place can't be reached."""

    def __init__(self, database: Database) -> None:
        self._folder = database.folder / _TOP
        store = database.places.store
        self._objects: Objects | None = None if store == FOLDER else objects_at(store)

    def run(self, name: str) -> Path:
        """The folder of a version's adaptation on this machine."""
        return self._folder / name

    def runs(self) -> list[Path]:
        """The folders of all on this machine, as the store has them where there is one."""
        if self._objects is not None:
            self._fetch(self._objects)
        return sorted(path for path in self._folder.glob("*") if path.is_dir())

    def begin(self, name: str, plan: str) -> None:
        """Writes a plan down: who erases from now on finds it, on any machine."""
        make_folder(self.run(name))
        write_private(self.run(name) / PLAN, plan.encode())
        if self._objects is not None:
            self._objects.put(_key(name, PLAN), plan.encode())

    def is_under_way(self, name: str) -> bool:
        """Whether nobody whom it learns from was erased, as far as this machine and the store know."""
        return (self.run(name) / PLAN).is_file() and (
            self._objects is None or self._objects.get(_key(name, PLAN)) is not None
        )

    def carry(self, name: str) -> None:
        """Brings how far a training is to where any machine goes on with it, unless somebody was erased meanwhile."""
        if self._objects is None or not (self.run(name) / TRAINING / _CARRIED[-1]).is_file():
            return
        for file in _CARRIED:
            with suppress(FileNotFoundError):
                self._objects.put(_key(name, file), (self.run(name) / TRAINING / file).read_bytes())
        if self._objects.get(_key(name, PLAN)) is None:  # whoever erased has not seen these
            self._objects.remove([_key(name, file) for file in _CARRIED])

    def drop(self, name: str) -> None:
        """Removes one, its bytes overwritten: it is done, or begins anew."""
        if self._objects is not None:
            keys = self._objects.keys_with_versions(f"{_TOP}/{name}")
            self._objects.remove(sorted(keys, key=lambda key: not key.endswith(PLAN)))
        wipe(self.run(name))

    def tidy(self, rank: str) -> None:
        """Removes what ranks had here, whose folders begin so, and then what the store has not got any more."""
        for folder in self._folder.glob(f"*/{rank}*"):
            wipe(folder)
        if self._objects is not None:
            self._forget(self._objects.keys_with_versions(_TOP))

    def of(self, ids: Collection[int]) -> list[str]:
        """Names of those, on this machine or in the store, that learn from some tracklets. If in doubt, one does."""
        gone = set(ids)
        names = {path.name for path in self._folder.glob("*") if path.is_dir() and _learns(_read(path / PLAN), gone)}
        if self._objects is not None:
            stored = {key.split("/")[1] for key in self._objects.keys_with_versions(_TOP)}
            names |= {name for name in stored if _learns(self._objects.get(_key(name, PLAN)), gone)}
        return sorted(names)

    def _fetch(self, objects: Objects) -> None:
        """What another machine began is here from now on. What the store has not got, is not here either."""
        keys = objects.keys_with_versions(_TOP)
        self._forget(keys)
        for name in sorted({key.split("/")[1] for key in keys}):
            plan = objects.get(_key(name, PLAN))
            if plan is None:
                self.drop(name)  # of who died while removing it
                continue
            if _read(self.run(name) / PLAN) != plan:
                wipe(self.run(name))
            make_folder(self.run(name) / TRAINING)
            for file in _CARRIED:
                data = objects.get(_key(name, file))
                if data is not None:
                    write_private(self.run(name) / TRAINING / file, data)
            write_private(self.run(name) / PLAN, plan)

    def _forget(self, keys: Collection[str]) -> None:
        """Removes what is here alone. keys: of the store."""
        for path in self._folder.glob("*"):
            if _key(path.name, PLAN) not in keys:
                wipe(path)


def _key(name: str, file: str) -> str:
    return f"{_TOP}/{name}/{file}"


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _learns(plan: bytes | None, ids: set[int]) -> bool:
    try:
        return plan is None or not ids.isdisjoint(json.loads(plan)["learn"])
    except (ValueError, KeyError, TypeError):
        return True
