"""Works that stop at a stage and wait there to be killed, each in a process of its own."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from app.learning.adapt import adapt
from app.record import Site
from app.record.database import Database
from app.search.merging import merge
from tests.app.works import cheap_adaptation

CHEAPLY: dict[str, Any] = {"epochs": 2, "start": "base", "size": (64, 32), "force": True}  # how `adapt_until` adapts
# Of these, only calls count that are about such a path, which is the argument of this number.
ABOUT = {"end": (0, r"adapt/v1$"), "writing": (1, r"models/v1/")}
LATEST = 60.0  # s after which who was not killed goes on
STAGES = {  # what is called there, and which call of it is the one
    "training": ("reid.training.checkpoint", "Checkpoint.save", 2),
    "gate": ("app.learning.adapt", "judged_on", 2),
    "export": ("app.learning.adapt", "_export", 1),
    "writing": ("safetensors.torch", "save_file", 1),
    "embedding": ("app.encoders.embed", "embed", 2),
    "switch": ("app.record.site", "Site.add_model", 2),
    "end": ("app.record.adaptations", "wipe", 2),  # the first is of what was there before
}


def stop_at(stage: str, tell: Callable[[], None]) -> None:
    """From now on this process tells when it comes to the stage, and waits there."""
    module, name, turn = STAGES[stage]
    owner: Any = importlib.import_module(module)
    if stage == "training":
        owner.CHECKPOINT_SECONDS = 0.0
    *classes, attribute = name.split(".")
    for part in classes:
        owner = getattr(owner, part)
    kept, count = getattr(owner, attribute), 0

    def stop(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        argument, path = ABOUT.get(stage, (0, ""))
        count += path == "" or re.search(path, str(arguments[argument])) is not None
        if count == turn:
            tell()
            time.sleep(LATEST)
        return kept(*arguments, **options)

    setattr(owner, attribute, stop)


def adapt_until(stage: str, path: Path, ear: Connection) -> None:
    """Adapts CHEAPLY up to a stage, and sends its name there."""
    torch.set_num_threads(1)
    cheap_adaptation()
    stop_at(stage, lambda: ear.send(stage))
    with Site.open_to_write(path) as site:
        adapt(site, who="test", **CHEAPLY)


def merge_until(statement: str, path: Path, ear: Connection) -> None:
    """Merges up to the record's first statement with these words, which is not yet committed, and sends them there."""
    kept = Database.execute

    def stop(self: Database, executed: Any, *arguments: Any) -> Any:
        result = kept(self, executed, *arguments)
        if statement in str(executed):
            ear.send(statement)
            time.sleep(LATEST)
        return result

    with patch.object(Database, "execute", stop), Site.open_to_write(path) as site:
        merge(site, who="test")


def killed_at(start: ForkServerContext, work: Callable[[str, Path, Connection], None], stage: str, path: Path) -> None:
    """Runs a work in a process of its own, which is killed where it comes to the stage."""
    heard, ear = start.Pipe(duplex=False)
    process = start.Process(target=work, args=(stage, path, ear))
    process.start()
    ear.close()  # so that the end of the process is heard too
    assert heard.recv() == stage
    process.kill()
    process.join()
