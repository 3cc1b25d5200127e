"""A site teaches itself its own appearance.

It trains on the site's tracklets without a label and asks a gate. The old model serves until the new one is ready in
every part.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders.embed import spread
from app.encoders.judged import MOST_HELD, judged_on
from app.encoders.versions import (
    WEIGHTS,
    bring_up_to_date,
    checked_weights,
    deploy_model,
    folder_of,
    has_weights,
    is_weights,
    open_model,
    serving,
    store_of,
    weights_of,
)
from app.encoders.versions import find as find_model
from app.errors import SiteError, StorageError
from app.learning.plan import STILL, Erased, Plan, Wishes, planned, read_plan
from app.record import Site
from app.record.adaptations import PLAN, TRAINING, Adaptations
from app.record.leases import LEARNING
from app.record.pictures import jpegs_of
from app.record.private_files import wipe
from app.record.rows import AuditEntry, ModelRecord, TrackletTable, pairs_said
from deploy.encoder import OpenEncoder, WeightsEncoder
from reid.whole_file import sweep

if TYPE_CHECKING:  # they bring torch
    import torch

    from app.learning.ranks import Others
    from reid.encoder import Encoder
    from reid.tracklets import TrackletDataset, TrackletSource
    from reid.training import Settings

log = logging.getLogger("sightline")

LEAST_TRACKLETS = 120  # to learn from. A fifth of them judges, and the gate needs 20
BLOCK, HELD_OF = 10, 5  # of every 5 blocks of 10 tracklets in the order of time, one is held back for the gate
OURS = "merged"  # it gained on all sites that were measured, also where the gate could not see it
LOOK = 1.0  # s between looks whether somebody it learns from was erased
MOST_POINTS = 200  # of a curve that a version keeps
PRIOR = 250  # tracklets: what the model that it starts from knows weighs as much as so many (docs/benchmarks/adapt.md)


@dataclass(frozen=True, slots=True)
class AdaptReport:
    """What an adaptation came to."""

    model: str
    method: str
    started_from: str
    served: str  # before
    tracklets: int  # learned from
    held_back: int  # judged by
    crops: int
    backbone: str
    parameters: int
    size: list[int]  # height and width of crops, px
    epochs: float  # fewer than were planned where others slowed the machine down
    images_per_second: float
    gate: dict[str, Any]  # of the candidate
    gate_before: dict[str, Any]  # of the model that served
    deployed: bool
    reason: str
    seconds: float
    share: float  # of the way from the start's weights to the trained ones that the version went


def adapt(
    site: Site,
    *,
    who: str,
    method: str = "merged",
    minutes: float = 30.0,
    epochs: int | None = None,
    start: str | None = None,
    size: tuple[int, int] | None = None,
    device: str | None = None,
    force: bool = False,
    seed: int = 0,
    patience: float = 0.0,
    others: Others | None = None,
    progress: Progress = unheard,
) -> AdaptReport:
    """Trains a new version on the site's tracklets and lets it serve if it is better, or if `force`.

    Others may ingest, search, merge and erase meanwhile. It begins anew where somebody it learns from is erased.

    It goes on where it was interrupted, on any machine where the site's store is shared.

    Args:
        site: The site, opened to write.
        who: Who asked. The audit keeps it.
        method: How it learns, a name in `reid.methods`.
        minutes: For as long as this at most. What is learned is fitted to that, also where others slow the machine
            down.
        epochs: None for EPOCHS, or as many as fit `minutes`.
        start: A version, or a file of weights. None is for the one that serves, or `base` where that one has
            no weights.
        size: Height and width of crops, px. None is for LARGER if there are ENOUGH_TRACKLETS and all epochs fit, else
            for the start's.
        device: `cpu`, `cuda`, `cuda:1`. None is for CUDA where it works.
        force: Let the new version serve whatever the gate says.
        seed: Of everything random.
        patience: Seconds for which another's adaptation is waited for, whose process may just have died.
        others: Ranks that learn with this process, the first one.
        progress: Told of "crops", "training steps" and "tracklets embedded".

    Raises:
        Busy: Another process adapts.
        Erased: Somebody it learns from was erased, and there are others, which begin anew too.
        SiteError: There is too little to learn from, or training fails.
    """
    if start is not None and is_weights(Path(start)):
        start = str(checked_weights(Path(start)).resolve())
    wishes = Wishes(method=method, minutes=minutes, epochs=epochs, start=start, size=size, seed=seed)
    with site.lease(dataclasses.replace(LEARNING, wait=patience)):
        while True:
            try:
                return _adapted(site, wishes, device_named(device), force, who, others, progress)
            except Erased:
                if others is not None:
                    raise
                log.info("Somebody it was learning from was erased: the adaptation begins anew")


def _adapted(
    site: Site,
    wishes: Wishes,
    device: torch.device,
    force: bool,
    who: str,
    others: Others | None,
    progress: Progress,
) -> AdaptReport:
    from reid.encoder import between, load_encoder
    from reid.gate import better
    from reid.tracklets import DatasetError, TrackletDataset
    from reid.training import Diverged, TrainingError, train

    began = time.monotonic()
    if (report := _finished(site, wishes)) is not None:
        return report
    table = site.tracklet_table()
    _check(site, table)
    bring_up_to_date(site, progress)
    now = serving(site)
    if _one_person(site, now):
        raise SiteError(
            f"All tracklets of {site.path} look like one person, who teaches nothing about others: ingest footage with "
            f"more people; {STILL}."
        )
    held = _held_back(site, table)
    plan = planned(site, np.setdiff1d(table.ids, held), now, wishes, device)
    adaptations = Adaptations(site.database)
    run = adaptations.run(plan.model)
    weights = weights_of(site, plan.started_from)
    watched = _Watched(adaptations, plan.model, progress)
    try:
        watched.check()
        if others is not None:
            others.learn_from(plan)
        source = source_of(site, plan.learn, plan.crops)
        dataset = TrackletDataset.build(run / "crops", source, *plan.size, progress=watched)
        settings = settings_of(plan, weights)
        if others is not None:
            others.wait_for_crops(dataset, watched.check)
        watched.check()
        end = began + 60 * wishes.minutes - plan.after
        left = max(1.0, end - time.monotonic()) if wishes.epochs is None else None
        with nullcontext() if others is None else others.joined(dataset, settings, left):
            result = train(dataset, settings, run / TRAINING, device=device, seconds=left, progress=watched)
        watched.carry()
        curves = _curves(run / TRAINING / "log.jsonl")
        started, candidate = load_encoder(weights), load_encoder(Path(result.model))
    except (TrainingError, Diverged, DatasetError, OSError) as error:
        watched.check()  # erasing removes the run: that is why it failed
        raise SiteError(f"{error} ({run} holds the run: remove it to begin again)") from error
    share = 1.0  # weights for crops of another size are no good in these
    if started.size == candidate.size:
        share = len(plan.learn) / (len(plan.learn) + PRIOR)
        candidate = between(started, candidate, share)
    log.info("Judging %s and %s on %d tracklets that were held back", plan.model, now.name, len(held))
    served: OpenEncoder
    if has_weights(site, now.name):
        served = WeightsEncoder(load_encoder(weights_of(site, now.name)).to(device))
    else:
        served = open_model(site, now)
    before = judged_on(site, served, table, held)
    after = judged_on(site, WeightsEncoder(candidate.to(device)), table, held)
    passed, reason = better(after, before, must_gain=plan.method != OURS)
    if force and not passed:
        reason = f"forced, though {reason}"
    summary = {
        "method": plan.method,
        "started_from": Path(plan.started_from).name,
        "served": plan.served,
        "tracklets": len(plan.learn),
        "held_back": len(held),
        "crops": len(dataset.crops),
        "backbone": candidate.config.backbone,
        "parameters": candidate.parameter_count,
        "size": list(candidate.size),
        "epochs": round(plan.epochs * result.completed, 1),
        "images_per_second": result.images_per_second,
        "share": round(share, 3),
        "gate": after.plain(),
        "gate_before": before.plain(),
        "curves": curves,
    }
    if not site.are_tracklets(np.array(plan.learn)):  # also where who erased them died before it came to the run
        raise Erased
    model = _export(site, candidate.to("cpu"), plan.model, summary, reason, dataset)
    details = {"model": plan.model, "method": plan.method, "deployed": passed or force}
    site.note(AuditEntry(time.time(), who, "adapt", details))
    if passed or force:
        deploy_model(site, model, progress, served=now)
    else:
        site.add_model(dataclasses.replace(model, status="refused"))
    wipe(run / "crops")  # of people: not kept twice
    adaptations.drop(plan.model)
    return _report(find_model(site, plan.model), time.monotonic() - began)


def _curves(journal: Path) -> dict[str, Any]:
    """Losses by step, as the training told them, thinned to MOST_POINTS. Each loss is the mean of its epoch so far."""
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    kept = lines[:: max(1, -(-len(lines) // MOST_POINTS))]
    if lines and kept[-1] is not lines[-1]:
        kept.append(lines[-1])
    names = sorted({name for line in kept for name in line if name.startswith("loss/")})
    losses = {name.removeprefix("loss/"): [line.get(name) for line in kept] for name in names}
    return {"steps": [line["step"] for line in kept], "losses": losses}


class _Watched:
    """Progress that ends the work with Erased when somebody it learns from is: erasing removes the plan.

    It also carries each checkpoint to where any machine goes on with it.
    """

    def __init__(self, adaptations: Adaptations, name: str, progress: Progress) -> None:
        self._adaptations, self._name, self._progress = adaptations, name, progress
        self._plan = adaptations.run(name) / PLAN
        self._checkpoint = adaptations.run(name) / TRAINING / "checkpoint.pt"
        self._carried = self._stamp()
        self._next = time.monotonic()

    def __call__(self, task: str, done: int, total: int | None = None, /) -> None:
        try:
            if time.monotonic() >= self._next or not self._plan.is_file():
                self._next = time.monotonic() + LOOK
                self.check()
            self.carry()
        except StorageError as error:  # it goes on, and is looked at again
            log.warning("%s", error)
        self._progress(task, done, total)

    def carry(self) -> None:
        """Carries the checkpoint, if it is a new one."""
        if self._stamp() != self._carried:
            self._adaptations.carry(self._name)
            self._carried = self._stamp()

    def check(self) -> None:
        """Raises Erased where the plan is gone."""
        if not self._adaptations.is_under_way(self._name):
            raise Erased

    def _stamp(self) -> int:
        return self._checkpoint.stat().st_mtime_ns if self._checkpoint.is_file() else 0


def _report(model: ModelRecord, seconds: float) -> AdaptReport:
    summary = model.summary
    return AdaptReport(
        model=model.name,
        seconds=round(seconds, 1),
        deployed=model.status == "deployed",
        reason=model.reason,
        method=summary["method"],
        started_from=summary["started_from"],
        served=summary["served"],
        tracklets=summary["tracklets"],
        held_back=summary["held_back"],
        crops=summary["crops"],
        backbone=summary["backbone"],
        parameters=summary["parameters"],
        size=summary["size"],
        epochs=summary["epochs"],
        images_per_second=summary["images_per_second"],
        gate=summary["gate"],
        gate_before=summary["gate_before"],
        share=summary["share"],
    )


def _finished(site: Site, wishes: Wishes) -> AdaptReport | None:
    """What an adaptation came to that was killed after all was done but tidying up. The tidying is done here."""
    judged = {model.name: model for model in site.models() if model.status != "candidate"}
    adaptations = Adaptations(site.database)
    for run in adaptations.runs():
        if run.name in judged:
            plan = read_plan(run / PLAN)
            adaptations.drop(run.name)
            if plan is not None and plan.wishes == wishes:
                return _report(judged[run.name], 0.0)
    return None


def _export(
    site: Site, encoder: Encoder, name: str, summary: dict[str, Any], reason: str, dataset: TrackletDataset
) -> ModelRecord:
    """Writes a version's files, checks them against each other, and adds it to the record: nothing serves yet."""
    from deploy.export import CHECKED, ExportError, export_model
    from reid.encoder import save_encoder

    folder = folder_of(site, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(folder)
    save_encoder(encoder, folder / WEIGHTS)
    crops = dataset.crops[np.linspace(0, len(dataset.crops) - 1, CHECKED).round().astype(int)]
    try:
        exported = export_model(encoder, folder, {"model": name, **summary}, crops)
    except ExportError as error:
        raise SiteError(f"{error}; the model that served goes on serving.") from error
    assert exported.checked is not None
    summary = {**summary, "export": {"opset": exported.opset, "max_difference": exported.checked.max_difference}}
    model = ModelRecord(name, time.time(), exported.sha256, "candidate", reason, summary, None, False)
    site.add_model(model)
    return model


def device_named(name: str | None) -> torch.device:
    """CUDA where it works, or the one that is named. Raises SiteError where there is no such device."""
    import torch

    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SiteError(
            f"there is no device {name!r} here ({str(error).splitlines()[0]}): use cpu, cuda or cuda:1."
        ) from error
    return device


def _held_back(site: Site, table: TrackletTable) -> NDArray[np.int64]:
    """Ids of the tracklets that no version ever learns from, whole stretches of time.

    New tracklets get theirs by and by. They are stretches, because people who were seen side by side are evidence only
    if both are held back.
    """
    divided, kept = site.split()
    new = ~np.isin(table.ids, divided)
    order = np.flatnonzero(new)[np.argsort(table.start[new], kind="stable")]
    held_now = (np.arange(len(order)) // BLOCK) % HELD_OF == HELD_OF // 2
    if len(order):
        site.add_to_split(table.ids[order], held_now)
    held = np.intersect1d(table.ids, np.concatenate([divided[kept], table.ids[order][held_now]]))
    return held[-MOST_HELD:]


def _check(site: Site, table: TrackletTable) -> None:
    """Raises SiteError, saying what still can be done, where there is too little to learn from."""
    if not len(table):
        raise SiteError(f"The site at {site.path} has no tracklets: ingest footage with people in it first.")
    if len(table) < LEAST_TRACKLETS:
        raise SiteError(
            f"The site at {site.path} has {len(table)} tracklets and adapting needs {LEAST_TRACKLETS}: ingest more "
            f"footage; {STILL}."
        )
    if len(np.unique(table.cameras)) < 2:
        raise SiteError(
            f"All tracklets of {site.path} are of one camera ({table.names[table.cameras[0]]}), and what is learned is "
            f"how people look in others: ingest footage of another camera; {STILL}."
        )


def _one_person(site: Site, now: ModelRecord) -> bool:
    """Whether tracklets are as alike as the halves of one, and nobody was ever seen beside another."""
    if len(site.cannot_link()):
        return False
    halves = store_of(site, now.name).load()[1].astype(np.float32)
    within = np.einsum("td,td->t", halves[:, 0], halves[:, 1])
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(halves), (2, 5000))
    between = np.einsum("td,td->t", halves[first, 0], halves[second, 1])[first != second]
    return bool(np.median(between) >= np.quantile(within, 0.25))


def settings_of(plan: Plan, weights: Path) -> Settings:
    """What a plan trains with. weights: the file of its start."""
    from reid.methods.merged import MergedConfig
    from reid.training import Settings, preset

    config = preset(plan.method)
    if isinstance(config, MergedConfig):
        config = dataclasses.replace(config, shared_clock=True)

    return Settings(
        config=dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, epoch="images")),
        data=f"site, {len(plan.learn)} tracklets",
        protocol="raw-tracklets",
        epochs=plan.epochs,
        seed=plan.wishes.seed,
        init=str(weights),
        size=(plan.size[0], plan.size[1]),
        accumulate=plan.parts,
    )


def source_of(site: Site, learn: list[int], most: int) -> TrackletSource:
    """Tracklets of a site, by their ids, with so many crops of each at most, as the engine takes them."""
    from reid.tracklets import Tracklet, TrackletSource

    table = site.tracklet_table()
    camera = dict(zip(table.ids.tolist(), (table.names[c] for c in table.cameras)))
    corrections = site.corrections()
    apart = np.concatenate([site.cannot_link(), pairs_said(corrections, "split")])
    linked = pairs_said(corrections, "join")
    apart, linked = (pairs[np.isin(pairs, learn).all(1)] for pairs in (apart, linked))

    def tracklets() -> Iterator[Tracklet]:
        for number in learn:
            crops = site.crops(number)
            crops = [crops[k] for k in spread(len(crops), most)] if crops else []
            if crops:
                times, pictures = [], []
                for crop, jpeg in zip(crops, jpegs_of(site.database, crops)):
                    if jpeg is not None:  # else erased just now, or damaged, of which `app.site --verify` tells
                        pictures.append(jpeg)
                        times.append(crop.time)
                if pictures:
                    yield Tracklet(number, camera[number], np.array(times), pictures)

    named = hashlib.sha256(json.dumps([learn, apart.tolist(), linked.tolist(), most]).encode()).hexdigest()
    return TrackletSource(tracklets(), named, cannot_link=apart, must_link=linked)
