"""How good the results are, against truth that somebody has."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from app.asking import Progress, unheard
from app.errors import FootageError
from app.evaluate_site import evaluate_site
from app.export import track_rows, tracklet_rows
from app.models import BASE, LARGE, in_the_box
from app.record import Site
from app.terminal import SITE, JsonOption, SiteOption, errors, group, output, print_json, table
from reid.progress import Bars
from trackers.evaluate import (
    PurityMetrics,
    TrackingMetrics,
    combine,
    combine_purity,
    evaluate_purity,
    evaluate_sequence,
)
from trackers.motchallenge import Rows, read_rows

if TYPE_CHECKING:  # they bring torch, for which only `reid` should wait
    import torch

    from reid.encoder import OpenEncoder
    from reid.evaluate import RetrievalScores
    from reid.tracklets import TrackletDataset

CROPS = 256  # embedded at once
commands = group("Measure results against ground truth.")


@dataclass(frozen=True, slots=True)
class TrackingRow:
    """Figures of one camera, 0..1 except counts. Purity is that of tracklets, the rest that of tracks."""

    camera: str
    HOTA: float
    DetA: float
    AssA: float
    MOTA: float
    IDF1: float
    IDSW: int
    tracklets: int
    purity: float  # share of tracklet boxes on people that show their tracklet's main person
    mixed: float  # share of tracklets that hold a box of anybody else
    tracklets_a_person: float
    kept: float  # tracklet boxes, as a share of track boxes
    unmatched: float  # share of tracklet boxes that are on nobody


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """Figures by camera and of all together."""

    cameras: list[TrackingRow]
    all: TrackingRow
    errors: list[str]


def evaluate_tracking(
    truth: Path, *, site: Path | None = None, results: Path | None = None, each_frame: bool = False
) -> TrackingReport:
    """Compares a site, or the MOTChallenge files `results/<camera>.txt`, with `truth/<camera>/gt/gt.txt`.

    MOTChallenge's preprocessing is applied. Raises FootageError where there is no truth, SiteError where there is no
    site.
    """
    files = {path.parents[1].name: path for path in sorted(truth.glob("*/gt/gt.txt"))}
    if not files:
        raise FootageError(
            f"There is no ground truth in {truth}: it should hold <camera>/gt/gt.txt in MOTChallenge columns."
        )
    found = _site_rows(site) if site is not None else _file_rows(results or Path())
    errors = [
        f"{name}: has truth but no results; counted as if nobody had been found" for name in files if name not in found
    ]
    errors += [f"{name}: has results but no truth; left out" for name in found if name not in files]
    rows, tracking, purity, kept = [], [], [], []
    for name, path in files.items():
        people = read_rows(path)
        tracks, tracklets = found.get(name, (np.zeros((0, 7)), np.zeros((0, 7))))
        tracking.append(evaluate_sequence(people, tracks))
        purity.append(evaluate_purity(people, tracklets, each_frame=each_frame))
        kept.append((len(tracklets), len(tracks)))
        rows.append(_row(name, tracking[-1], purity[-1], *kept[-1]))
    every = _row("all", combine(tracking), combine_purity(purity), sum(a for a, _ in kept), sum(b for _, b in kept))
    return TrackingReport(rows, every, errors)


def _row(camera: str, tracking: TrackingMetrics, purity: PurityMetrics, kept: int, of: int) -> TrackingRow:
    return TrackingRow(
        camera,
        tracking.hota,
        tracking.deta,
        tracking.assa,
        tracking.mota,
        tracking.idf1,
        tracking.idsw,
        purity.tracklets,
        purity.purity,
        purity.mixed,
        purity.tracklets_a_person,
        kept / of if of else 0.0,
        purity.unmatched,
    )


def _site_rows(path: Path) -> dict[str, tuple[Rows, Rows]]:
    with Site.open(path) as site:
        return {c.camera: (track_rows(site, c.camera), tracklet_rows(site, c.camera)) for c in site.cameras()}


def _file_rows(folder: Path) -> dict[str, tuple[Rows, Rows]]:
    """Files do not tell tracks from tracklets: the same rows are measured as both."""
    if not folder.is_dir():
        raise FootageError(
            f"{folder} is no folder: it should hold one <camera>.txt in MOTChallenge columns for each camera."
        )
    rows = {path.stem: read_rows(path) for path in sorted(folder.glob("*.txt"))}
    return {name: (mine, mine) for name, mine in rows.items()}


@commands.command()
def tracking(
    truth: Annotated[Path, typer.Option(help="A folder with <camera>/gt/gt.txt in MOTChallenge columns.")],
    site: Annotated[Path | None, typer.Option(help="Measure this site's tracks and tracklets…")] = None,
    results: Annotated[Path | None, typer.Option(help="…or MOTChallenge files <camera>.txt in this folder.")] = None,
    each_frame: Annotated[
        bool, typer.Option("--each-frame", help="Purity with people matched afresh in every frame: stricter.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """HOTA, MOTA, IDF1, identity switches and tracklet purity, by camera."""
    if (site is None) == (results is None):
        raise typer.BadParameter("give either --site or --results.", param_hint="--site")
    report = evaluate_tracking(truth, site=site, results=results, each_frame=each_frame)
    if as_json:
        print_json(report)
    else:
        _print(report)
    raise typer.Exit(1 if report.errors else 0)


def _print(report: TrackingReport) -> None:
    shown = table(
        "camera", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "tracklets", "purity", "mixed", "a person", "kept"
    )
    for r in (*report.cameras, report.all):
        shown.add_row(
            r.camera,
            *(f"{100 * v:.2f}" for v in (r.HOTA, r.DetA, r.AssA, r.MOTA, r.IDF1)),
            str(r.IDSW),
            str(r.tracklets),
            f"{100 * r.purity:.2f}",
            f"{100 * r.mixed:.2f}",
            f"{r.tracklets_a_person:.2f}",
            f"{100 * r.kept:.1f}",
        )
    output.print(shown)
    for error in report.errors:
        output.print(error, markup=False, soft_wrap=True)


class Pooling(StrEnum):
    """Of a tracklet's crops."""

    mean = "mean"
    max = "max"


def evaluate_reid(
    data: str,
    model: str,
    *,
    imagenet: bool = True,
    pooling: Pooling = Pooling.mean,
    rerank: bool = False,
    progress: Progress = unheard,
) -> RetrievalScores:
    """Scores of a model on the test part of a benchmark, by the benchmark's own protocol.

    data: `SET:FOLDER` as `reid.benchmarks` has it; of sets with several splits all of them are averaged, unless one is
    named. model: see `find_model`; imagenet: how a foreign ONNX file wants its pictures, see `OnnxEncoder`. Raises
    BenchmarkError, DatasetError, EncoderError or EvaluationError.
    """
    import torch

    from reid.benchmarks import open_benchmark
    from reid.benchmarks.parts import BenchmarkError
    from reid.encoder import open_encoder
    from reid.evaluate import Embeddings, evaluate_retrieval, mean_scores, pool_tracklets
    from reid.rerank import Reranking
    from reid.tracklets import TrackletDataset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = open_encoder(find_model(model), imagenet=imagenet, device=device)
    first = open_benchmark(data)
    name, _, folder = data.partition(":")
    others = range(1, first.splits) if "@" not in name else []
    scores = []
    for benchmark in (first, *(open_benchmark(f"{name}@{split}:{folder}") for split in others)):
        if benchmark.truth is None or benchmark.query is None or benchmark.gallery is None:
            raise BenchmarkError(f"{data} has no labels to test with")
        parts = []
        for what, source, labels in (
            ("query", benchmark.query, benchmark.truth.query),
            ("gallery", benchmark.gallery, benchmark.truth.gallery),
        ):
            assert labels is not None
            with tempfile.TemporaryDirectory() as crops:
                dataset = TrackletDataset.build(Path(crops) / what, source, *encoder.size, progress=progress)
                rows = _embed(dataset, encoder, what, progress)
            whose, known = torch.from_numpy(dataset.tracklet), labels.of(dataset)
            rows = pool_tracklets(rows, whose, len(dataset), pooling.value).to(device)
            parts.append(Embeddings(rows, known.people, known.cameras))
        again = Reranking() if rerank else None
        scores.append(evaluate_retrieval(*parts, single_shot=benchmark.single_shot, rerank=again))
    return mean_scores(scores)


def find_model(name: str) -> Path:
    """The file of a model: `base` or `large`, the folder of a site's model, or a safetensors or ONNX file itself."""
    from reid.encoder import EncoderError

    path = Path(name)
    if name in (BASE, LARGE):
        return in_the_box(f"{name}.safetensors")
    if path.is_dir():
        files = [file for kind in ("safetensors", "onnx") for file in sorted(path.glob(f"*.{kind}"))]
        if not files:
            raise EncoderError(f"the folder {path} holds no model: name one with a .safetensors or .onnx file")
        path = files[0]
    return path


def _embed(dataset: TrackletDataset, encoder: OpenEncoder, what: str, progress: Progress) -> torch.Tensor:
    """(N, D) of all crops."""
    import torch

    rows = []
    for start in range(0, len(dataset.crops), CROPS):
        rows.append(encoder.embed(torch.from_numpy(dataset.crops[start : start + CROPS])))
        progress(f"{what} crops embedded", min(start + CROPS, len(dataset.crops)), len(dataset.crops))
    return torch.cat(rows)


@commands.command()
def reid(
    data: Annotated[str, typer.Argument(help="A benchmark and where it is, as market1501:DIR or mars:DIR.")],
    model: Annotated[
        str, typer.Option(help="base, large, a .safetensors or .onnx file, or the folder of a site's model.")
    ] = "base",
    imagenet: Annotated[
        bool,
        typer.Option(help="Whether a foreign .onnx (float N×3×H×W) wants ImageNet's normalisation, or 0…1."),
    ] = True,
    pooling: Annotated[Pooling, typer.Option(help="What a tracklet has of its crops' embeddings.")] = Pooling.mean,
    rerank: Annotated[bool, typer.Option("--rerank", help="With k-reciprocal re-ranking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How well a model finds people in other cameras: mAP, CMC and mINP of a labelled benchmark."""
    from reid.benchmarks.parts import BenchmarkError
    from reid.encoder import EncoderError
    from reid.evaluate import EvaluationError
    from reid.tracklets import DatasetError

    try:
        with Bars(errors) as progress:
            scores = evaluate_reid(data, model, imagenet=imagenet, pooling=pooling, rerank=rerank, progress=progress)
    except (BenchmarkError, DatasetError, EncoderError, EvaluationError) as error:
        errors.print(f"Error: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    if as_json:
        print_json(scores)
        return
    heads = ("mAP", "rank1", "rank5", "rank10", "rank20", "mINP")
    shown = table(*heads, "queries", "gallery")
    figures = [f"{100 * getattr(scores, head):.2f}" for head in heads]
    shown.add_row(*figures, str(scores.queries), str(scores.gallery))
    output.print(shown)


@commands.command("site")
def site_command(
    truth: Annotated[
        Path, typer.Option(help="A folder with <camera>/gt/gt.txt; people numbered alike in all cameras.")
    ],
    site: SiteOption = SITE,
    as_json: JsonOption = False,
) -> None:
    """How well a site's trajectories, identities and queries fit true people."""
    with Site.open(site) as opened:
        scores = evaluate_site(opened, truth)
    if as_json:
        print_json(scores)
        return
    output.print(
        f"{scores.tracklets:,} tracklets of {scores.people} people in {len(scores.cameras)} cameras "
        f"({scores.strangers} more are on nobody), model {scores.model}",
        markup=False,
    )
    shown = table("", "NMI", "ARI", "precision", "recall", "F1", "groups", "a person", left=("",))
    for name, groups in (
        ("tracklets", scores.before),
        ("trajectories", scores.trajectories),
        ("identities", scores.identities),
    ):
        if groups is not None:
            figures = (groups.nmi, groups.ari, groups.precision, groups.recall, groups.f1)
            percents = [f"{100 * figure:.1f}" for figure in figures]
            shown.add_row(name, *percents, str(groups.groups), f"{groups.fragments:.2f}")
    output.print(shown)
    if scores.idf1 is not None:
        output.print(f"identities over all cameras: IDF1 {100 * scores.idf1:.1f}", markup=False)
    if scores.query is not None:
        q = scores.query
        output.print(
            f"each tracklet searched in the other cameras: mAP {100 * q.mAP:.1f}, rank-1 {100 * q.rank1:.1f} "
            f"({q.queries:,} queries, {q.gallery:,} tracklets)",
            markup=False,
        )


if __name__ == "__main__":
    from app.terminal import run

    run(commands)
