"""A damaged site is made sound: what is lost leaves it, and what derives from the rest is made again.

Files of models come back from what is shipped, and in a store from the copies of this machine.
"""

from __future__ import annotations

import shutil
from contextlib import suppress

from app.asking import Progress, unheard
from app.encoders.versions import BASE, ONNX, WEIGHTS, bring_up_to_date, digest, folder_of, in_the_box
from app.errors import SiteError
from app.record import Site
from app.record.model_store import models_of
from app.record.repair import repair as repair_record
from reid.whole_file import whole_file


def repair(site: Site, *, who: str, progress: Progress = unheard) -> list[str]:
    """Drops what is lost and notes who did, then makes files of models, embeddings and the calibration again.

    Returns a sentence for each thing that was done. Raises SiteError where only a backup helps.
    """
    done = repair_record(site, who=who)
    done += _model_files(site)
    if any(model.serving for model in site.models()):
        try:
            bring_up_to_date(site, progress)
        except SiteError as error:
            done.append(f"embeddings could not be made again: {error}")
    return done


def _model_files(site: Site) -> list[str]:
    """Files of `base` are those that are shipped, unless another version of Sightline made the site."""
    store, done = models_of(site.database), []
    for model in site.models():
        for file, shipped, known in (
            (ONNX, f"{BASE}.onnx", model.sha256),
            (WEIGHTS, f"{BASE}.safetensors", model.weights_sha256),
        ):
            with suppress(OSError):
                if known is None or store.digest(model.name, file, known) == known:
                    continue
            path = folder_of(site, model.name) / file
            with site.writing():
                if not (store.is_elsewhere and path.is_file() and digest(path) == known):
                    if model.name != BASE or digest(in_the_box(shipped)) != known:
                        continue
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    with whole_file(path) as part:
                        shutil.copyfile(in_the_box(shipped), part)
                if store.is_elsewhere:
                    store.put(model.name, file, known)
            done.append(f"{store.where(model.name, file, known)}: it was brought back")
    return done
