"""What an adaptation trains, on what and for how long, so that it fits this machine and the time given.

A probe tries how fast encoders learn here. `fitted` chooses from that which one a version starts from. It also chooses
the size of its crops, epochs, and crops of a tracklet. The plan is written down before anything is trained.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from app.encoders.versions import has_weights, next_name, weights_of
from app.errors import SiteError
from app.record import Site
from app.record.adaptations import PLAN, Adaptations
from app.record.leases import ERASING
from app.record.rows import ModelRecord
from deploy.models import BASE

if TYPE_CHECKING:  # it is slow to import
    import torch

log = logging.getLogger("sightline")

STILL = "the model that serves goes on serving, query and merge work with it"
EPOCHS = 12  # unless others are asked for: on world-a, 16 are no better than 6, on Market-1501's people 12 still are
LARGER = (192, 96)  # px, height and width of crops that teach more than those of the base model, where there are
ENOUGH_TRACKLETS = 1000  # to learn from, for larger crops. Some 450 gain nothing by them
MOST_CROPS = (16, 8, 4, 2)  # of a tracklet, to learn from, and fewer where FEW_EPOCHS do not fit into the time
FEW_EPOCHS = 3
PARTS = (1, 2, 4)  # in which a batch goes through the encoder, for want of memory
PROBE_SECONDS = 2.0
REST = 1.25  # an epoch costs so many times its steps: features of all crops afresh, associations
SPARE = 0.85  # of the minutes are for the epochs that are planned, the rest for what comes before and after
AFTER = 15.0  # s that judging and exporting take, beside about an epoch's time for all the crops that are embedded


class Erased(Exception):
    """Somebody whom an adaptation learns from was erased from the site."""


@dataclass(frozen=True)
class Wishes:
    """What a person asked of an adaptation. It chooses what is None."""

    method: str = "merged"
    minutes: float = 30.0
    epochs: int | None = None
    start: str | None = None  # a version, or a file of weights
    size: tuple[int, int] | None = None  # height and width of crops, px
    seed: int = 0


@dataclass(frozen=True)
class Plan:
    """What is trained, on what. It is written down, so that an interrupted adaptation goes on as it began."""

    model: str
    method: str
    started_from: str
    served: str  # before
    epochs: int
    parts: int  # in which a batch goes through the encoder
    size: tuple[int, int]  # height and width of crops, px
    crops: int  # of a tracklet, at most
    learn: list[int]  # tracklet ids
    after: float  # s that what comes after training takes: gate, export, new embeddings
    wishes: Wishes

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        """Of what `text` gave. Raises KeyError or TypeError where an earlier Sightline planned otherwise."""
        written = json.loads(text)
        wishes = written.pop("wishes")
        size = wishes.pop("size")
        return cls(**written, wishes=Wishes(**wishes, size=size and (size[0], size[1])))

    def text(self) -> str:
        """As it is written down."""
        return json.dumps(dataclasses.asdict(self))


@dataclass(frozen=True)
class Start:
    """An encoder from which a version may learn, and what this machine makes of it."""

    name: str
    size: tuple[int, int]  # height and width of its crops, px
    rate: float  # crops of that size a second, learned from
    parts: int = 1  # in which a batch goes through it


def planned(site: Site, learn: NDArray[np.int64], now: ModelRecord, wishes: Wishes, device: torch.device) -> Plan:
    """What was begun with the same wishes and is not finished, else a new plan.

    learn: ids of the tracklets to learn from. now: the version that serves. Raises SiteError where there is no such
    start, or not enough memory. Raises Erased where one of `learn` has left the site.
    """
    adaptations = Adaptations(site.database)
    for run in adaptations.runs():
        plan = read_plan(run / PLAN)
        if plan and plan.wishes == wishes and plan.learn == learn.tolist() and plan.served == now.name:
            log.info("Going on with %s", plan.model)
            return plan
        log.info("What was begun for %s was for other tracklets or wishes: it begins again", run.name)
        adaptations.drop(run.name)
    from reid.methods import config_named

    usual = now.name if has_weights(site, now.name) else BASE
    if usual != now.name and wishes.start is None:
        log.info(
            "%s serves and was brought as an ONNX file, from which nothing can learn: starting from %s", now.name, BASE
        )
    recipe = config_named(wishes.method).practical().recipe
    start = _probe(site, wishes.start or usual, recipe.batch, wishes.size, device)
    crops = np.array([len(site.crops(number)) for number in learn.tolist()])
    epochs, size, most, seconds = fitted(crops, start, wishes)
    name = next_name(site)
    adaptations.drop(name)
    plan = Plan(
        model=name,
        method=wishes.method,
        started_from=start.name,
        served=now.name,
        epochs=epochs,
        parts=start.parts,
        size=size,
        crops=most,
        learn=learn.tolist(),
        after=AFTER + seconds / REST,
        wishes=wishes,
    )
    with site.lease(ERASING):  # who erases from now on finds the plan, and with it the run
        if not site.are_tracklets(learn):
            raise Erased
        adaptations.begin(name, plan.text())
    log.info(
        "%s: %s on %d tracklets (up to %d crops each), from %s, crops of %d×%d px, batches of "
        "%d crops%s, %d epochs, about %.0f minutes on %s",
        *(name, plan.method, len(learn), most, start.name, *size, recipe.batch),
        *("" if start.parts == 1 else f" in {start.parts} parts", epochs, epochs * seconds / 60, device),
    )
    return plan


def read_plan(path: Path) -> Plan | None:
    """What is written there. None where there is nothing, or an earlier Sightline wrote it, which planned otherwise."""
    try:
        return Plan.parse(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, KeyError, TypeError):
        return None


def fitted(crops: NDArray[np.int64], start: Start, wishes: Wishes) -> tuple[int, tuple[int, int], int, float]:
    """Epochs, size and number of a tracklet's crops for the time given, and such an epoch's seconds.

    crops: (T,) how many there are of each tracklet.
    """

    def seconds(size: tuple[int, int], most: int) -> float:
        area = (size[0] * size[1]) / (start.size[0] * start.size[1])
        return float(max(1, np.minimum(crops, most).sum())) / start.rate * REST * area

    budget, most, epochs = SPARE * 60 * wishes.minutes, MOST_CROPS[0], wishes.epochs or EPOCHS
    size = wishes.size or start.size
    larger = wishes.size is None and len(crops) >= ENOUGH_TRACKLETS and start.size < LARGER
    if larger and epochs * seconds(LARGER, most) <= budget:
        size = LARGER
    if wishes.epochs is not None:
        return epochs, size, most, seconds(size, most)
    most = next((few for few in MOST_CROPS if FEW_EPOCHS * seconds(size, few) <= budget), MOST_CROPS[-1])
    epoch = seconds(size, most)
    return min(EPOCHS, max(1, int(budget / epoch))), size, most, epoch


def _probe(site: Site, name: str, batch: int, size: tuple[int, int] | None, device: torch.device) -> Start:
    """How fast this machine learns with an encoder, whose batches go through it in as few parts as memory allows.

    size: of crops that shall go through it, px. None: its own. Raises SiteError where they don't.
    """
    import torch

    from reid.encoder import load_encoder

    encoder = load_encoder(weights_of(site, name))
    if size is not None:
        try:
            encoder.embed(torch.zeros((1, *size, 3), dtype=torch.uint8))
        except RuntimeError as error:
            raise SiteError(
                f"Crops of {size[0]}x{size[1]} px don't go through {name}, whose stripes want a height that 64 "
                f"divides: give another --size, as 128x64 or 192x96 ({error})."
            ) from error
    encoder.to(device).train()
    optimiser = torch.optim.Adam(encoder.parameters(), 1e-4)
    for parts in PARTS:
        crops = torch.randint(0, 256, (batch // parts, *encoder.size, 3), dtype=torch.uint8).to(device)
        began, steps = time.monotonic(), 0
        try:
            while steps < 2 or time.monotonic() - began < PROBE_SECONDS:
                if steps == 1:  # the first one is slow
                    began = time.monotonic()
                optimiser.zero_grad()
                encoder(crops).square().mean().backward()
                optimiser.step()
                steps += 1
            if crops.is_cuda:
                torch.cuda.synchronize(crops.device)
        except torch.OutOfMemoryError:
            continue
        return Start(name, encoder.size, (steps - 1) * len(crops) / (time.monotonic() - began), parts)
    raise SiteError(
        f"{device} has not enough memory to learn from {batch // PARTS[-1]} crops at once: use --device cpu; {STILL}."
    )
