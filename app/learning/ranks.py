"""An adaptation on several ranks: what the first one tells the others, and what these do.

The first one plans, keeps checkpoints, judges and writes, as if it were alone. The others learn with it. Each takes the
pictures from the site by itself. A `Store` of torch passes what they say to each other.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch.distributed import Store

from app.encoders.versions import weights_of
from app.errors import SiteError
from app.learning.adapt import LOOK, settings_of, source_of
from app.learning.plan import Plan
from app.record import Site
from app.record.adaptations import Adaptations
from reid.tracklets import DatasetError, TrackletDataset
from reid.training import Diverged, Settings, TrainingError, train
from reid.training.batches import sharers
from reid.training.ranks import joined_ranks
from reid.training.run_folder import digest

_PLAN, _START = "plan", "start"


class Others:
    """All ranks but the first one, as that one knows them."""

    def __init__(self, store: Store, ranks: int) -> None:
        """ranks: how many there are, the first one among them."""
        self._store, self._ranks = store, ranks

    def learn_from(self, plan: Plan) -> None:
        """They take a plan's pictures from now on."""
        self._store.set(_PLAN, plan.text())

    def wait_for_crops(self, dataset: TrackletDataset, look: Callable[[], None]) -> None:
        """Returns when all have the same crops as `dataset`.

        look: called every LOOK seconds. What it raises ends the wait. Raises SiteError where they have others.
        """
        for number in range(1, self._ranks):
            while not self._store.check([_crops(number)]):
                look()
                time.sleep(LOOK)
            if self._store.get(_crops(number)).decode() != digest(dataset):
                look()
                raise SiteError("The site's tracklets changed while machines took them: run the same command again.")

    @contextmanager
    def joined(self, dataset: TrackletDataset, settings: Settings, seconds: float | None) -> Iterator[None]:
        """Around `train` with these arguments: as many train beside this one as can share a batch equally."""
        ranks = sharers(dataset, settings, self._ranks)
        self._store.set(_START, json.dumps({"ranks": ranks, "seconds": seconds}))
        with joined_ranks(store=self._store, rank=0, world_size=ranks):
            yield


def learn_with_first(site: Site, store: Store, number: int, folder: str, device: torch.device) -> None:
    """What a rank does that is not the first. It returns when the training ends, or when it can take no share.

    number: of the rank. folder: its name beside the run's crops, for its own. Raises SiteError where training fails.
    """
    plan = Plan.parse(store.get(_PLAN))
    run = Adaptations(site.database).run(plan.model) / folder
    try:
        source = source_of(site, plan.learn, plan.crops)
        dataset = TrackletDataset.build(run / "crops", source, *plan.size)
        store.set(_crops(number), digest(dataset))
        start = json.loads(store.get(_START))
        if number < start["ranks"]:
            settings = settings_of(plan, weights_of(site, plan.started_from))
            with joined_ranks(store=store, rank=number, world_size=start["ranks"]):
                train(dataset, settings, run, device=device, seconds=start["seconds"])
    except (TrainingError, Diverged, DatasetError, OSError) as error:
        raise SiteError(f"{error} (on {os.uname().nodename})") from error


def _crops(number: int) -> str:
    """Under which a rank says that it has its crops."""
    return f"crops-{number}"
