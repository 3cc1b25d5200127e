"""How good the results are, against truth that somebody has."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders.versions import in_the_box
from app.errors import FootageError
from app.record import Site
from app.report.motchallenge import track_rows, tracklet_rows
from deploy.encoder import OnnxError, OpenEncoder, open_encoder
from deploy.models import BASE, LARGE
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
    from reid.evaluate import RetrievalScores
    from reid.tracklets import TrackletDataset

CROPS = 256  # embedded at once


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
    BenchmarkError, DatasetError, EncoderError, OnnxError or EvaluationError.
    """
    import torch

    from reid.benchmarks import open_benchmark
    from reid.benchmarks.parts import BenchmarkError
    from reid.evaluate import Embeddings, evaluate_retrieval, mean_scores, pool_tracklets
    from reid.rerank import Reranking
    from reid.tracklets import TrackletDataset

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder = open_encoder(find_model(model), imagenet=imagenet, cuda=device.type == "cuda")
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
                rows = torch.from_numpy(_embed(dataset, encoder, what, progress))
            tracklet, truth = torch.from_numpy(dataset.tracklet), labels.of(dataset)
            pooled = pool_tracklets(rows, tracklet, len(dataset), pooling.value).to(device)
            parts.append(Embeddings(pooled, truth.people, truth.cameras))
        again = Reranking() if rerank else None
        scores.append(evaluate_retrieval(*parts, single_shot=benchmark.single_shot, rerank=again))
    return mean_scores(scores)


def find_model(name: str) -> Path:
    """The file of a model: `base` or `large`, the folder of a site's model, or a safetensors or ONNX file itself."""
    path = Path(name)
    if name in (BASE, LARGE):
        return in_the_box(f"{name}.safetensors")
    if path.is_dir():
        files = [file for kind in ("safetensors", "onnx") for file in sorted(path.glob(f"*.{kind}"))]
        if not files:
            raise OnnxError(f"the folder {path} holds no model: name one with a .safetensors or .onnx file")
        path = files[0]
    return path


def _embed(dataset: TrackletDataset, encoder: OpenEncoder, what: str, progress: Progress) -> NDArray[np.float32]:
    """(N, D) of all crops."""
    rows = []
    for start in range(0, len(dataset.crops), CROPS):
        rows.append(encoder.embed(dataset.crops[start : start + CROPS]))
        progress(f"{what} crops embedded", min(start + CROPS, len(dataset.crops)), len(dataset.crops))
    return np.concatenate(rows)
