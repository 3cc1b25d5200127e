"""Accuracy and speed of trackers on the same detections and embeddings, ours beside other people's.

The shipped detector finds people in `--videos`, and the shipped encoder embeds every box from 0.1 up. Both are stored
once. Then every tracker gets just these. `--peers-python` is the Python of an environment that has BoxMOT 25, which
runs `bench/tracking_peers_work.py`. Truth is `DIR/CAMERA/gt/gt.txt`.

A track with a single box was tentative and is dropped, for all alike. Purity and mixed tracks are of the uncut tracks,
with people matched as CLEAR-MOT does. Speed is of the tracker alone on one thread, embeddings at hand.

    python -m bench.tracking_peers --videos DIR --truth DIR --stored DIR --peers-python PATH
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from app.encoders.versions import in_the_box
from app.errors import FootageError
from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.processes import finished
from bench.stored_detections import StoredDetections, detect_and_embed
from bench.terminal import print_table, run
from deploy.detectors.load import load_detector
from deploy.encoder import OnnxEncoder
from deploy.models import BASE
from trackers import TRACKERS, make_tracker
from trackers.evaluate import combine, combine_purity, evaluate_purity, evaluate_sequence, people_of
from trackers.motchallenge import FRAME, ID, Rows, read_rows, to_rows
from trackers.tracked import EmbedOnce

PEERS = (
    "bytetrack",
    "ocsort",
    "sfsort",
    "botsort",
    "strongsort",
    "deepocsort",
    "hybridsort",
    "boosttrack",
    "occluboost",
)


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """Of one tracker on all cameras together. All in % but switches, pieces and speeds."""

    hota: float
    deta: float
    assa: float
    idf1: float
    switches: int
    purity: float
    mixed: float
    pieces: float  # tracks a person and camera whose main person they are
    frames_per_second: float
    embedded: float | None  # boxes at which it looks, a frame. None where it is given all of them


@dataclass(frozen=True, slots=True)
class PeersReport:
    """By tracker."""

    machine: Machine
    cameras: list[str]
    frames: int
    boxes: int
    figures: dict[str, PeerFigures]


@dataclass(frozen=True, slots=True)
class Film:
    """One camera: what was detected, and who is there."""

    name: str
    stored: StoredDetections
    truth: Rows


def films_of(videos: Path, truth: Path, folder: Path) -> list[Film]:
    """All cameras. What is not in the folder yet is detected and embedded first."""
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("*.npz")):
        detector, encoder = load_detector("shipped"), OnnxEncoder(in_the_box(f"{BASE}.onnx"))
        for name, stored in detect_and_embed(videos, detector, encoder):
            stored.write(folder / f"{name}.npz")
    films = []
    for path in sorted(folder.glob("*.npz")):
        known = truth / path.stem / "gt" / "gt.txt"
        if not known.is_file():
            raise FootageError(f"There is no {known}: name the folder that has it with --truth.")
        films.append(Film(name=path.stem, stored=StoredDetections.read(path), truth=read_rows(known)))
    return films


def thinned(film: Film, every: int) -> Film:
    """Every so many frames of a film only."""
    truth = film.truth[(film.truth[:, FRAME] - 1) % every == 0].copy()
    truth[:, FRAME] = (truth[:, FRAME] - 1) // every + 1
    return Film(name=film.name, stored=film.stored.every(every), truth=truth)


def our_rows(name: str, stored: StoredDetections) -> tuple[Rows, float, int]:
    """Rows of one of our trackers, the seconds it took, and at how many boxes it looked."""
    tracker, embeddings = make_tracker(name), stored.embeddings.astype(np.float32)
    rows, seconds, looked = [np.zeros((0, 7))], 0.0, 0
    for number, (moment, places, found) in enumerate(stored.frames()):
        in_frame = embeddings[places]

        def embed(wanted: NDArray[np.intp], in_frame: NDArray[np.float32] = in_frame) -> NDArray[np.float32]:
            nonlocal looked
            looked += len(wanted)
            return in_frame[wanted]

        begin = time.perf_counter()
        ids, index = tracker.update(moment, found, EmbedOnce(embed, len(found)))
        seconds += time.perf_counter() - begin
        rows.append(to_rows(np.full(len(ids), number + 1), ids, found.boxes[index], found.scores[index]))
    return np.concatenate(rows), seconds, looked


def peer_rows(python: str, films: list[Film], names: list[str]) -> tuple[dict[str, list[Rows]], dict[str, float]]:
    """Each peer's rows of each film, and its frames a second."""
    script = Path(__file__).with_name("tracking_peers_work.py").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored, out = folder / "stored", folder / "out"
        stored.mkdir()
        out.mkdir()
        for film in films:
            film.stored.write(stored / f"{film.name}.npz")
        # -I keeps this repository off the path.
        words: list[str | Path] = [python, "-I", script, stored, out, *names]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        process = finished(f"{python} with BoxMOT", words, folder=folder, environment=os.environ | threads)
        rows = {peer: [_as_rows(np.load(out / f"{peer}-{film.name}.npy")) for film in films] for peer in names}
    return rows, json.loads(process.output.splitlines()[-1])


def _as_rows(array: NDArray[np.float64]) -> Rows:
    boxes, scores = array[:, 2:6].astype(np.float32), array[:, 6].astype(np.float32)
    return to_rows(array[:, 0].astype(np.int64), array[:, 1].astype(np.int64), boxes, scores)


def figures_of(films: list[Film], rows: list[Rows], speed: float, embedded: float | None) -> PeerFigures:
    """How good a tracker's rows are."""
    rows = [_without_single(tracks) for tracks in rows]
    pairs = list(zip([film.truth for film in films], rows, strict=True))
    total = combine([evaluate_sequence(truth, tracks) for truth, tracks in pairs])
    purity = combine_purity([evaluate_purity(truth, tracks) for truth, tracks in pairs])
    shown = [people_of(truth, tracks) for truth, tracks in pairs]
    people = sum(len(set(of_film.values())) for of_film in shown)
    return PeerFigures(
        hota=100 * total.hota,
        deta=100 * total.deta,
        assa=100 * total.assa,
        idf1=100 * total.idf1,
        switches=total.idsw,
        purity=100 * purity.purity,
        mixed=100 * purity.mixed,
        pieces=sum(map(len, shown)) / people if people else 0.0,
        frames_per_second=speed,
        embedded=embedded,
    )


def _without_single(tracks: Rows) -> Rows:
    ids = np.unique(tracks[:, ID], return_inverse=True)[1]
    return tracks[np.bincount(ids)[ids] > 1] if len(tracks) else tracks


def measure(films: list[Film], python: str | None, peers: list[str]) -> PeersReport:
    """All trackers on all films."""
    frames = sum(len(film.stored.times) for film in films)
    figures = {}
    for name in TRACKERS:
        followed = [our_rows(name, film.stored) for film in films]
        seconds, looked = sum(each[1] for each in followed), sum(each[2] for each in followed)
        figures[f"ours, {name}"] = figures_of(films, [each[0] for each in followed], frames / seconds, looked / frames)
    if python is not None:
        rows, speeds = peer_rows(python, films, peers)
        for name in peers:
            figures[f"BoxMOT {name}"] = figures_of(films, rows[name], speeds[name], None)
    return PeersReport(
        machine=Machine.now(),
        cameras=[film.name for film in films],
        frames=frames,
        boxes=sum(len(film.stored.boxes) for film in films),
        figures=figures,
    )


def command(
    videos: Annotated[Path, typer.Option(help="Films, one a camera.")],
    truth: Annotated[Path, typer.Option(help="Folder of CAMERA/gt/gt.txt.")],
    stored: Annotated[Path, typer.Option(help="Keep detections and embeddings here, or take those that are here.")],
    peers_python: Annotated[str | None, typer.Option(help="Python of an environment that has BoxMOT 25.")] = None,
    peers: Annotated[str, typer.Option(help="Those of BoxMOT's trackers, with commas between.")] = ",".join(PEERS),
    every: Annotated[int, typer.Option(help="Take every n-th frame only.", min=1)] = 1,
    as_json: JsonOption = False,
) -> None:
    """Measure trackers on the same detections and embeddings, beside BoxMOT's."""
    films = [thinned(film, every) for film in films_of(videos, truth, stored)]
    report = measure(films, peers_python, peers.split(","))
    if as_json:
        print_json(report)
        return
    print_table(
        ("tracker", "HOTA", "DetA", "AssA", "IDF1", "switches", "purity", "mixed", "pieces", "frames/s", "looks/frame"),
        [(name, *(_text(value) for value in asdict(figures).values())) for name, figures in report.figures.items()],
    )


def _text(value: float | None) -> str:
    if value is None:
        return "all"
    return f"{value:.0f}" if isinstance(value, int) or value >= 100 else f"{value:.1f}"


if __name__ == "__main__":
    run(command)
