"""What a site's tracklets teach with labels, the upper bound of adapting: `python -m bench.labelled --site S --truth
DIR --out RUN [--epochs 12] [--size 128x64]`.

Trains the base encoder, supervised, on just the tracklets that the site's versions learned from (so adapt it first),
with the people whom the truth names (`DIR/CAMERA/gt/gt.txt`). It belongs to no site: `python -m bench.gate --site S
--truth DIR --models S/models/v1/model.safetensors RUN/training/model.safetensors` holds it against a version. Tracklets
that were held back are new to both, but their people are not: to the labelled one they are known.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.encoders.versions import learned_from
from app.errors import FootageError, SiteError
from app.learning.adapt import source_of
from app.learning.plan import EPOCHS, MOST_CROPS
from app.record import Site
from app.report.site_accuracy import people_shown
from reid.progress import Bars
from reid.tracklets import TrackletDataset
from reid.training import Settings, pixels, preset, train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True, help="folder of CAMERA/gt/gt.txt")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; the same command goes on in it")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--size", type=pixels, default=(128, 64), help="HEIGHTxWIDTH of crops (default 128x64)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        with Site.open(arguments.site) as site:
            person = people_shown(site, arguments.truth)
            learn = [one for one in learned_from(site).tolist() if one in person]
            if not learn:
                raise SiteError(f"no version of {arguments.site} has learned from anybody yet: adapt it first")
            source = source_of(site, learn, MOST_CROPS[0])
            with Bars() as progress:
                dataset = TrackletDataset.build(arguments.out / "crops", source, *arguments.size, progress=progress)
    except (SiteError, FootageError) as error:
        raise SystemExit(str(error)) from error
    config = preset("supervised")
    settings = Settings(
        config=replace(config, recipe=replace(config.recipe, augment="mild")),
        data=f"site, {len(learn)} tracklets with labels",
        epochs=arguments.epochs,
        seed=arguments.seed,
        size=arguments.size,
    )
    people = np.array([person[one] for one in dataset.source_tracklet.tolist()], np.int64)
    with Bars() as progress:
        result = train(dataset, settings, arguments.out / "training", people=people, progress=progress)
    print(f"{len(dataset)} tracklets of {len(np.unique(people))} people, {result.seconds:.0f} s: {result.model}")


if __name__ == "__main__":
    main()
