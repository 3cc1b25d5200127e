"""Does the gate, which has no labels, order models as truth does? `python -m bench.gate --data market1501:DIR --models
FILE… [--json]`, or with a site whose people are known, `--site S --truth DIR` (`DIR/CAMERA/gt/gt.txt`).

Per model: the gate's score and parts on the unlabelled tracklets (the training part's, or the site's), then what truth
says: mAP of those tracklets, and on labelled benchmarks mAP of the test part; how well the calibration learned without
labels fits (expected calibration error at equal prior odds, within and across cameras, beside that of the default
curves); and open-set search among the tracklets: how many people are found at a false alarm rate of 1 % and 10 %, and
which rate the label-free threshold for 10 % really has. Last, Spearman's ρ of score and mAP, and what the gate would
say of each model if the first one served (here all tracklets ask; in adapt most parts ask those that were held back).

`--people SHARE` takes only a random part of a benchmark's people, to save time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from app.encoders.embed import spread
from app.encoders.versions import BASE, learned_from
from app.errors import FootageError, SiteError
from app.record import Site
from app.report.site_accuracy import people_shown
from deploy.encoder import OpenEncoder, open_encoder
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import RAW, Labels
from reid.calibration import FAR, Calibration, even_weights, open_set, reliability, searches
from reid.camera_shift import without_camera
from reid.evaluate import Embeddings, EvaluationError, evaluate_retrieval
from reid.gate import GateScore, better, judge
from reid.merging import MergeRules, Seen, merge_tracklets
from reid.normalised import normalised
from reid.progress import Bars, Progress, unheard
from reid.tracklets import Tracklet, TrackletDataset, TrackletSource

PAIRS = 300_000  # of two people, that the calibration is tested on; all of one person are taken


@dataclass(frozen=True)
class Known:
    """A set with truth: where its tracklets come from, and who they show."""

    train: TrackletSource
    labels: Labels  # of `train`
    query: tuple[TrackletSource, Labels] | None = None
    gallery: tuple[TrackletSource, Labels] | None = None
    learned: NDArray[np.int64] | None = None
    """Of a site that has adapted: what its versions learned from."""


def some_people(source: TrackletSource, labels: Labels, share: float) -> tuple[TrackletSource, Labels]:
    """Tracklets of a random share of the people, always the same ones."""
    if share >= 1:
        return source, labels
    names, which = np.unique(labels.people, return_inverse=True)
    kept = (np.random.default_rng(len(names)).random(len(names)) < share)[which] | (labels.people < 1)
    tracklets = [one for one, keep in zip(source.tracklets, kept) if keep]
    fewer = replace(source, tracklets=tracklets, fingerprint=f"{source.fingerprint} {share}", pictures=None)
    if fewer.cannot_link is not None:
        ids = np.array([one.id for one in tracklets])
        fewer = replace(fewer, cannot_link=fewer.cannot_link[np.isin(fewer.cannot_link, ids).all(1)])
    people = np.full(max((one.id for one in tracklets), default=0) + 1, -1)
    cameras = people.copy()
    for one in tracklets:
        people[one.id], cameras[one.id] = labels.people[one.id], labels.cameras[one.id]
    return fewer, Labels(people, cameras)


def read_benchmark(name: str, protocol: str, share: float) -> Known:
    found = open_benchmark(name, protocol)
    if found.truth is None or found.query is None or found.gallery is None:
        raise SystemExit(f"{name} has no labels to test with")
    if found.truth.query is None or found.truth.gallery is None:
        raise SystemExit(f"{name} has no labels to test with")
    train = some_people(found.train, found.truth.train, share)
    return Known(*train, (found.query, found.truth.query), (found.gallery, found.truth.gallery))


def read_site(path: Path, truth: Path, crops: int) -> Known:
    """A site's tracklets, who they show by its truth (−1: nobody), and where. Ids are places in the site's table."""
    with Site.open(path) as site:
        table, pairs = site.tracklet_table(), site.cannot_link()
        learned = np.flatnonzero(np.isin(table.ids, learned_from(site)))
        shown = people_shown(site, truth)
        people = np.array([shown.get(one, -1) for one in table.ids.tolist()], np.int64)

        def tracklets() -> Iterator[Tracklet]:
            with Site.open(path) as opened:
                for place, number in enumerate(table.ids.tolist()):
                    mine = opened.crops(number)
                    mine = [mine[k] for k in spread(len(mine), crops)]
                    pictures = [opened.crop_jpeg(crop) for crop in mine]
                    yield Tracklet(
                        place, table.names[table.cameras[place]], np.array([crop.time for crop in mine]), pictures
                    )

    source = TrackletSource(tracklets(), f"{path} {crops}", cannot_link=np.searchsorted(table.ids, pairs))
    return Known(source, Labels(people, table.cameras), learned=learned)


def embedded(dataset: TrackletDataset, encoder: OpenEncoder) -> NDArray[np.float32]:
    """(N, D) of all crops, a piece in memory at a time."""
    parts = np.array_split(np.arange(len(dataset.crops)), max(1, len(dataset.crops) // 512))
    found = [encoder.embed(np.asarray(dataset.crops[part])) for part in parts]
    return np.concatenate(found).astype(np.float32)


def halves_of(rows: NDArray[np.float32], dataset: TrackletDataset) -> NDArray[np.float32]:
    """(T, 2, D), as `app.embed` makes them and `app.gallery` sees them: without what their camera adds."""
    found = []
    for start, length in zip(dataset.start, dataset.length):
        mine, cut = rows[start : start + length], length // 2
        found.append(np.stack([mine[: max(cut, 1)].mean(0), mine[cut:].mean(0)]))
    halves = normalised(np.concatenate(found))
    return without_camera(halves, np.repeat(dataset.tracklet_camera, 2)).reshape(len(found), 2, -1)


def merged(rows: NDArray[np.float32], dataset: TrackletDataset) -> NDArray[np.int64]:
    """(T,) identities as merging finds them without a common clock and without places; rows (T, D)."""
    start, end = dataset.time[dataset.start], dataset.time[dataset.start + dataset.length - 1]
    camera, apart = dataset.tracklet_camera, dataset.cannot_link
    seen = Seen(np.arange(len(rows)), camera, start, end, rows, cannot_link=apart)
    return merge_tracklets(seen, MergeRules(), shared_clock=False)[1].labels


def judged(rows: NDArray[np.float32], dataset: TrackletDataset) -> GateScore:
    last = dataset.start + dataset.length - 1
    return judge(
        rows,
        dataset.tracklet,
        dataset.tracklet_camera,
        dataset.time[dataset.start],
        dataset.time[last],
        dataset.cannot_link,
    )


def against_truth(
    halves: NDArray[np.float32], dataset: TrackletDataset, people: NDArray[np.int64], fresh: NDArray[np.bool_]
) -> dict[str, Any]:
    """Calibration and open-set search among tracklets, those on nobody left out.

    fresh: (T,) which of them the encoder was not trained on: those ask, and pairs with one of them are looked at.
    """
    rows = normalised(halves.sum(1))
    camera = dataset.tracklet_camera
    calibration = Calibration.fit(halves, camera, dataset.cannot_link, merged(rows, dataset), fresh)
    kept = people > 0
    rows, fresh = rows[kept], fresh[kept]
    who, camera = people[kept], dataset.tracklet_camera[kept]
    own = Embeddings(torch.from_numpy(rows), who, camera)
    one, other = np.triu_indices(len(who), 1)
    looked_at = fresh[one] | fresh[other]
    one, other = one[looked_at], other[looked_at]
    same = who[one] == who[other]
    true_share = float(same[camera[one] != camera[other]].mean())
    thinned = max(1.0, len(same) / PAIRS)
    chosen = same | (np.random.default_rng(0).random(len(same)) < PAIRS / len(same))
    one, other, same = one[chosen], other[chosen], same[chosen]
    similarity = np.einsum("pd,pd->p", rows[one], rows[other]).astype(np.float64)
    apart = camera[one] != camera[other]
    report: dict[str, Any] = {"mAP": evaluate_retrieval(own, own).mAP}
    report |= {"share": calibration.share, "true_share": true_share}
    curve = reliability(  # as a query shows it, at the odds that a random pair has
        calibration.probability(similarity, apart, prior=calibration.share), same, weight=np.where(same, 1.0, thinned)
    )
    told = curve.predicted >= 0.1  # nearly all pairs are surely different
    error = np.abs(curve.predicted - curve.observed)[told].mean() if told.any() else 0.0
    report["reliability"] = {"said": curve.predicted.tolist(), "true": curve.observed.tolist(), "error": float(error)}
    for name, part in (("within", ~apart), ("across", apart)):
        if not same[part].any() or same[part].all():
            continue
        weight = even_weights(same[part])
        for how, curves in (("", calibration), ("_default", Calibration())):
            said = curves.probability(similarity[part], apart[part])
            report[f"ece_{name}{how}"] = reliability(said, same[part], weight=weight).error
    known, right, unknown = searches(rows[fresh], rows, (who[fresh], who), (camera[fresh], camera))
    scores = open_set(known, right, unknown)
    report |= {f"dir_at_{rate:g}": scores.detected[rate] for rate in FAR}
    for rate in FAR:
        threshold = calibration.threshold(len(rows), rate)
        report[f"label_free_{rate:g}"] = {
            "false_alarms": float((unknown > threshold).mean()),
            "detected": float((right & (known > threshold)).mean()),
        }
    return report | {"calibration": calibration.to_json()}


def measure(known: Known, models: list[Path], folder: Path, progress: Progress = unheard) -> dict[str, dict[str, Any]]:
    """Model → its gate score, plain, what the gate says of it against the first model, and what truth says."""
    datasets: dict[tuple[str, int, int], TrackletDataset] = {}
    report: dict[str, dict[str, Any]] = {}
    first: GateScore | None = None

    def opened(name: str, source: TrackletSource, encoder: OpenEncoder) -> TrackletDataset:
        height, width = encoder.size
        key = (name, height, width)
        if key not in datasets:
            if isinstance(source.tracklets, Iterator):
                source = replace(source, tracklets=list(source.tracklets))
            place = folder / f"{name}-{height}x{width}"
            datasets[key] = TrackletDataset.build(place, source, height, width, progress=progress)
        return datasets[key]

    train = replace(known.train, tracklets=list(known.train.tracklets))  # a generator would do for one size only
    for path in models:
        encoder = open_encoder(path)
        dataset = opened("train", train, encoder)
        rows = embedded(dataset, encoder)
        label = str(path) if path.name == "model.safetensors" else path.name
        score = judged(rows, dataset)
        found: dict[str, Any] = {"gate": score.plain()}
        if first is None:
            first = score
        else:
            found["passes"], found["reason"] = better(score, first)
        fresh = np.ones(len(dataset), bool)
        if known.learned is not None and path.parent.name != BASE:
            fresh = ~np.isin(dataset.source_tracklet, known.learned)
        people = known.labels.of(dataset).people
        found["truth"] = against_truth(halves_of(rows, dataset), dataset, people, fresh)
        if known.query is not None and known.gallery is not None:
            sides = []
            for name, (source, labels) in (("query", known.query), ("gallery", known.gallery)):
                part = opened(name, source, encoder)
                of = labels.of(part)
                crops = torch.from_numpy(embedded(part, encoder))
                sides.append(Embeddings(crops, of.people[part.tracklet], of.cameras[part.tracklet]))
            found["truth"]["test_mAP"] = evaluate_retrieval(*sides).mAP
        report[label] = found
    return report


def rank_correlations(report: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Spearman's ρ of the gate's score with each true mAP; of fewer than three models there is none."""
    if len(report) < 3:
        return {}
    score = [one["gate"]["score"] for one in report.values()]
    figures = [name for name in ("mAP", "test_mAP") if all(name in one["truth"] for one in report.values())]
    return {name: float(spearmanr(score, [one["truth"][name] for one in report.values()])[0]) for name in figures}


def print_report(report: dict[str, dict[str, Any]], correlations: dict[str, float]) -> None:
    parts = ("score", "company", "cycle", "stability", "triangle", "split", "apart")
    truths = ("mAP", "test_mAP", "ece_within", "ece_across", "ece_across_default", "dir_at_0.01", "dir_at_0.1")
    print("| model | " + " | ".join((*parts, *truths)) + " |")
    print("|---|" + "---|" * len((*parts, *truths)))
    for label, one in report.items():
        cells = [one["gate"][name] for name in parts] + [one["truth"].get(name) for name in truths]
        print(f"| {label} | " + " | ".join("–" if cell is None else f"{cell:.3f}" for cell in cells) + " |")
    print()
    for label, one in report.items():
        truth = one["truth"]
        free, shown = truth["label_free_0.1"], truth["reliability"]
        print(
            f"{label}: the threshold learned for 10 % false alarms has {100 * free['false_alarms']:.1f} % and finds "
            f"{100 * free['detected']:.1f} %; of pairs across cameras {100 * truth['share']:.2f} % are thought to show "
            f"one person, {100 * truth['true_share']:.2f} % do; probabilities over 0.1 err by {shown['error']:.3f}"
        )
        if "passes" in one:
            print(f"  {'would serve' if one['passes'] else 'would be refused'}: {one['reason']}")
        for missing in one["gate"]["left_out"]:
            print(f"  not measured: {missing}")
    for name, rho in correlations.items():
        print(f"Spearman's ρ of score and {name}, {len(report)} models: {rho:.3f}")


def plot(report: dict[str, dict[str, Any]], path: Path) -> None:
    """Said against true probability, of all pairs of tracklets, as queries show it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="as it should be")
    for label, one in report.items():
        curve = one["truth"]["reliability"]
        axes.plot(curve["said"], curve["true"], marker="o", label=label)
    axes.set(xlabel="probability that was said", ylabel="share that shows one person", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a benchmark, market1501:DIR")
    parser.add_argument("--protocol", default=RAW)
    parser.add_argument("--people", type=float, default=1.0, help="share of the training part's people (default 1)")
    parser.add_argument("--site", type=Path)
    parser.add_argument("--truth", type=Path, help="folder of CAMERA/gt/gt.txt, with --site")
    parser.add_argument("--crops", type=int, default=16, help="of a site's tracklet, at most (default 16)")
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="ONNX or safetensors files")
    parser.add_argument("--plot", type=Path, help="draw how reliable the probabilities are (PNG)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    if (arguments.data is None) == (arguments.site is None) or (arguments.site and not arguments.truth):
        parser.error("give --data, or --site with --truth")
    torch.set_num_threads(1)
    if arguments.data:
        known = read_benchmark(arguments.data, arguments.protocol, arguments.people)
    else:
        try:
            known = read_site(arguments.site, arguments.truth, arguments.crops)
        except (SiteError, FootageError) as error:
            raise SystemExit(str(error)) from error
    with tempfile.TemporaryDirectory() as folder, Bars() as progress:
        try:
            report = measure(known, arguments.models, Path(folder), progress)
        except EvaluationError as error:
            raise SystemExit(str(error)) from error
    correlations = rank_correlations(report)
    if arguments.plot:
        plot(report, arguments.plot)
    if arguments.json:
        print(json.dumps({"models": report, "spearman": correlations}))
        return
    print_report(report, correlations)


if __name__ == "__main__":
    main()
