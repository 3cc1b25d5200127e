"""The versions of a site's encoder: which there are, which one serves, and how another one comes to serve."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders import embed
from app.errors import SiteError
from app.record import Site, model_files
from app.record.embeddings import Embeddings, embedded_models, embeddings_of
from app.record.leases import ERASING
from app.record.model_store import models_of
from app.record.rows import AuditEntry, ModelRecord, lookup
from deploy.encoder import OnnxEncoder, OnnxError, OpenEncoder
from deploy.models import BASE, shipped
from deploy.probe import ProbeError, probe
from reid.calibration import Calibration
from reid.camera_shift import without_camera
from reid.whole_file import sweep, whole_file

if TYPE_CHECKING:  # it brings SciPy, which a search does without
    from reid.merging import MergeRules, Seen
    from reid.spread import Spread

STRANGERS = ("strangers", "strangers_gallery", "source_tail")  # fields of a calibration
ONNX, WEIGHTS, digest = model_files.ONNX, model_files.WEIGHTS, model_files.digest
BROUGHT = model_files.BROUGHT


def folder_of(site: Site, name: str) -> Path:
    """Where this machine has a version's files."""
    return model_files.model_folder(site.path, name)


def onnx_of(site: Site, model: ModelRecord) -> Path:
    """Where this machine has a version's ONNX file. Where it is shared, it is fetched if need be."""
    return _fetched(site, model.name, ONNX, model.sha256)


def _fetched(site: Site, name: str, file: str, sha256: str | None) -> Path:
    with site.writing():
        return models_of(site.database).path(name, file, sha256)


def in_the_box(file: str) -> Path:
    """A file of an encoder that is shipped. Raises SiteError where it is missing."""
    path = shipped(file)
    if not path.is_file():
        raise SiteError(f"{path} is missing: install Sightline again, or make it with `python -m deploy.models.base`.")
    return path


def weights_of(site: Site, name: str) -> Path:
    """Weights to learn from: a version's, or a file's. Raises SiteError where there are none."""
    if is_weights(Path(name)):
        return Path(name)
    model = find(site, name)
    if model.weights_sha256 is None and model.summary.get("method") == BROUGHT:
        raise SiteError(
            f"{name} was brought as an ONNX file, from which nothing can learn: start from another model with --start."
        )
    path = _fetched(site, name, WEIGHTS, model.weights_sha256)
    if not path.is_file():
        raise SiteError(f"The weights of {name} are not at {path}: start from another model with --start.")
    return path


def is_weights(path: Path) -> bool:
    """Whether a file is called as weights are: safetensors of ours, or a checkpoint of torchreid's."""
    from reid.encoder.torchreid import is_checkpoint  # it brings torch

    return path.suffix == ".safetensors" or is_checkpoint(path)


def checked_weights(path: Path) -> Path:
    """A file of weights that were loaded and run in a process of their own first. Raises SiteError."""
    if not path.is_file():
        raise SiteError(f"There is no file {path}: check the path.")
    try:
        probe(path, "deploy.encoder:try_weights")
    except ProbeError as error:
        raise SiteError(f"{str(error).rstrip('.')}.") from error
    return path


def has_weights(site: Site, name: str) -> bool:
    """Whether a version can be learned from, unless its file is lost. One that was brought as ONNX can't."""
    model = find(site, name)
    return model.weights_sha256 is not None or model.summary.get("method") != BROUGHT


def store_of(site: Site, name: str) -> Embeddings:
    """The embeddings that a version made."""
    return embeddings_of(site.database, name)


def find(site: Site, name: str) -> ModelRecord:
    """A version by its name. Raises SiteError where there is none."""
    models = {model.name: model for model in site.models()}
    if name not in models:
        names = ", ".join(models) or "none: ingest footage first"
        raise SiteError(f"The site at {site.path} has no model {name!r}; it has {names}.")
    return models[name]


def serving(site: Site) -> ModelRecord:
    """The version that embeds and answers. Raises SiteError where the site has none yet."""
    for model in site.models():
        if model.serving:
            return model
    raise SiteError(
        f"The site at {site.path} has no model yet: `python -m app.ingest VIDEOS --site {site.path}` first."
    )


def with_base(site: Site) -> ModelRecord:
    """The version that serves. A site that has none gets the shipped base, whose files are copied into the site."""
    models = site.models()
    if models:
        return serving(site)
    folder = folder_of(site, BASE)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(folder)
    for file, name in ((f"{BASE}.onnx", ONNX), (f"{BASE}.safetensors", WEIGHTS)):
        with whole_file(folder / name, private=True) as part:
            shutil.copyfile(in_the_box(file), part)
    site.add_model(
        ModelRecord(
            name=BASE,
            made=time.time(),
            sha256=digest(folder / ONNX),
            status="deployed",
            reason="the encoder that is shipped",
            summary={"method": "supervised on rendered people"},
            calibration=None,
            serving=True,
        )
    )
    return serving(site)


def open_model(site: Site, model: ModelRecord, *, threads: int | None = None) -> OpenEncoder:
    """Its ONNX file, which must be the one that the record knows. threads: see `OnnxEncoder`. Raises SiteError."""
    path = onnx_of(site, model)
    if not path.is_file() or digest(path) != model.sha256:
        what = "is missing" if not path.is_file() else "is not the file that was deployed"
        raise SiteError(
            f"{path} {what}: let another version serve, `python -m app.models use NAME --site {site.path}`."
        )
    try:
        return OnnxEncoder(path, threads=threads)
    except OnnxError as error:
        raise SiteError(str(error)) from error


def calibrate(
    site: Site,
    model: ModelRecord,
    *,
    afresh: bool = True,
    around: Seen | None = None,
    spread: Spread | None = None,
) -> Calibration:
    """Similarity → probability, learned from the embeddings that this version has made of the site's tracklets.

    afresh: the distribution of strangers, too, which takes a merging. Else it stays as it is, where it is known.
    around: the site's tracklets as `reid.merging.in_context` describes them, where a merging has just done so.
    spread: where look-alikes are looked for, None for this process.
    """
    table = site.tracklet_table()
    ids, halves = store_of(site, model.name).load()
    row, there = lookup(table.ids, ids)
    ids, halves, row = ids[there], halves[there], row[there]
    pairs = site.cannot_link()
    pairs = lookup(ids, pairs[np.isin(pairs, ids).all(1)])[0]
    cameras, merge, identity, sure = table.cameras[row], site.merging(), None, None
    known = {} if afresh or model.calibration is None else model.calibration
    if merge is not None and len(merge.ids):
        identity = merge.of(ids)[1]
        sure = None if known.get("strangers") else _surely_one(site, model, ids, identity, around, spread)
    # As a search compares them: see `app.search.gallery`.
    rows = without_camera(halves.reshape(2 * len(halves), halves.shape[2]), np.repeat(cameras, 2))
    fresh = None if model.name == BASE else ~np.isin(ids, learned_from(site))
    fitted = Calibration.fit(rows.reshape(halves.shape), cameras, pairs, identity, fresh, sure=sure)
    if identity is None or sure is not None:
        return fitted
    return Calibration.from_json(fitted.to_json() | {name: known[name] for name in STRANGERS if name in known})


def _surely_one(
    site: Site,
    model: ModelRecord,
    ids: NDArray[np.int64],
    identity: NDArray[np.int64],
    around: Seen | None,
    spread: Spread | None,
) -> NDArray[np.int64]:
    """(T,) identities of tracklets as a merging finds them that is nearly certain. Who is in none is alone.

    They are `identity` (T,) where what a person said contradicts itself. The next merging tells that.
    """
    from app.encoders.seen import seen_tracklets  # it brings SciPy, which a search does without
    from reid.merging import SURE, MergeError, merge_tracklets

    seen = seen_tracklets(site, store_of(site, model.name)) if around is None else around
    if not len(seen):
        return identity
    try:
        labels = merge_tracklets(seen, SURE, around=around, spread=spread)[1].labels
    except MergeError:
        return identity
    at, there = lookup(seen.ids, ids)
    return np.where(there, labels[at], -1 - np.arange(len(ids)))


def learned_from(site: Site) -> NDArray[np.int64]:
    """Ids of the tracklets that versions of this site may have learned from."""
    ids, held = site.split()
    return ids[~held]


def calibration_of(model: ModelRecord) -> Calibration:
    """How its similarities become probabilities. Raises SiteError where nobody has said so yet."""
    if model.calibration is None:
        raise SiteError(
            f"The model {model.name} is not calibrated: `python -m app.ingest` again, it goes on from there."
        )
    return Calibration.from_json(model.calibration)


def bring_up_to_date(site: Site, progress: Progress = unheard) -> None:
    """Embeds what the serving version has not embedded yet, and calibrates it on all that there is now."""
    model = embed_what_is_new(site, progress)
    site.set_calibration(model.name, calibrate(site, model, afresh=False).to_json())


def embed_what_is_new(site: Site, progress: Progress = unheard) -> ModelRecord:
    """Embeds what the serving version has not embedded yet. Returns that version."""
    model = serving(site)
    embed.update(site, store_of(site, model.name), lambda: open_model(site, model), progress)
    return model


def merge_rules(model: ModelRecord) -> MergeRules:
    """When tracklets are joined by what a version says of their looks."""
    from reid.merging import MergeRules  # it brings SciPy, which a search does without

    usual = MergeRules()
    return replace(usual, across=model.summary.get("across", usual.across))


def with_operating_point(site: Site, model: ModelRecord, served: ModelRecord) -> ModelRecord:
    """A version with the similarity from which it joins tracklets across cameras, by that of the one that served.

    Both have embedded the site's tracklets.
    """
    from app.encoders.seen import seen_tracklets
    from reid.merging import same_share

    before, after = (seen_tracklets(site, store_of(site, version.name)) for version in (served, model))
    across = same_share(before, after, merge_rules(served)).across
    return replace(model, summary={**model.summary, "across": across})


def deploy_model(
    site: Site, model: ModelRecord, progress: Progress = unheard, *, served: ModelRecord | None = None
) -> ModelRecord:
    """Embeds all tracklets with a version, calibrates it, and only then lets it serve.

    served: the version that a new one has adapted from, after which it gets its operating point.
    """
    before = serving(site)
    embed.update(site, store_of(site, model.name), lambda: open_model(site, model), progress)
    if served is not None:
        model = with_operating_point(site, model, served)
    ready = replace(model, calibration=calibrate(site, model).to_json(), status="deployed", serving=True)
    site.add_model(ready)
    if before.name != model.name:
        _let_go(site, {before.name, model.name})
    return find(site, model.name)


def _let_go(site: Site, kept: Collection[str]) -> None:
    """Removes embeddings of versions that neither serve nor did just before. Who lets one serve again, embeds anew."""
    with site.lease(ERASING), site.writing():
        for name in embedded_models(site.database):
            if name not in kept:
                store_of(site, name).remove_all()


def next_name(site: Site) -> str:
    """v1, v2, …: one more than the latest, whatever became of it."""
    numbers = [int(numbered[1]) for model in site.models() if (numbered := re.fullmatch(r"v(\d+)", model.name))]
    return f"v{max(numbers, default=0) + 1}"


@dataclass(frozen=True, slots=True)
class Use:
    """Which version served before, and which does now."""

    before: str
    now: str
    embedded: int  # tracklets that it had not embedded yet


def use(site: Site, name: str, *, who: str, progress: Progress = unheard) -> Use:
    """Lets a version serve, an older one too, and notes who did. Raises SiteError where there is no such version."""
    model, before = find(site, name), serving(site)
    embedded = embed.update(site, store_of(site, name), lambda: open_model(site, model), progress)
    site.note(AuditEntry(time.time(), who, "models use", {"model": name, "before": before.name}))
    deploy_model(site, model, progress)
    return Use(before.name, name, embedded)
