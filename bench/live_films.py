"""Films with exact truth as live cameras: a server a camera, in a process of its own, and all of one place's clock.

Each film plays in a loop. Films that were shot 3 s apart are shown 3 s apart, so journeys from camera to camera hold.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import av

from app.errors import FootageError
from app.report.motchallenge import read_files, truth_files
from tests.app.footage.rtsp_server import Behaviour, RtspServer
from trackers.motchallenge import FRAME, Rows

LOOK = 0.1  # s between looks at how many connections there are
STARTING = 60.0  # s for a server to start, on a machine that is busy


@dataclass(frozen=True, slots=True)
class Film:
    """One camera's film."""

    camera: str
    path: Path
    truth: Rows  # MOTChallenge rows, frames from 1
    rate: float  # frames/s
    frames: int
    start: float  # UTC seconds, of its first frame


def read_films(folder: Path) -> list[Film]:
    """Films `CAMERA.mp4` that have `CAMERA/gt/gt.txt` beside them, and their date of creation inside.

    Raises:
        FootageError: There is none, or one does not say when it was shot.
    """
    files = {camera: path for camera, path in truth_files(folder).items() if (folder / f"{camera}.mp4").exists()}
    if not files:
        raise FootageError(f"{folder} has no CAMERA.mp4 beside its CAMERA/gt/gt.txt: give a folder of sample films.")
    return [_film(folder / f"{camera}.mp4", rows) for camera, rows in read_files(files, "truth")[0].items()]


def _film(path: Path, truth: Rows) -> Film:
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        created = source.metadata.get("creation_time")
        if created is None or stream.average_rate is None:
            raise FootageError(f"{path} has no date of creation: give films of `python -m sample_videos.world.film`.")
        frames = sum(packet.size > 0 for packet in source.demux(stream))
        start = datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp()
        truth = truth[truth[:, FRAME] <= frames]
        return Film(path.stem, path, truth, float(stream.average_rate), frames, start)


@dataclass(frozen=True, slots=True)
class Playing:
    """A film as a camera shows it: frame number n, from 0 over all loops, is taken at `since + n / rate`."""

    camera: str
    film: Film
    since: float  # UTC seconds


def _serve(film: Path, since: float, port: Any, most: Any) -> None:
    with RtspServer(film, Behaviour(since=since)) as server:
        port.value = server.port
        while True:
            time.sleep(LOOK)
            most.value = max(most.value, server.met.most_at_once)


class Served:
    """Cameras that play films from now on, each for as long as it is asked."""

    def __init__(self, films: Sequence[Film], cameras: int) -> None:
        """Raises FootageError where a server does not start. cameras: as many, the films again and again."""
        context = multiprocessing.get_context("forkserver")  # a server costs moments, and little memory
        context.set_forkserver_preload(["bench.live_run", "bench.live_truth"])  # most of what the command imports
        began, first = time.time(), min(film.start for film in films)
        self.playing = [
            Playing(
                film.camera if cameras <= len(films) else f"{film.camera}-{number // len(films) + 1}",
                film,
                began + film.start - first,
            )
            for number, film in ((number, films[number % len(films)]) for number in range(cameras))
        ]
        self._most = {each.camera: context.Value("i", 0) for each in self.playing}
        ports = {each.camera: context.Value("i", 0) for each in self.playing}
        self._processes: list[BaseProcess] = []
        for each in self.playing:
            told = (each.film.path, each.since, ports[each.camera], self._most[each.camera])
            process = context.Process(target=_serve, args=told, daemon=True)
            process.start()
            self._processes.append(process)
        limit = time.monotonic() + STARTING
        while not all(port.value for port in ports.values()):
            time.sleep(0.05)
            if time.monotonic() > limit:
                self.close()
                raise FootageError("A server of a film does not start: is there memory left?")
        self.ports: dict[int, str] = {port.value: camera for camera, port in ports.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all servers."""
        for process in self._processes:
            process.kill()
            process.join()

    @property
    def ids(self) -> list[int]:
        """The servers' processes."""
        return [process.pid for process in self._processes if process.pid is not None]

    @property
    def most_at_once(self) -> int:
        """Connections that one camera had at once, at most."""
        return max(most.value for most in self._most.values())

    def settings(self, fps: float | None) -> str:
        """What a `site.toml` says of these cameras."""
        rate = "" if fps is None else f"fps = {fps:g}\n"
        return "".join(
            f'[cameras.{camera}]\nurl = "rtsp://127.0.0.1:{port}/film"\n{rate}' for port, camera in self.ports.items()
        )
