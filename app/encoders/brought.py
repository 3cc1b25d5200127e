"""An encoder that was trained elsewhere becomes a version of a site.

It is stored as a file of our convention, embeds all tracklets, is calibrated without labels and judged by the gate,
while the old version serves. Killed anywhere, the same command goes on and comes to the same end.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.asking import Progress, unheard
from app.encoders import embed
from app.encoders.judged import MOST_HELD, judged_on
from app.encoders.trial import Chosen, Trial, choose
from app.encoders.versions import (
    BASE,
    BROUGHT,
    ONNX,
    WEIGHTS,
    bring_up_to_date,
    calibrate,
    checked_weights,
    deploy_model,
    digest,
    find,
    folder_of,
    is_weights,
    learned_from,
    onnx_of,
    open_model,
    serving,
    store_of,
    with_operating_point,
)
from app.errors import SiteError
from app.record import Site
from app.record.leases import LEARNING
from app.record.private_files import make_folder
from app.record.rows import AuditEntry, ModelRecord
from deploy.encoder import OnnxError
from deploy.export import ExportError
from deploy.foreign import MOST_BYTES, convert, read_foreign
from deploy.preprocessing import Preprocessing, Told
from deploy.probe import ProbeError, probe
from reid.whole_file import sweep, whole_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # also a folder's name
OF_ADAPT = re.compile(r"v\d+", re.IGNORECASE)
CANDIDATE, REFUSED, DEPLOYED = "candidate", "refused", "deployed"


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of an encoder that was brought."""

    model: str
    file: str
    size: list[int]  # height and width of crops, px
    dimensions: int
    input: str
    scale: str
    output: str
    preprocessing_by: str  # told, the file, trial
    trials: list[Trial]  # the best first
    served: str  # before
    gate: dict[str, Any] | None  # None where nobody asked it
    gate_before: dict[str, Any] | None  # of the version that served
    deployed: bool  # it serves, or did
    serves: bool
    reason: str


def bring(
    site: Site,
    file: Path,
    *,
    who: str,
    name: str | None = None,
    told: Told = Told(),
    judge: bool = True,
    force: bool = False,
    progress: Progress = unheard,
) -> Brought:
    """Makes an encoder's file a version of the site, and lets it serve if the gate finds it better.

    Others may ingest, search, merge and erase meanwhile. A file that is a version already is not taken in again.

    Args:
        site: The site, opened to write.
        file: An ONNX file, weights of ours (safetensors), or an OSNet's checkpoint of torchreid's (`.pth`).
        who: Who asked. The audit keeps it.
        name: Of the version. None is for the file's.
        told: How it wants its pictures. What is not told is found.
        judge: Ask the gate. Else it serves.
        force: Let it serve whatever the gate says.
        progress: Told of what is under way.

    Raises:
        Busy: Another process adapts, or brings an encoder.
        SiteError: The file is no encoder, or its name is taken, or nothing tells how it wants its pictures.
    """
    with site.lease(LEARNING):
        name, sha256 = check_file(file, name), digest(file)
        known = next((model for model in site.models() if model.name == name), None)
        if known is not None:
            _check_same(site, known, sha256, file, told)
            if known.status != CANDIDATE:
                if known.status == REFUSED and (force or not judge):
                    known = _let_serve(site, known, f"forced, though {known.reason}", who, progress)
                return _report(known)
        if not len(site.tracklet_table()):
            raise SiteError(f"The site at {site.path} has no tracklets: ingest footage with people in it first.")
        bring_up_to_date(site, progress)
        model = _taken_in(site, name, file, sha256, told, known, progress)
        embed.update(site, store_of(site, name), lambda: open_model(site, model), progress)
        if not judge:
            return _report(_let_serve(site, model, "the site began with it", who, progress))
        passed, model = _judged(site, model, progress)
        if passed or force:
            reason = model.reason if passed else f"forced, though {model.reason}"
            return _report(_let_serve(site, model, reason, who, progress))
        model = with_operating_point(site, model, serving(site))  # for whoever lets it serve later
        site.note(_entry(who, model, deployed=False))
        site.add_model(replace(model, calibration=calibrate(site, model).to_json(), status=REFUSED))
        return _report(find(site, name))


def begin_with(site: Site, file: Path, *, who: str) -> None:
    """Notes in the audit that a new site is to serve with a file. `bring` does it once there are tracklets.

    Raises SiteError where the file is no encoder, or where the site did not begin with it.
    """
    name, sha256 = check_file(file), digest(file)
    details = {"model": name, "file": file.name, "sha256": sha256}
    if not site.models():
        site.note(AuditEntry(time.time(), who, "ingest with encoder", details))
    elif not any(
        entry.action == "ingest with encoder" and entry.details.get("sha256") == sha256 for entry in site.audit()
    ):
        raise SiteError(
            f"The site at {site.path} has a model already, and --encoder is for a new one: "
            f"`python -m app.models add {file} --site {site.path}`."
        )


def check_file(file: Path, name: str | None = None) -> str:
    """The name of the version that a file becomes. Raises SiteError where it can't be one, before anything is done.

    It is loaded and run in a process of its own, which has limits of time and memory.
    """
    weights = is_weights(file)
    if not weights and file.suffix != ".onnx":
        raise SiteError(
            f"{file} is no encoder: name an ONNX file (.onnx), safetensors of ours, or a .pth of torchreid's."
        )
    if not file.is_file():
        raise SiteError(f"There is no file {file}: check the path.")
    if file.stat().st_size > MOST_BYTES:
        raise SiteError(f"{file} has more than {MOST_BYTES:,} bytes: name a smaller encoder.")
    wanted = re.sub(r"[^A-Za-z0-9_-]+", "-", file.name.split(".")[0]).strip("-_") if name is None else name
    if not NAME.fullmatch(wanted) or OF_ADAPT.fullmatch(wanted) or wanted.lower() == BASE:
        raise SiteError(
            f"{wanted!r} can't be a version's name: give another with --as, of letters, digits, - and _, and none that "
            f"Sightline gives ({BASE}, v1, v2, …)."
        )
    if weights:
        checked_weights(file)
        return wanted
    try:
        probe(file, "deploy.foreign:try_foreign")
    except ProbeError as error:
        raise _told(error) from error
    return wanted


def _told(error: Exception) -> SiteError:
    return SiteError(f"{str(error).rstrip('.')}.")


def _check_same(site: Site, known: ModelRecord, sha256: str, file: Path, told: Told) -> None:
    """Raises SiteError unless a version of that name is of the same file, with pictures prepared as told."""
    if known.summary.get("source") != sha256:
        raise SiteError(
            f"The site at {site.path} has a model {known.name} already, of another file: give another --as."
        )
    if known.status != CANDIDATE and not told.allows(_chosen(known).preprocessing):
        raise SiteError(
            f"{known.name} is {file.name} with {_chosen(known).preprocessing} already: give another --as for other "
            "pictures."
        )


def _chosen(model: ModelRecord) -> Chosen:
    return Chosen.from_plain(model.summary["preprocessing"])


def _taken_in(
    site: Site, name: str, file: Path, sha256: str, told: Told, known: ModelRecord | None, progress: Progress
) -> ModelRecord:
    """A candidate in the record, with its files. What a killed run left is taken, where it was for the same."""
    folder = folder_of(site, name)
    if known is not None and told.allows(_chosen(known).preprocessing):
        path = onnx_of(site, known)
        if path.is_file() and digest(path) == known.sha256:
            return known
    store = store_of(site, name)
    for footage in store.files():  # of a candidate that prepared its pictures in another way
        store.drop(footage)
    make_folder(folder)
    sweep(folder)
    with site.writing():
        try:
            summary = (_weights if is_weights(file) else _onnx)(site, file, folder, told, progress)
        except (OnnxError, ExportError) as error:
            raise _told(error) from error
    summary = {"method": BROUGHT, "file": file.name, "source": sha256, **summary}
    model = ModelRecord(name, time.time(), digest(folder / ONNX), CANDIDATE, "not judged yet", summary, None, False)
    site.add_model(model)
    return find(site, name)


def _onnx(site: Site, file: Path, folder: Path, told: Told, progress: Progress) -> dict[str, Any]:
    """Writes an ONNX file as one of our convention. Returns what is known of it."""
    foreign = read_foreign(file)
    chosen = choose(site, foreign, told, progress)
    summary = {
        "size": list(foreign.size),
        "dimensions": foreign.outputs[chosen.output],
        "preprocessing": chosen.plain(),
    }
    with whole_file(folder / ONNX, private=True) as part:
        convert(foreign, part, chosen.preprocessing, chosen.output, {"file": file.name, **summary})
    return summary


def _weights(site: Site, file: Path, folder: Path, told: Told, progress: Progress) -> dict[str, Any]:
    """Writes a network of ours as weights to learn from, and as ONNX. Returns what is known of it."""
    from deploy.export import export_model
    from reid.encoder import load_encoder, save_encoder

    prepared = Preprocessing("rgb", "255")  # the rest is in the network
    if not told.allows(prepared):
        raise SiteError(f"{file} takes {prepared}, which --input and --scale exclude: leave them out.")
    encoder = load_encoder(file)
    summary = {
        "size": list(encoder.size),
        "dimensions": encoder.config.dimensions,
        "backbone": encoder.config.backbone,
        "parameters": encoder.parameter_count,
        "preprocessing": Chosen(prepared, "embedding", "the file").plain(),
    }
    save_encoder(encoder, folder / WEIGHTS)
    export_model(encoder, folder, {"file": file.name, **summary})
    return summary


def _judged(site: Site, model: ModelRecord, progress: Progress) -> tuple[bool, ModelRecord]:
    """Whether a candidate is better than the version that serves, and the candidate with the gate's reason.

    Those tracklets judge that no version has learned from.
    """
    from reid.gate import better

    now, table = serving(site), site.tracklet_table()
    held = table.ids[~np.isin(table.ids, learned_from(site))]
    if not len(held):
        held = table.ids
    if len(held) > MOST_HELD:
        held = np.random.default_rng(0).choice(held, MOST_HELD, replace=False)
    before = judged_on(site, open_model(site, now), table, held, progress)
    after = judged_on(site, open_model(site, model), table, held, progress)
    passed, reason = better(after, before)
    gates = {"gate": after.plain(), "gate_before": before.plain(), "served": now.name}
    return passed, replace(model, reason=reason, summary={**model.summary, **gates})


def _let_serve(site: Site, model: ModelRecord, reason: str, who: str, progress: Progress) -> ModelRecord:
    now = serving(site)
    site.note(_entry(who, model, deployed=True))
    model = replace(model, reason=reason, summary={"served": now.name, **model.summary})
    return deploy_model(site, model, progress, served=now)


def _entry(who: str, model: ModelRecord, *, deployed: bool) -> AuditEntry:
    details = {"model": model.name, "file": model.summary["file"], "sha256": model.summary["source"]}
    return AuditEntry(time.time(), who, "models add", {**details, "deployed": deployed})


def _report(model: ModelRecord) -> Brought:
    summary, chosen = model.summary, _chosen(model)
    return Brought(
        model=model.name,
        file=summary["file"],
        size=summary["size"],
        dimensions=summary["dimensions"],
        input=chosen.preprocessing.input,
        scale=chosen.preprocessing.scale,
        output=chosen.output,
        preprocessing_by=chosen.by,
        trials=list(chosen.trials),
        served=summary["served"],
        gate=summary.get("gate"),
        gate_before=summary.get("gate_before"),
        deployed=model.status == DEPLOYED,
        serves=model.serving,
        reason=model.reason,
    )
