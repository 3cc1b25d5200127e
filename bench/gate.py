"""Does the gate, which has no labels, order models as truth does?

Models are judged on a benchmark, or on a site whose people are known. First comes the gate's score with its parts, on
the unlabelled tracklets. They are those of the training part, or of the site. Then comes what truth says:

- Retrieval: The mAP of those tracklets, and of a benchmark also the mAP of the test part.
- Calibration: How well the one learned without labels fits. That is its expected calibration error at equal prior odds,
  within and across cameras. Beside it stands that of the default curves.
- Open-set search among the tracklets: It says how many people are found at a false alarm rate of 1 % and 10 %. It also
  says which rate the label-free threshold really has.

Last comes Spearman's ρ of score and mAP. So does what the gate would say of each model if the first one served.
In adapt most parts ask those that were held back. Here all tracklets ask.

    python -m bench.gate --data market1501:DIR --models FILE…
    python -m bench.gate --site S --truth DIR --models FILE… --plot reliability.png    # DIR/CAMERA/gt/gt.txt
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from app.encoders.embed import spread
from app.encoders.versions import BASE, learned_from, merge_rules
from app.record import Site
from app.report.site_accuracy import people_shown
from app.terminal import JsonOption, errors, print_json
from bench.terminal import print_table, run, say
from deploy.encoder import OnnxError, OpenEncoder, open_encoder
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import RAW, BenchmarkError, Labels
from reid.calibration import FAR, Calibration, CalibrationError, even_weights, open_set, reliability, searches
from reid.camera_shift import without_camera
from reid.encoder import EncoderError
from reid.evaluate import Embeddings, EvaluationError, evaluate_retrieval
from reid.gate import GateError, GateScore, better, judge
from reid.merging import SURE, MergeRules, Seen, merge_tracklets
from reid.normalised import normalised
from reid.progress import Bars, Progress, unheard
from reid.traceless import new_figure
from reid.tracklets import DatasetError, Tracklet, TrackletDataset, TrackletSource

PAIRS = 300_000  # of two people, that the calibration is tested on. All of one person are taken.
PROBABLE = 0.1  # nearly all pairs are surely different: the error of those above it is told apart
GATE_PARTS = ("score", "company", "cycle", "stability", "triangle", "split", "apart")


@dataclass(frozen=True)
class LabelledPart:
    """Tracklets, and who they show."""

    source: TrackletSource
    labels: Labels


@dataclass(frozen=True)
class LabelledSet:
    """A benchmark or a site with truth."""

    train: LabelledPart
    """The unlabelled tracklets that the gate sees."""
    query: LabelledPart | None = None
    gallery: LabelledPart | None = None
    learned: NDArray[np.int64] | None = None
    """Of a site that has adapted: the tracklets that its versions learned from."""
    rules: dict[str, MergeRules] = field(default_factory=dict)
    """Of a site: when each of its versions joins tracklets."""


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """Said and true probability, by bin."""

    said: list[float]
    true: list[float]
    error: float
    """Mean difference in the bins above PROBABLE."""


@dataclass(frozen=True, slots=True)
class CalibrationErrors:
    """Expected calibration errors of a kind of pairs, at equal prior odds."""

    learned: float
    default: float


@dataclass(frozen=True, slots=True)
class OpenSetRates:
    """Of searches at one allowed rate of false alarms."""

    detected: float
    """Share of the people found, with the threshold that truth gives."""
    label_free_detected: float
    """The same with the threshold that was learned without labels."""
    label_free_false_alarms: float


@dataclass(frozen=True, slots=True)
class TruthFigures:
    """What truth says of a model."""

    mAP: float
    """Of the tracklets that the gate sees."""
    test_mAP: float | None
    """Of a benchmark's test part."""
    share: float
    """Of pairs across cameras, those that the calibration thinks show one person."""
    true_share: float
    reliability: ReliabilityCurve
    within: CalibrationErrors | None
    """Of pairs in one camera. None where they all show one person, or no pair does."""
    across: CalibrationErrors | None
    """Of pairs in two cameras. None as before."""
    open_set: dict[float, OpenSetRates]
    """By allowed rate of false alarms."""
    calibration: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """What the gate and the truth say of a model."""

    gate: dict[str, Any]
    """`GateScore.plain()`."""
    passes: bool | None
    """Whether it would serve in the place of the first one. None: it is the first."""
    reason: str | None
    truth: TruthFigures


@dataclass(frozen=True, slots=True)
class GateReport:
    """All models."""

    models: dict[str, ModelFigures]
    spearman: dict[str, float]
    """ρ of the gate's score and each true mAP. Empty for fewer than three models."""


def some_people(part: LabelledPart, share: float) -> LabelledPart:
    """Tracklets of a random share of the people, always the same ones."""
    if share >= 1:
        return part
    source, labels = part.source, part.labels
    names, which = np.unique(labels.people, return_inverse=True)
    kept = (np.random.default_rng(len(names)).random(len(names)) < share)[which] | (labels.people < 1)
    tracklets = [tracklet for tracklet, keep in zip(source.tracklets, kept) if keep]
    ids = np.array([tracklet.id for tracklet in tracklets], np.int64)
    cannot_link = source.cannot_link
    if cannot_link is not None:
        cannot_link = cannot_link[np.isin(cannot_link, ids).all(1)]
    fewer = replace(
        source,
        tracklets=tracklets,
        fingerprint=f"{source.fingerprint} {share}",
        pictures=None,
        cannot_link=cannot_link,
    )
    people = np.full(int(ids.max(initial=0)) + 1, -1)
    cameras = people.copy()
    people[ids], cameras[ids] = labels.people[ids], labels.cameras[ids]
    return LabelledPart(fewer, Labels(people, cameras))


def read_benchmark(name: str, protocol: str, share: float) -> LabelledSet:
    """A benchmark with a labelled test part, and so many of the people of its training part."""
    benchmark = open_benchmark(name, protocol)
    truth, query, gallery = benchmark.truth, benchmark.query, benchmark.gallery
    if truth is None or query is None or gallery is None or truth.query is None or truth.gallery is None:
        raise BenchmarkError(f"{name} has no labels to test with: choose a benchmark with query and gallery.")
    return LabelledSet(
        train=some_people(LabelledPart(benchmark.train, truth.train), share),
        query=LabelledPart(query, truth.query),
        gallery=LabelledPart(gallery, truth.gallery),
    )


def read_site(path: Path, truth: Path, crops: int) -> LabelledSet:
    """A site's tracklets, at most so many crops of each. Their ids are their rows in the site's table.

    Labels are by the truth, −1 for tracklets on nobody.
    """
    with Site.open(path) as site:
        table, pairs = site.tracklet_table(), site.cannot_link()
        learned = np.flatnonzero(np.isin(table.ids, learned_from(site)))
        rules = {model.name: merge_rules(model) for model in site.models()}
        person_of = people_shown(site, truth)
    people = np.array([person_of.get(tracklet, -1) for tracklet in table.ids.tolist()], np.int64)

    def tracklets() -> Iterator[Tracklet]:
        with Site.open(path) as opened:
            for row, tracklet in enumerate(table.ids.tolist()):
                stored = opened.crops(tracklet)
                chosen = [stored[k] for k in spread(len(stored), crops)]
                yield Tracklet(
                    id=row,
                    camera=table.names[table.cameras[row]],
                    times=np.array([crop.time for crop in chosen]),
                    pictures=[opened.crop_jpeg(crop) for crop in chosen],
                )

    source = TrackletSource(tracklets(), f"{path} {crops}", cannot_link=np.searchsorted(table.ids, pairs))
    return LabelledSet(train=LabelledPart(source, Labels(people, table.cameras)), learned=learned, rules=rules)


def embedded(dataset: TrackletDataset, encoder: OpenEncoder) -> NDArray[np.float32]:
    """(N, D) of all crops, a piece in memory at a time."""
    parts = np.array_split(np.arange(len(dataset.crops)), max(1, len(dataset.crops) // 512))
    rows = [encoder.embed(np.asarray(dataset.crops[part])) for part in parts]
    return np.concatenate(rows).astype(np.float32)


def halves_of(rows: NDArray[np.float32], dataset: TrackletDataset) -> NDArray[np.float32]:
    """(T, 2, D), as a site's embeddings and its search have them: without what their camera adds."""
    halves = []
    for start, length in zip(dataset.start, dataset.length):
        of_tracklet, middle = rows[start : start + length], length // 2
        halves.append(np.stack([of_tracklet[: max(middle, 1)].mean(0), of_tracklet[middle:].mean(0)]))
    flat = normalised(np.concatenate(halves))
    return without_camera(flat, np.repeat(dataset.tracklet_camera, 2)).reshape(len(halves), 2, -1)


def begin_and_end(dataset: TrackletDataset) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each tracklet's first and last crop was taken, (T,) s."""
    return dataset.time[dataset.start], dataset.time[dataset.start + dataset.length - 1]


def merged(rows: NDArray[np.float32], dataset: TrackletDataset, rules: MergeRules) -> NDArray[np.int64]:
    """(T,) identities as merging finds them without a common clock and without places. Rows (T, D)."""
    start, end = begin_and_end(dataset)
    seen = Seen(
        ids=np.arange(len(rows)),
        camera=dataset.tracklet_camera,
        start=start,
        end=end,
        embedding=rows,
        cannot_link=dataset.cannot_link,
    )
    return merge_tracklets(seen, rules, shared_clock=False)[1].labels


def judged(rows: NDArray[np.float32], dataset: TrackletDataset) -> GateScore:
    """What the gate says. Rows (N, D) of all crops."""
    start, end = begin_and_end(dataset)
    return judge(
        rows=rows,
        tracklet=dataset.tracklet,
        camera=dataset.tracklet_camera,
        start=start,
        end=end,
        cannot_link=dataset.cannot_link,
    )


def against_truth(
    halves: NDArray[np.float32],
    dataset: TrackletDataset,
    people: NDArray[np.int64],
    fresh: NDArray[np.bool_],
    rules: MergeRules,
    test_mAP: float | None = None,
) -> TruthFigures:
    """Calibration and open-set search among tracklets, those on nobody left out.

    Args:
        halves: (T, 2, D).
        dataset: The T tracklets.
        people: (T,) who they show.
        fresh: (T,) which of them the encoder was not trained on. Those ask, and pairs with one of them are looked at.
        rules: When tracklets are joined.
        test_mAP: Of the test part.
    """
    rows = normalised(halves.sum(1))
    identity, sure = (merged(rows, dataset, each) for each in (rules, SURE))
    calibration = Calibration.fit(halves, dataset.tracklet_camera, dataset.cannot_link, identity, fresh, sure=sure)
    shows_person = people > 0
    rows, fresh = rows[shows_person], fresh[shows_person]
    people, camera = people[shows_person], dataset.tracklet_camera[shows_person]
    embeddings = Embeddings(rows=torch.from_numpy(rows), people=people, cameras=camera)

    first, second = np.triu_indices(len(people), 1)
    looked_at = fresh[first] | fresh[second]
    first, second = first[looked_at], second[looked_at]
    same = people[first] == people[second]
    true_share = float(same[camera[first] != camera[second]].mean())
    thinned = max(1.0, len(same) / PAIRS)
    chosen = same | (np.random.default_rng(0).random(len(same)) < PAIRS / len(same))
    first, second, same = first[chosen], second[chosen], same[chosen]
    similarity = np.einsum("pd,pd->p", rows[first], rows[second]).astype(np.float64)
    across = camera[first] != camera[second]

    curve = reliability(  # as a query shows it, at the odds that a random pair has
        calibration.probability(similarity, across, prior=calibration.share), same, weight=np.where(same, 1.0, thinned)
    )
    probable = curve.predicted >= PROBABLE
    error = np.abs(curve.predicted - curve.observed)[probable].mean() if probable.any() else 0.0

    def calibration_errors(part: NDArray[np.bool_]) -> CalibrationErrors | None:
        if not same[part].any() or same[part].all():
            return None
        weight = even_weights(same[part])
        learned, default = (
            reliability(curves.probability(similarity[part], across[part]), same[part], weight=weight).error
            for curves in (calibration, Calibration())
        )
        return CalibrationErrors(learned=learned, default=default)

    best_present, is_right, best_absent = searches(rows[fresh], rows, (people[fresh], people), (camera[fresh], camera))
    detected = open_set(best_present, is_right, best_absent).detected
    thresholds = {rate: calibration.threshold(len(rows), rate) for rate in FAR}
    return TruthFigures(
        mAP=evaluate_retrieval(embeddings, embeddings).mAP,
        test_mAP=test_mAP,
        share=calibration.share,
        true_share=true_share,
        reliability=ReliabilityCurve(said=curve.predicted.tolist(), true=curve.observed.tolist(), error=float(error)),
        within=calibration_errors(~across),
        across=calibration_errors(across),
        open_set={
            rate: OpenSetRates(
                detected=detected[rate],
                label_free_detected=float((is_right & (best_present > threshold)).mean()),
                label_free_false_alarms=float((best_absent > threshold).mean()),
            )
            for rate, threshold in thresholds.items()
        },
        calibration=calibration.to_json(),
    )


class Datasets:
    """The parts of a labelled set as datasets, each made once for a size of crops."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self._folder, self._progress = folder, progress
        self._tracklets: dict[str, list[Tracklet]] = {}
        self._built: dict[tuple[str, tuple[int, int]], TrackletDataset] = {}

    def of(self, name: str, part: LabelledPart, size: tuple[int, int]) -> TrackletDataset:
        """A part's dataset, with crops of that height and width."""
        if (name, size) not in self._built:
            if name not in self._tracklets:
                self._tracklets[name] = list(part.source.tracklets)  # a generator would do for one size only
            source = replace(part.source, tracklets=self._tracklets[name])
            height, width = size
            self._built[name, size] = TrackletDataset.build(
                self._folder / f"{name}-{height}x{width}", source, height, width, progress=self._progress
            )
        return self._built[name, size]


def measure(
    labelled: LabelledSet, models: list[Path], folder: Path, progress: Progress = unheard, *, must_gain: bool = True
) -> dict[str, ModelFigures]:
    """By model. Datasets are built in `folder`. must_gain: as for `better`."""
    datasets = Datasets(folder, progress)
    figures: dict[str, ModelFigures] = {}
    first: GateScore | None = None
    for path in models:
        encoder = open_encoder(path)
        dataset = datasets.of("train", labelled.train, encoder.size)
        rows = embedded(dataset, encoder)
        score = judged(rows, dataset)
        passes, reason = (None, None) if first is None else better(score, first, must_gain=must_gain)
        first = score if first is None else first
        fresh = np.ones(len(dataset), bool)
        if labelled.learned is not None and path.parent.name != BASE:
            fresh = ~np.isin(dataset.source_tracklet, labelled.learned)
        truth = against_truth(
            halves_of(rows, dataset),
            dataset,
            labelled.train.labels.of(dataset).people,
            fresh,
            labelled.rules.get(path.parent.name, MergeRules()),
            _test_mAP(labelled, encoder, datasets),
        )
        label = str(path) if path.name == "model.safetensors" else path.name
        figures[label] = ModelFigures(gate=score.plain(), passes=passes, reason=reason, truth=truth)
    return figures


def _test_mAP(labelled: LabelledSet, encoder: OpenEncoder, datasets: Datasets) -> float | None:
    if labelled.query is None or labelled.gallery is None:
        return None
    sides = []
    for name, part in (("query", labelled.query), ("gallery", labelled.gallery)):
        dataset = datasets.of(name, part, encoder.size)
        labels = part.labels.of(dataset)
        rows = torch.from_numpy(embedded(dataset, encoder))
        sides.append(Embeddings(rows, labels.people[dataset.tracklet], labels.cameras[dataset.tracklet]))
    query, gallery = sides
    return evaluate_retrieval(query, gallery).mAP


def rank_correlations(figures: dict[str, ModelFigures]) -> dict[str, float]:
    """Spearman's ρ of the gate's score with each true mAP. Of fewer than three models there is none."""
    if len(figures) < 3:
        return {}
    score = [model.gate["score"] for model in figures.values()]
    correlations = {"mAP": float(spearmanr(score, [model.truth.mAP for model in figures.values()])[0])}
    tests = [model.truth.test_mAP for model in figures.values()]
    if None not in tests:
        correlations["test_mAP"] = float(spearmanr(score, tests)[0])
    return correlations


def _truth_columns(truth: TruthFigures) -> dict[str, float | None]:
    columns = {
        "mAP": truth.mAP,
        "test_mAP": truth.test_mAP,
        "ece_within": None if truth.within is None else truth.within.learned,
        "ece_across": None if truth.across is None else truth.across.learned,
        "ece_across_default": None if truth.across is None else truth.across.default,
    }
    return columns | {f"dir_at_{rate:g}": rates.detected for rate, rates in truth.open_set.items()}


def _print(report: GateReport) -> None:
    columns = {
        name: {part: model.gate[part] for part in GATE_PARTS} | _truth_columns(model.truth)
        for name, model in report.models.items()
    }
    print_table(
        ("model", *next(iter(columns.values()))),
        (
            (name, *("–" if value is None else f"{value:.3f}" for value in values.values()))
            for name, values in columns.items()
        ),
    )
    say()
    for name, model in report.models.items():
        truth = model.truth
        rates = truth.open_set[FAR[-1]]
        say(
            f"{name}: the threshold learned for {100 * FAR[-1]:g} % false alarms has "
            f"{100 * rates.label_free_false_alarms:.1f} % and finds {100 * rates.label_free_detected:.1f} %; "
            f"of pairs across cameras {100 * truth.share:.2f} % are thought to show one person, "
            f"{100 * truth.true_share:.2f} % do; probabilities over {PROBABLE} err by {truth.reliability.error:.3f}"
        )
        if model.passes is not None:
            say(f"  {'would serve' if model.passes else 'would be refused'}: {model.reason}")
        for missing in model.gate["left_out"]:
            say(f"  not measured: {missing}")
    for name, rho in report.spearman.items():
        say(f"Spearman's ρ of score and {name}, {len(report.models)} models: {rho:.3f}")


def draw(report: GateReport, path: Path) -> None:
    """Said against true probability, of all pairs of tracklets, as queries show it."""
    figure = new_figure(5, 5)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="as it should be")
    for name, model in report.models.items():
        axes.plot(model.truth.reliability.said, model.truth.reliability.true, marker="o", label=name)
    axes.set(xlabel="probability that was said", ylabel="share that shows one person", xlim=(0, 1), ylim=(0, 1))
    axes.legend()
    figure.savefig(path, dpi=100)


def command(
    models: Annotated[
        list[Path], typer.Option(help="ONNX or safetensors files, one or several; the first one serves.")
    ],
    more: Annotated[list[Path] | None, typer.Argument(hidden=True)] = None,
    data: Annotated[str | None, typer.Option(help="A benchmark, as market1501:DIR.")] = None,
    protocol: Annotated[str, typer.Option(help="Of the benchmark's tracklets.")] = RAW,
    people: Annotated[
        float, typer.Option(help="Share of the training part's people, to save time.", min=0.0, max=1.0)
    ] = 1.0,
    site: Annotated[Path | None, typer.Option(help="A site whose people are known; needs --truth.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder of CAMERA/gt/gt.txt.")] = None,
    crops: Annotated[int, typer.Option(help="Of a site's tracklet, at most.", min=1)] = 16,
    as_merged: Annotated[
        bool, typer.Option("--as-merged", help="Judge as adapt judges the method merged, which need not gain.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(help="Draw how reliable the probabilities are (PNG).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the gate's verdict on models with the truth."""
    torch.set_num_threads(1)
    if data is not None and site is None:
        labelled = read_benchmark(data, protocol, people)
    elif data is None and site is not None and truth is not None:
        labelled = read_site(site, truth, crops)
    else:
        raise typer.BadParameter("give --data, or --site with --truth.", param_hint="--data")
    with tempfile.TemporaryDirectory() as folder, Bars(errors) as progress:
        every = [*models, *(more or [])]
        figures = measure(labelled, every, Path(folder), progress, must_gain=not as_merged)
    report = GateReport(models=figures, spearman=rank_correlations(figures))
    if plot is not None:
        draw(report, plot)
    if as_json:
        print_json(report)
    else:
        _print(report)


if __name__ == "__main__":
    run(command, BenchmarkError, CalibrationError, DatasetError, EncoderError, EvaluationError, GateError, OnnxError)
