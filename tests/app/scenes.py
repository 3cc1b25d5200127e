"""Small worlds for the tests of the site: films, their true boxes for a `mot:` detector, and ways to compare sites."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import DBAPIError

from app.record.database import FILE
from app.record.places import STORE
from tests.app.records import rows_of, run_sql
from tests.clips import Clip, render_clip, render_sequence
from trackers.segments import Cut, Kind, Segment

ROOT = Path(__file__).parents[2]
SIZE = (240, 136)  # px
START = 1795185000.0  # 2026-11-20T14:30:00Z
CREATED = "2026-11-20T14:30:00Z"
PERSON = (28, 58)  # px: wide and high. Tall enough for a tracklet

Truth = list[NDArray[np.float32]]  # per frame (N, 4) x1 y1 x2 y2

# `python -m app.ingest` with small chunks. With a pause a frame it can be met in the middle of its work.
DRIVER = """
import sys, time
import app.ingest, app.engine.ingest, app.engine.tracking, app.terminal
app.engine.ingest.CHUNK = int(sys.argv.pop(1))
pause, take = float(sys.argv.pop(1)), app.engine.tracking.FootageTracker.take
def slowly(*arguments):
    time.sleep(pause)
    return take(*arguments)
if pause:
    app.engine.tracking.FootageTracker.take = slowly
app.terminal.run(app.ingest.command)
"""


@dataclass(frozen=True)
class World:
    """Footage of several cameras and what a detector finds in it."""

    videos: Path
    detections: Path

    @property
    def detector(self) -> str:
        return f"mot:{self.detections}"


def people(frames: int, count: int = 2, shift: int = 0) -> Truth:
    """`count` people who stroll to and fro, each in a row of their own: they never meet."""
    width, height = PERSON
    scene = []
    for index in range(shift, shift + frames):
        boxes = []
        for number in range(count):
            x = round(100 + 80 * np.sin(2 * np.pi * index / 300 + number))
            y = 10 + number * (height + 4)
            boxes.append((x, y, x + width, y + height))
        scene.append(np.array(boxes, np.float32).reshape(-1, 4))
    return scene


def crowd(frames: int, seed: int) -> Truth:
    """Four people who cross each other and are out of sight now and then."""
    rng = np.random.default_rng(seed)
    width, height = PERSON
    phase, period, row = rng.uniform(0, 6, 4), rng.uniform(250, 400, 4), rng.integers(10, 72, 4)
    away, every = rng.integers(0, 150, 4), rng.integers(90, 160, 4)
    scene = []
    for index in range(frames):
        boxes = []
        for k in range(4):
            if (index + away[k]) % every[k] < 25:
                continue
            x = round(105 + 90 * np.sin(2 * np.pi * index / period[k] + phase[k]))
            boxes.append((x, row[k], x + width, row[k] + height))
        scene.append(np.array(boxes, np.float32).reshape(-1, 4))
    return scene


def write_detections(path: Path, truth: Truth | Clip, *, seed: int = 1, jitter: float = 0.5) -> None:
    """MOTChallenge text of true boxes, a little off, with scores about 0.9."""
    rng = np.random.default_rng(seed)
    scene = truth.boxes if isinstance(truth, Clip) else truth
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for frame, boxes in enumerate(scene, 1):
            for x1, y1, x2, y2 in boxes + rng.uniform(-jitter, jitter, boxes.shape):
                score = rng.uniform(0.85, 0.95)
                file.write(f"{frame},-1,{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.3f}\n")


def three_cameras(folder: Path) -> World:
    """gate: 40 pictures, 10 a second. hall: a film of 75 frames, 25 a second. yard: two films, 75 and 60 frames.

    Two people are in each. All begins at `START`. The second film of the yard follows the first without a gap.
    """
    videos, detections = folder / "videos", folder / "detections"
    (videos / "yard").mkdir(parents=True)
    write_detections(detections / "gate.txt", render_sequence(videos / "gate", as_lists(people(40)), size=SIZE), seed=1)
    hall = render_clip(videos / "hall.mp4", people(75, shift=40), size=SIZE, creation_time=CREATED)
    write_detections(detections / "hall.txt", hall, seed=2)
    yard = people(75, shift=80)
    render_clip(videos / "yard" / "2026-11-20_14-30-00.mp4", yard, size=SIZE)
    render_clip(videos / "yard" / "2026-11-20_14-30-03.mp4", yard[:60], size=SIZE)
    write_detections(detections / "yard.txt", yard, seed=3)
    (videos / "site.toml").write_text(f"[cameras.gate]\nstart = {CREATED}\n", encoding="utf-8")
    return World(videos, detections)


def as_lists(truth: Truth) -> list[list[list[float]]]:
    return [boxes.tolist() for boxes in truth]


def run(*command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m …` or `python -c …` at the root of the repository, to its end."""
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=_env(),
        **options,
    )


def ingest(world: World, site: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """The real command, to its end."""
    return run("-m", "app.ingest", world.videos, "--site", site, "--detector", world.detector, *options)


def driver(world: World, site: Path, *options: object, chunk: int = 20, pause: float = 0.0) -> list[str]:
    """Arguments of `python` for the same command with smaller chunks and a pause a frame, in seconds."""
    command = ("-c", DRIVER, chunk, pause, world.videos, "--site", site, "--detector", world.detector, *options)
    return [str(part) for part in command]


def begin(command: Sequence[str]) -> subprocess.Popen[str]:
    """The same, not waited for."""
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_env(),
        preexec_fn=_interruptible,
    )


def _interruptible() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _env() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "SIGHTLINE_SITE"} | {"NO_COLOR": "1"}


def dump(site: Path, *, without: Callable[[str, str], bool] = lambda table, column: False) -> dict[str, list[str]]:
    """Every row of every table of a site's record as text, sorted. Where footage lies, and when, is left out."""
    left_out = ("path", "made", "checksum")
    return {
        table: sorted(
            repr([(key, value) for key, value in row.items() if key not in left_out and not without(table, key)])
            for row in rows
        )
        for table, rows in rows_of(site).items()
    }


def shards(site: Path) -> dict[str, bytes]:
    """Every file of crops by its name below the site."""
    return {str(path.relative_to(site)): path.read_bytes() for path in sorted((site / "crops").rglob("*.shard"))}


def bytes_of(folder: Path) -> bytes:
    """All that a folder's files hold."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def frames_done(site: Path) -> int:
    """Frames that a site's record, perhaps still being written, says were done. 0 where there is none yet."""
    if not any((site / name).exists() for name in (FILE, STORE)):
        return 0
    try:
        return int(str(run_sql(site, "SELECT coalesce(sum(frames), 0) FROM footage")[0][0]))
    except DBAPIError:
        return 0


def segment(
    number: int,
    *,
    track: int = 1,
    kind: Kind = Kind.TRACKLET,
    frames: Sequence[int] = range(10),
    start: float = 0.0,
    fps: float = 25.0,
    box: Sequence[float] = (30, 20, 60, 100),
    cannot_link: Sequence[int] = (),
) -> Segment:
    """A piece of a track that stands still."""
    count = len(frames)
    return Segment(
        number,
        track,
        kind,
        Cut.GAP,
        np.array(frames, np.int64),
        start + np.array(frames) / fps,
        np.tile(np.array(box, np.float32), (count, 1)),
        np.full(count, 0.9, np.float32),
        np.array(cannot_link, np.int64),
    )


def said(stderr: str) -> list[str]:
    """What a command said on stderr, without the line that names its detector."""
    return [line for line in stderr.splitlines() if not line.startswith("detector ")]
