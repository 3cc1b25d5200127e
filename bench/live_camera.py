"""One live camera whose server is killed, stalled and started otherwise at random: how soon pictures come back.

The server speaks RTSP with libav's own RTP. It is the tests' and runs in a process of its own. What happens to it:

- killed: SIGKILL, and started again after 0.5 to 10 s.
- stalled: SIGSTOP, and SIGCONT after 0.5 to 20 s.
- throttled: It sends a tenth to two thirds of what it should for 2 to 15 s, and then at once what waited.
- mute: It accepts connections and says nothing for 0.5 to 10 s.
- otherwise: It comes back at once with another size, codec, speed, clock or first stamp.
- crash, hang: SIGKILL or SIGSTOP to the process that takes the pictures.

Time counts from the server's return, or from the signal, to the next picture. After throttling that is one that comes
less than a second late. Memory is this process's own and that of
the camera's process, after each return. Each picture's time must be later than the one before.

    python -m bench.live_camera --minutes 10 --seed 0
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Annotated, Any

import av
import numpy as np
import typer

from app.footage.camera_address import camera_address
from app.footage.live import LiveOptions
from app.footage.live_camera import LiveCamera, LiveFrame
from app.footage.outage import Outage
from app.terminal import JsonOption, print_json
from bench.measuring import MIB, Machine
from bench.terminal import print_table, run, say
from deploy.probe import own_memory
from tests.app.footage.rtsp_server import Behaviour, RtspServer, film_of, jpeg_of

AWAY = (0.5, 10.0)  # s
STALLED = (0.5, 20.0)  # s. Half of these are long enough for the camera to be given up
THROTTLED, SHARE = (2.0, 15.0), (0.1, 0.67)  # s, and of the film's bytes
TIMELY = 1.0  # s after it was taken, before which a picture comes when nothing is wrong
BETWEEN = (1.0, 4.0)  # s of pictures between two blows
GIVEN_UP = 60.0  # s after which a camera counts as lost
WARM = 0.2  # of the samples of memory, which come before its slope is taken


@dataclass(frozen=True, slots=True)
class Back:
    """How soon pictures came back after one kind of blow."""

    blows: int
    p50_s: float
    p99_s: float
    most_s: float


@dataclass(frozen=True, slots=True)
class LiveReport:
    """What was done to a camera, and what became of it."""

    machine: Machine
    seed: int
    minutes: float
    pictures: int
    connections: int
    most_connections_at_once: int
    outages: dict[str, int]
    back: dict[str, Back]
    lost: int
    """Blows after which no picture came within a minute. None should be."""
    times_fell: int
    """Pictures whose time was not later than the one before. None should be."""
    memory_mib: float
    memory_slope_mib_per_hour: float
    process_memory_mib: float
    """The most of the camera's process."""
    left_over: int
    """Processes that are still there after the end. None should be."""


def _serve(film: Path, behaviour: Behaviour, port: int, most: Any, slow: Any, ready: Any) -> None:
    with RtspServer(film, behaviour, port) as server:
        ready.set()
        while True:
            time.sleep(0.1)
            server.bytes_a_second = slow.value or None
            most.value = max(most.value, server.met.most_at_once)


class _Server:
    """The server's process."""

    def __init__(self, folder: Path) -> None:
        self._context = multiprocessing.get_context("spawn")
        self.films = [
            film_of(folder / "small.mp4"),
            film_of(folder / "large.mp4", (640, 480)),
            film_of(folder / "slow.mp4", (320, 240), rate=10),
            jpeg_of(folder / "jpeg.mkv", (320, 240)),
        ]
        self.most = self._context.Value("i", 0)
        self.slow = self._context.Value("d", 0.0)  # bytes a second at most, 0: as many as there are
        self._ready = self._context.Event()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: BaseProcess | None = None

    @property
    def id(self) -> int:
        assert self._process is not None and self._process.pid is not None
        return self._process.pid

    def start(self, film: Path, behaviour: Behaviour) -> None:
        """Returns when it takes connections."""
        self._ready.clear()
        told = (film, behaviour, self.port, self.most, self.slow, self._ready)
        self._process = self._context.Process(target=_serve, args=told, daemon=True)
        self._process.start()
        self._ready.wait()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.join()
        self._process.close()


class _Watch:
    """What a camera shows, followed in a thread."""

    def __init__(self, camera: LiveCamera) -> None:
        self.camera = camera
        self.pictures = self.times_fell = 0
        self.outages: Counter[str] = Counter()
        self.processes: set[int] = set()
        self._came = threading.Condition()
        self._last_arrival = self._last_time = self._last_timely = 0.0
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for event in self.camera:
            if isinstance(event, Outage):
                if event.end is None or event.end - event.start < 1:
                    self.outages[str(event.why)] += 1
                continue
            assert isinstance(event, LiveFrame)
            self.processes.add(self.camera.process)
            with self._came:
                self.pictures += 1
                self.times_fell += event.frame.time <= self._last_time
                self._last_time, self._last_arrival = event.frame.time, event.arrival
                if event.arrival - event.frame.time < TIMELY:
                    self._last_timely = event.arrival
                self._came.notify_all()

    def since(self, moment: float, *, timely: bool = False) -> float | None:
        """Seconds from a moment to the next picture that arrived after it, None where none comes.

        timely: Pictures that come late don't count.
        """

        def last() -> float:
            return self._last_timely if timely else self._last_arrival

        with self._came:
            return last() - moment if self._came.wait_for(lambda: last() > moment, GIVEN_UP) else None

    def end(self) -> None:
        self.camera.stop()
        self._thread.join(10)


def _behaviour(rng: random.Random) -> Behaviour:
    return Behaviour(
        first_ticks=rng.choice([None, 0, 2**32 - 200_000, rng.randrange(2**32)]),
        clock_ahead=rng.choice([0.0, rng.uniform(-86_400, 86_400)]),
        speed=rng.choice([1.0, 1.0, 0.5]),
        burst=rng.choice([0, 0, 40]),
    )


def _blow(kind: str, server: _Server, watch: _Watch, rng: random.Random) -> float:
    """Strikes once, and returns when all is there again, in UTC seconds."""
    if kind in ("crash", "hang"):
        moment = time.time()
        with contextlib.suppress(ProcessLookupError):
            os.kill(watch.camera.process, signal.SIGKILL if kind == "crash" else signal.SIGSTOP)
        return moment
    if kind == "stalled":
        os.kill(server.id, signal.SIGSTOP)
        time.sleep(rng.uniform(*STALLED))
        os.kill(server.id, signal.SIGCONT)
        return time.time()
    if kind == "throttled":
        server.kill()
        server.start(server.films[0], Behaviour())  # one whose pictures are timely
        watch.since(time.time(), timely=True)
        with av.open(str(server.films[0])) as film:
            server.slow.value = rng.uniform(*SHARE) * (film.bit_rate or 0) / 8
        time.sleep(rng.uniform(*THROTTLED))
        server.slow.value = 0.0
        return time.time()
    server.kill()
    if kind == "killed":
        time.sleep(rng.uniform(*AWAY))
    if kind == "mute":
        server.start(server.films[0], Behaviour(mute=True))
        time.sleep(rng.uniform(*AWAY))
        server.kill()
    if kind == "otherwise":
        server.start(rng.choice(server.films), _behaviour(rng))
    else:
        server.start(server.films[0], Behaviour())
    return time.time()


KINDS = ("killed", "stalled", "throttled", "mute", "otherwise", "crash", "hang")


def measure(minutes: float, seed: int) -> LiveReport:
    """Strikes until the time is over, all kinds alike often."""
    rng, machine = random.Random(seed), Machine.now()
    back: dict[str, list[float]] = defaultdict(list)
    memory: list[tuple[float, float]] = []
    process_memory = lost = 0
    with tempfile.TemporaryDirectory() as folder:
        server = _Server(Path(folder))
        server.start(server.films[0], Behaviour())
        camera = LiveCamera("camera", LiveOptions(camera_address(f"rtsp://127.0.0.1:{server.port}/")), seed=seed)
        watch = _Watch(camera)
        watch.since(time.time())
        began = time.monotonic()
        while time.monotonic() < began + 60 * minutes:
            for kind in rng.sample(KINDS, len(KINDS)):
                time.sleep(rng.uniform(*BETWEEN))
                seconds = watch.since(_blow(kind, server, watch, rng), timely=kind == "throttled")
                if seconds is None:
                    lost += 1
                else:
                    back[kind].append(seconds)
                memory.append((time.monotonic(), own_memory(os.getpid()) / MIB))
                process_memory = max(process_memory, own_memory(camera.process) if camera.process else 0)
        watch.end()
        server.kill()
        time.sleep(0.5)
    times, held = np.array(memory[round(WARM * len(memory)) :]).T
    slope = float(np.polyfit(times - times[0], held, 1)[0] * 3600) if len(times) > 2 else 0.0
    every = {"all": [seconds for each in back.values() for seconds in each], **back}
    return LiveReport(
        machine=machine,
        seed=seed,
        minutes=minutes,
        pictures=watch.pictures,
        connections=camera.state.connections,
        most_connections_at_once=server.most.value,
        outages=dict(watch.outages),
        back={kind: _back(seconds) for kind, seconds in every.items()},
        lost=lost,
        times_fell=watch.times_fell,
        memory_mib=float(held[-1]),
        memory_slope_mib_per_hour=slope,
        process_memory_mib=process_memory / MIB,
        left_over=sum(Path(f"/proc/{process}").exists() for process in watch.processes),
    )


def _back(seconds: list[float]) -> Back:
    p50, p99 = np.percentile(seconds, [50, 99]) if seconds else (0.0, 0.0)
    return Back(len(seconds), float(p50), float(p99), max(seconds, default=0.0))


def command(
    minutes: Annotated[float, typer.Option(help="In all.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Of what is random.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Strike a live camera's server and its process at random, and tell how soon pictures come back."""
    report = measure(minutes, seed)
    if as_json:
        print_json(report)
    else:
        print_table(
            ["blow", "times", "back p50 s", "p99", "most"],
            [
                [kind, str(each.blows), f"{each.p50_s:.2f}", f"{each.p99_s:.2f}", f"{each.most_s:.2f}"]
                for kind, each in report.back.items()
            ],
        )
        say(
            f"{report.pictures} pictures over {report.connections} connections, at most "
            f"{report.most_connections_at_once} at once; {report.lost} blows without return, {report.times_fell} times "
            f"fell, {report.left_over} processes left over"
        )
        say(
            f"memory {report.memory_mib:.0f} MiB, {report.memory_slope_mib_per_hour:+.1f} MiB an hour; the camera's "
            f"process at most {report.process_memory_mib:.0f} MiB"
        )
    failed = report.lost or report.times_fell or report.left_over or report.most_connections_at_once > 1
    raise typer.Exit(1 if failed else 0)


if __name__ == "__main__":
    run(command)
