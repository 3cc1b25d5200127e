"""What following a moving camera is worth, on the sample world's films, which still cameras shot.

A window smaller than the picture pans and tilts over each film, to and fro, and shakes. So it is known how far the
camera moved, and where each person is. The films so made are ingested twice: with the camera followed, and as if it
stood still. The same films are ingested through a window that stands in the middle, too.

    python -m bench.moving_camera sample_videos/films
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import av
import numpy as np
import typer
from numpy.typing import NDArray

import app.engine.tracking
from app.engine.camera_motion import CameraMotion
from app.engine.ingest import ingest
from app.report.accuracy import TrackingRow, evaluate_tracking
from app.terminal import JsonOption, print_json
from bench.measuring import Machine
from bench.terminal import print_table, run, say
from sample_videos.world.truth import FRAME, VISIBILITY, read_boxes, write_boxes
from trackers.motchallenge import HEIGHT, LEFT, TOP, WIDTH

WINDOW = 0.75  # of the picture's width and height
TILT = 0.65  # of the time of a pan
SHAKE = 2.0  # px, standard deviation in each frame
# Threads and what a processor can do would change some bits of the films.
QUALITY = {"crf": "20", "preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}

Corners = NDArray[np.int64]  # (frames, 2) px x y, of a window's upper left corner


class StillCamera(CameraMotion):
    """A camera that is taken to stand still, whatever it shows."""

    def update(self, image: NDArray[np.uint8]) -> None:
        """Looks at nothing."""


@dataclass(frozen=True, slots=True)
class Following:
    """How far a followed camera is from where it is, and what following takes."""

    median_px: float
    p95_px: float
    unfollowed_median_px: float
    """As far is a camera that nobody follows."""
    ms_a_frame: float


@dataclass(frozen=True, slots=True)
class MovingReport:
    """The same films, seen by a camera that stands and by one that moves."""

    machine: Machine
    following: dict[str, Following]  # by camera
    still: TrackingRow
    followed: TrackingRow
    not_followed: TrackingRow


@dataclass(frozen=True, slots=True)
class Swing:
    """How a camera moves."""

    seconds: float
    """Of a pan to and fro."""
    seed: int


def swinging(frames: int, rate: float, free: NDArray[np.int64], swing: Swing, number: int) -> Corners:
    """A window that pans, tilts and shakes, at most `free` px x y to the right and down."""
    turns, rng = 2 * np.pi * np.arange(frames) / rate / swing.seconds, np.random.default_rng((swing.seed, number))
    place = np.stack([np.sin(turns), np.sin(turns / TILT)], 1)
    return np.clip(np.rint((1 + place) / 2 * free + rng.normal(0, SHAKE, (frames, 2))), 0, free).astype(np.int64)


def seen_through(film: Path, seen: Path, swing: Swing | None, number: int) -> tuple[Corners, Following]:
    """Writes a film as it is seen through a window, which stands in the middle where it does not swing."""
    motion, offsets, seconds = CameraMotion(), [], 0.0
    with av.open(str(film)) as source, av.open(str(seen), "w") as target:
        video = source.streams.video[0]
        assert video.average_rate is not None
        size = np.array([video.width, video.height])
        window = 2 * np.rint(WINDOW * size / 2).astype(np.int64)
        free = size - window
        corners = np.tile(free // 2, (video.frames, 1))
        if swing is not None:
            corners = swinging(video.frames, float(video.average_rate), free, swing, number)
        target.metadata.update(source.metadata)
        stream = target.add_stream("libx264", rate=video.average_rate, options=QUALITY)
        stream.width, stream.height = window.tolist()
        stream.pix_fmt = "yuv420p"
        for (x, y), frame in zip(corners.tolist(), source.decode(video), strict=True):
            whole = frame.to_ndarray(format="rgb24")
            picture = np.ascontiguousarray(whole[y : y + window[1], x : x + window[0]], np.uint8)
            target.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            began = time.perf_counter()
            motion.update(picture)
            seconds += time.perf_counter() - began
            offsets.append(motion.offset)
        target.mux(stream.encode(None))
    moved = corners - corners[0]
    errors = np.linalg.norm(np.array(offsets) - moved, axis=1)
    far = np.linalg.norm(moved, axis=1)
    median, p95 = np.percentile(errors, (50, 95)).tolist()
    return corners, Following(median, p95, float(np.median(far)), 1000 * seconds / len(corners))


def write_seen(films: Path, seen: Path, swing: Swing | None) -> dict[str, Following]:
    """Writes films and their truth as they are seen through a window. Returns how well it is followed, by camera."""
    seen.mkdir()
    following = {}
    for number, film in enumerate(sorted(films.glob("*.mp4"))):
        corners, following[film.stem] = seen_through(film, seen / film.name, swing, number)
        window = _window(seen / film.name)
        rows = read_boxes(films, film.stem)
        origin = corners[rows[:, FRAME].astype(int) - 1]
        left_top = rows[:, [LEFT, TOP]] - origin
        right_bottom = left_top + rows[:, [WIDTH, HEIGHT]]
        first, last = np.clip(left_top, 0, window), np.clip(right_bottom, 0, window)
        rows[:, VISIBILITY] *= np.prod(last - first, 1) / np.prod(right_bottom - left_top, 1)
        rows[:, [LEFT, TOP]], rows[:, [WIDTH, HEIGHT]] = first, last - first
        write_boxes(seen, film.stem, rows[rows[:, VISIBILITY] > 0].tolist())
    return following


def _window(film: Path) -> NDArray[np.int64]:
    with av.open(str(film)) as opened:
        return np.array([opened.streams.video[0].width, opened.streams.video[0].height])


def scores(films: Path, site: Path, detector: str) -> TrackingRow:
    """Ingests films, and compares all cameras with their truth."""
    ingest(films, site, detector=detector, who="bench")
    return evaluate_tracking(films, site=site).all


def measure(films: Path, detector: str, swing: Swing) -> MovingReport:
    """Ingests films three times."""
    machine = Machine.now()
    with tempfile.TemporaryDirectory() as folder:
        standing, moving = Path(folder, "standing"), Path(folder, "moving")
        write_seen(films, standing, None)
        following = write_seen(films, moving, swing)
        still = scores(standing, Path(folder, "still"), detector)
        followed = scores(moving, Path(folder, "followed"), detector)
        with patch.object(app.engine.tracking, "CameraMotion", StillCamera):
            not_followed = scores(moving, Path(folder, "not-followed"), detector)
    return MovingReport(machine, following, still, followed, not_followed)


def command(
    films: Annotated[Path, typer.Argument(help="Films of the sample world, with their truth beside them.")],
    detector: Annotated[str, typer.Option(help="As python -m app.ingest has it.")] = "auto",
    pan: Annotated[float, typer.Option(help="Seconds of a pan to and fro.", min=1.0)] = 6.0,
    seed: Annotated[int, typer.Option(help="Of how the camera shakes.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Follow a camera that pans, tilts and shakes, and see what that is worth."""
    if not list(films.glob("*.mp4")):
        raise typer.BadParameter(f"{films} has no film: give a folder that sample_videos.world.film wrote.")
    report = measure(films, detector, Swing(pan, seed))
    if as_json:
        print_json(report)
        return
    print_table(
        ["camera", "not followed, px", "followed, px", "95 %, px", "ms a frame"],
        [
            [name, f"{f.unfollowed_median_px:.1f}", f"{f.median_px:.2f}", f"{f.p95_px:.2f}", f"{f.ms_a_frame:.2f}"]
            for name, f in report.following.items()
        ],
    )
    say()
    heads = ("HOTA", "AssA", "IDF1", "purity", "purity_each_frame", "pieces", "visits_found", "long_visits_found")
    named = (("it stands", report.still), ("followed", report.followed), ("not followed", report.not_followed))
    print_table(
        ["camera", *(head.replace("_", " ") for head in heads)],
        [
            [name, *(f"{getattr(row, head) * (1 if head == 'pieces' else 100):.2f}" for head in heads)]
            for name, row in named
        ],
    )


if __name__ == "__main__":
    run(command)
