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
from app.report.motchallenge import frame_times, read_files, searchable_rows, track_rows, tracklet_rows, truth_files
from deploy.encoder import OnnxError, OpenEncoder, open_encoder
from deploy.models import BASE
from trackers.evaluate import (
    PurityMetrics,
    TrackingMetrics,
    combine,
    combine_purity,
    evaluate_purity,
    evaluate_sequence,
    people_of,
)
from trackers.motchallenge import FRAME, ID, Rows, read_sequence_info
from trackers.visits import FrameTimes, VisitCounts, combine_visits, count_visits

if TYPE_CHECKING:  # they bring torch, for which only `reid` should wait
    from reid.evaluate import RetrievalScores
    from reid.tracklets import TrackletDataset

CROPS_AT_ONCE = 256  # embedded in one batch
NO_ROWS: Rows = np.zeros((0, 7))
_ThreeRows = tuple[Rows, Rows, Rows]  # of tracks, of tracklets, of tracklets and sightings


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
    purity_each_frame: float  # the same with people matched afresh in every frame, which is stricter
    mixed_each_frame: float
    tracklets_a_person: float  # that show them at all
    pieces: float  # tracklets a person and camera whose main person they are
    kept: float  # tracklet boxes, as a share of track boxes
    unmatched: float  # share of tracklet boxes that are on nobody
    sightings: int
    sightings_of_nobody: int  # none of their boxes fits anybody
    visits: int | None  # see `trackers.visits`. None: the frame rate is unknown
    visits_found: float | None  # share of them. None: there are none
    long_visits: int | None  # with 2 s in sight or more
    long_visits_found: float | None


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """Figures by camera and of all together."""

    cameras: list[TrackingRow]
    all: TrackingRow
    errors: list[str]
    remarks: list[Remark]


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one camera's row is made of, or that of several."""

    tracking: TrackingMetrics
    purity: PurityMetrics
    each_frame: PurityMetrics
    pieces: int  # tracklets that have a main person
    people: int  # who are the main person of a tracklet
    sightings: int
    sightings_of_nobody: int
    visits: VisitCounts | None
    tracklet_boxes: int
    track_boxes: int


def evaluate_tracking(truth: Path, *, site: Path | None = None, results: Path | None = None) -> TrackingReport:
    """Compares tracks and tracklets with `truth/<camera>/gt/gt.txt`. MOTChallenge's preprocessing is applied.

    Args:
        truth: a folder of ground truth. Of cameras that the site does not know, `<camera>/seqinfo.ini` has the rate.
        site: has the tracks and tracklets.
        results: in its place, a folder that has them as MOTChallenge files `<camera>.txt`.

    Raises:
        FootageError: there is no truth, or no folder of results.
        SiteError: there is no site.
    """
    files = truth_files(truth)
    people_by_camera, remarks = read_files(files, "truth")
    times_by_camera = {camera: _even_times(files[camera], people) for camera, people in people_by_camera.items()}
    if site is not None:
        rows_by_camera, times_of_site = _site_rows(site, people_by_camera)
        times_by_camera |= times_of_site
        remarks += _beyond(site, people_by_camera)
    else:
        rows_by_camera, of_results = _file_rows(results or Path())
        remarks += of_results
    if unknown := sum(times is None for times in times_by_camera.values()):
        why = "Their visits can't be counted: write frameRate= into a seqinfo.ini beside the folder gt."
        remarks.append(Remark("cameras whose frame rate is unknown", unknown, why))
    errors = [
        f"{camera}: has truth but no results; counted as if nobody had been found"
        for camera in people_by_camera
        if camera not in rows_by_camera
    ]
    errors += [
        f"{camera}: has results but no truth; left out" for camera in rows_by_camera if camera not in people_by_camera
    ]
    measured = {
        camera: _measure(people, *rows_by_camera.get(camera, (NO_ROWS,) * 3), times_by_camera[camera])
        for camera, people in people_by_camera.items()
    }
    rows = [_row(camera, of_camera) for camera, of_camera in measured.items()]
    return TrackingReport(rows, _row("all", _together(list(measured.values()))), errors, summed(remarks))


def _measure(people: Rows, tracks: Rows, tracklets: Rows, searchable: Rows, times: FrameTimes | None) -> _Measured:
    person_of, shown = people_of(people, tracklets), people_of(people, searchable)
    sightings = set(searchable[:, ID].tolist()) - set(tracklets[:, ID].tolist())
    return _Measured(
        tracking=evaluate_sequence(people, tracks),
        purity=evaluate_purity(people, tracklets),
        each_frame=evaluate_purity(people, tracklets, each_frame=True),
        pieces=len(person_of),
        people=len(set(person_of.values())),
        sightings=len(sightings),
        sightings_of_nobody=len(sightings - shown.keys()),
        visits=None if times is None else count_visits(people, searchable, shown, times),
        tracklet_boxes=len(tracklets),
        track_boxes=len(tracks),
    )


def _together(cameras: list[_Measured]) -> _Measured:
    """Several cameras as one. People are counted once a camera."""
    visits = [camera.visits for camera in cameras if camera.visits is not None]
    return _Measured(
        tracking=combine([camera.tracking for camera in cameras]),
        purity=combine_purity([camera.purity for camera in cameras]),
        each_frame=combine_purity([camera.each_frame for camera in cameras]),
        pieces=sum(camera.pieces for camera in cameras),
        people=sum(camera.people for camera in cameras),
        sightings=sum(camera.sightings for camera in cameras),
        sightings_of_nobody=sum(camera.sightings_of_nobody for camera in cameras),
        visits=combine_visits(visits) if visits else None,
        tracklet_boxes=sum(camera.tracklet_boxes for camera in cameras),
        track_boxes=sum(camera.track_boxes for camera in cameras),
    )


def _row(camera: str, measured: _Measured) -> TrackingRow:
    tracking, purity, visits = measured.tracking, measured.purity, measured.visits
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
        purity_each_frame=measured.each_frame.purity,
        mixed_each_frame=measured.each_frame.mixed,
        tracklets_a_person=purity.tracklets_a_person,
        pieces=measured.pieces / measured.people if measured.people else 0.0,
        kept=measured.tracklet_boxes / measured.track_boxes if measured.track_boxes else 0.0,
        unmatched=purity.unmatched,
        sightings=measured.sightings,
        sightings_of_nobody=measured.sightings_of_nobody,
        visits=visits.visits if visits else None,
        visits_found=visits.found / visits.visits if visits and visits.visits else None,
        long_visits=visits.long_visits if visits else None,
        long_visits_found=visits.long_found / visits.long_visits if visits and visits.long_visits else None,
    )


def _site_rows(path: Path, people: dict[str, Rows]) -> tuple[dict[str, _ThreeRows], dict[str, FrameTimes]]:
    """Rows by camera, and when the frames are shown of those that have truth."""
    with Site.open(path) as site:
        cameras = [c.camera for c in site.cameras()]
        rows = {
            camera: (track_rows(site, camera), tracklet_rows(site, camera), searchable_rows(site, camera))
            for camera in cameras
        }
        times = {
            camera: frame_times(site, camera, int(people[camera][:, FRAME].max(initial=0)))
            for camera in cameras
            if camera in people
        }
    return rows, {camera: of_camera for camera, of_camera in times.items() if of_camera is not None}


def _even_times(truth: Path, people: Rows) -> FrameTimes | None:
    """When frames are shown by the `seqinfo.ini` of a `<camera>/gt/gt.txt`. None where there is none."""
    info = truth.parents[1] / "seqinfo.ini"
    if not info.exists():
        return None
    frames = int(people[:, FRAME].max(initial=0))
    return FrameTimes.lasting(np.arange(frames) / float(read_sequence_info(info).frame_rate))


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


def _file_rows(folder: Path) -> tuple[dict[str, _ThreeRows], list[Remark]]:
    """Rows by camera. Files do not tell tracks from tracklets, so the same rows are measured as all."""
    if not folder.is_dir():
        raise FootageError(
            f"{folder} is no folder: it should hold one <camera>.txt in MOTChallenge columns for each camera."
        )
    rows_by_camera, remarks = read_files({path.stem: path for path in sorted(folder.glob("*.txt"))}, "result")
    return {camera: (rows, rows, rows) for camera, rows in rows_by_camera.items()}, remarks


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
    """The file of a model: `base`, the folder of a site's model, or a safetensors or ONNX file itself.

    Raises:
        OnnxError: the folder holds no model.
    """
    path = Path(name)
    if name == BASE:
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
