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
from app.remarks import Remark, summed
from app.report.motchallenge import read_files, track_rows, tracklet_rows, truth_files
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
from trackers.motchallenge import FRAME, Rows

if TYPE_CHECKING:  # they bring torch, for which only `reid` should wait
    from reid.evaluate import RetrievalScores
    from reid.tracklets import TrackletDataset

CROPS_AT_ONCE = 256  # embedded in one batch


@dataclass(frozen=True, slots=True)
class TrackingRow:
    """Figures of one camera, 0…1 except counts. Purity is that of tracklets, the rest that of tracks."""

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
    remarks: list[Remark]


def evaluate_tracking(
    truth: Path, *, site: Path | None = None, results: Path | None = None, each_frame: bool = False
) -> TrackingReport:
    """Compares tracks and tracklets with `truth/<camera>/gt/gt.txt`. MOTChallenge's preprocessing is applied.

    Args:
        truth: a folder of ground truth.
        site: has the tracks and tracklets.
        results: in its place, a folder that has them as MOTChallenge files `<camera>.txt`.
        each_frame: match people afresh in every frame for purity, which is stricter.

    Raises:
        FootageError: there is no truth, or no folder of results.
        SiteError: there is no site.
    """
    people_by_camera, remarks = read_files(truth_files(truth), "truth")
    if site is not None:
        rows_by_camera = _site_rows(site)
        remarks += _beyond(site, people_by_camera)
    else:
        rows_by_camera, of_results = _file_rows(results or Path())
        remarks += of_results
    errors = [
        f"{camera}: has truth but no results; counted as if nobody had been found"
        for camera in people_by_camera
        if camera not in rows_by_camera
    ]
    errors += [
        f"{camera}: has results but no truth; left out" for camera in rows_by_camera if camera not in people_by_camera
    ]
    report_rows, tracking, purity, tracklet_boxes, track_boxes = [], [], [], 0, 0
    for camera, people in people_by_camera.items():
        tracks, tracklets = rows_by_camera.get(camera, (np.zeros((0, 7)), np.zeros((0, 7))))
        tracking.append(evaluate_sequence(people, tracks))
        purity.append(evaluate_purity(people, tracklets, each_frame=each_frame))
        tracklet_boxes += len(tracklets)
        track_boxes += len(tracks)
        report_rows.append(_row(camera, tracking[-1], purity[-1], len(tracklets), len(tracks)))
    all_cameras = _row("all", combine(tracking), combine_purity(purity), tracklet_boxes, track_boxes)
    return TrackingReport(report_rows, all_cameras, errors, summed(remarks))


def _row(
    camera: str, tracking: TrackingMetrics, purity: PurityMetrics, tracklet_boxes: int, track_boxes: int
) -> TrackingRow:
    return TrackingRow(
        camera=camera,
        HOTA=tracking.hota,
        DetA=tracking.deta,
        AssA=tracking.assa,
        MOTA=tracking.mota,
        IDF1=tracking.idf1,
        IDSW=tracking.idsw,
        tracklets=purity.tracklets,
        purity=purity.purity,
        mixed=purity.mixed,
        tracklets_a_person=purity.tracklets_a_person,
        kept=tracklet_boxes / track_boxes if track_boxes else 0.0,
        unmatched=purity.unmatched,
    )


def _site_rows(path: Path) -> dict[str, tuple[Rows, Rows]]:
    """Track and tracklet rows by camera."""
    with Site.open(path) as site:
        return {c.camera: (track_rows(site, c.camera), tracklet_rows(site, c.camera)) for c in site.cameras()}


def _beyond(path: Path, people: dict[str, Rows]) -> list[Remark]:
    """Truth of frames that the site's footage does not have."""
    remarks = []
    with Site.open(path) as site:
        for camera in {c.camera for c in site.cameras()} & people.keys():
            frames = sum(footage.source_frames for footage in site.footage(camera))
            if rows := int((people[camera][:, FRAME] > frames).sum()):
                why = "It counts as people who were missed: check that it is of this footage, and ingest all of that."
                remarks.append(Remark("truth rows beyond the end of the footage", rows, why))
    return remarks


def _file_rows(folder: Path) -> tuple[dict[str, tuple[Rows, Rows]], list[Remark]]:
    """Track and tracklet rows by camera. Files do not tell the two apart, so the same rows are measured as both."""
    if not folder.is_dir():
        raise FootageError(
            f"{folder} is no folder: it should hold one <camera>.txt in MOTChallenge columns for each camera."
        )
    rows_by_camera, remarks = read_files({path.stem: path for path in sorted(folder.glob("*.txt"))}, "result")
    return {camera: (rows, rows) for camera, rows in rows_by_camera.items()}, remarks


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

    Args:
        data: `SET:FOLDER` as `reid.benchmarks` has it. A set's splits are averaged, unless one is named.
        model: see `find_model`.
        imagenet: how a foreign ONNX file wants its pictures, see `OnnxEncoder`.
        pooling: makes one embedding of a tracklet's crops.
        rerank: with k-reciprocal re-ranking.
        progress: hears how many crops are embedded.

    Raises:
        BenchmarkError: the benchmark can't be read, or has no labels.
        DatasetError: its crops can't be read.
        EncoderError: there is no such safetensors file, or it is no encoder.
        OnnxError: there is no such ONNX file, or it is no encoder.
        EvaluationError: no query has a match.
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
    further_splits = range(1, first.splits) if "@" not in name else []
    scores = []
    for benchmark in (first, *(open_benchmark(f"{name}@{split}:{folder}") for split in further_splits)):
        if benchmark.truth is None or benchmark.query is None or benchmark.gallery is None:
            raise BenchmarkError(f"{data} has no labels to test with")
        parts = []
        for part, source, labels in (
            ("query", benchmark.query, benchmark.truth.query),
            ("gallery", benchmark.gallery, benchmark.truth.gallery),
        ):
            assert labels is not None
            with tempfile.TemporaryDirectory() as crops:
                dataset = TrackletDataset.build(Path(crops) / part, source, *encoder.size, progress=progress)
                crop_embeddings = torch.from_numpy(_embed(dataset, encoder, part, progress))
            tracklet_of = torch.from_numpy(dataset.tracklet)
            embeddings = pool_tracklets(crop_embeddings, tracklet_of, len(dataset), pooling.value).to(device)
            truth = labels.of(dataset)
            parts.append(Embeddings(embeddings, truth.people, truth.cameras))
        reranking = Reranking() if rerank else None
        scores.append(evaluate_retrieval(*parts, single_shot=benchmark.single_shot, rerank=reranking))
    return mean_scores(scores)


def find_model(name: str) -> Path:
    """The file of a model: `base` or `large`, the folder of a site's model, or a safetensors or ONNX file itself.

    Raises:
        OnnxError: the folder holds no model.
    """
    path = Path(name)
    if name in (BASE, LARGE):
        return in_the_box(f"{name}.safetensors")
    if path.is_dir():
        files = [file for kind in ("safetensors", "onnx") for file in sorted(path.glob(f"*.{kind}"))]
        if not files:
            raise OnnxError(f"the folder {path} holds no model: name one with a .safetensors or .onnx file")
        path = files[0]
    return path


def _embed(dataset: TrackletDataset, encoder: OpenEncoder, part: str, progress: Progress) -> NDArray[np.float32]:
    """Embeddings `(N, D)` of all crops."""
    batches = []
    for start in range(0, len(dataset.crops), CROPS_AT_ONCE):
        batches.append(encoder.embed(dataset.crops[start : start + CROPS_AT_ONCE]))
        progress(f"{part} crops embedded", min(start + CROPS_AT_ONCE, len(dataset.crops)), len(dataset.crops))
    return np.concatenate(batches)
