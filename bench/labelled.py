"""What a site's tracklets teach with labels: the upper bound of adapting.

It trains the base encoder, supervised, on just the tracklets that the site's versions learned from. So adapt it first.
The people are those whom the truth names (`DIR/CAMERA/gt/gt.txt`). The model belongs to no site, and `bench.gate` holds
it against a version. Tracklets that were held back are new to both. But the labelled one knows their people.

    python -m bench.labelled --site S --truth DIR --out RUN
    python -m bench.gate --site S --truth DIR --models S/models/v1/model.safetensors RUN/training/model.safetensors
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from app.encoders.versions import learned_from
from app.errors import SiteError
from app.learning.adapt import source_of
from app.learning.plan import EPOCHS, MOST_CROPS
from app.record import Site
from app.report.site_accuracy import people_shown
from app.terminal import errors
from bench.terminal import run, say
from reid.progress import Bars
from reid.tracklets import DatasetError, TrackletDataset
from reid.training import Diverged, Settings, TrainingError, pixels, preset, train


def command(
    site: Annotated[Path, typer.Option(help="A site that has adapted.")],
    truth: Annotated[Path, typer.Option(help="Folder of CAMERA/gt/gt.txt.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command goes on in it.")],
    epochs: Annotated[int, typer.Option(help="So often through all crops.", min=1)] = EPOCHS,
    size: Annotated[str, typer.Option(metavar="HEIGHTxWIDTH", help="Of crops, px.")] = "128x64",
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Train on a site's tracklets with labels: the upper bound of adapting."""
    height, width = pixels(size)
    with Site.open(site) as opened, Bars(errors) as progress:
        person_of = people_shown(opened, truth)
        tracklet_ids = [tracklet for tracklet in learned_from(opened).tolist() if tracklet in person_of]
        if not tracklet_ids:
            raise SiteError(f"No version of {site} has learned from anybody yet: adapt it first.")
        source = source_of(opened, tracklet_ids, MOST_CROPS[0])
        dataset = TrackletDataset.build(out / "crops", source, height, width, progress=progress)
    config = preset("supervised")
    settings = Settings(
        config=replace(config, recipe=replace(config.recipe, augment="mild")),
        data=f"site, {len(tracklet_ids)} tracklets with labels",
        epochs=epochs,
        seed=seed,
        size=(height, width),
    )
    people = np.array([person_of[tracklet] for tracklet in dataset.source_tracklet.tolist()], np.int64)
    with Bars(errors) as progress:
        result = train(dataset, settings, out / "training", people=people, progress=progress)
    say(f"{len(dataset)} tracklets of {len(np.unique(people))} people, {result.seconds:.0f} s: {result.model}")


if __name__ == "__main__":
    run(command, DatasetError, TrainingError, broke_off=(Diverged,))
