"""`app.watch` as a child process while it is measured: what is found when, what it holds, and blows at random.

Nothing of the program is changed for that. The record and the embeddings of its site are read from outside.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np

from app.encoders.versions import serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.folder_embeddings import FolderEmbeddings
from app.record.outages import outages_of
from bench.measuring import MIB
from bench.processes import ProcessError, cpu_seconds, descendants, remote_ports, resident_memory

LOOK = 0.25  # s between looks at what is found
SAMPLE = 2.0  # s between samples of memory
WARM = 0.2  # of the samples of memory, which come before its slope is taken
PIECES = 20  # of time, whose mean memory the slope is of: single samples follow from those before
CALM = 30.0  # s before the first blow, and after the last
GIVEN_UP = 60.0  # s after which a camera counts as not back
ENDING = 120.0  # s for the end of the program, when it is told
WATCHER = "app.watch"


class WatchProcess:
    """The command, started as often as it is killed."""

    def __init__(self, site: Path, detector: str, log: Path) -> None:
        self._words = [sys.executable, "-m", "app.watch", "--site", str(site), "--detector", detector, "--json"]
        self._log = log.open("w", encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None
        self.seen: set[int] = set()  # all processes that were ever of it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._log.close()

    def start(self) -> None:
        """Returns at once."""
        self._process = subprocess.Popen(self._words, stdout=subprocess.PIPE, stderr=self._log, text=True)

    @property
    def id(self) -> int:
        """Of the command's own process."""
        assert self._process is not None
        return self._process.pid

    def processes(self) -> list[int]:
        """The command's own process and all that it started. Raises ProcessError where it has ended by itself."""
        assert self._process is not None
        if self._process.poll() is not None:
            raise ProcessError(f"app.watch ended with {self._process.returncode}, see {self._log.name}.")
        found = [self.id, *descendants(self.id)]
        self.seen.update(found)
        return found

    def kill(self) -> None:
        """SIGKILL, to this process alone."""
        assert self._process is not None
        self.processes()
        self._process.kill()
        self._process.communicate()

    def end(self) -> Any:
        """Ends it as a person does. Returns what it says. Raises ProcessError where it failed."""
        self.processes()
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            said = self._process.communicate(timeout=ENDING)[0]
        except subprocess.TimeoutExpired:
            raise ProcessError(f"app.watch does not end within {ENDING:g} s.") from None
        if self._process.returncode != 0:
            raise ProcessError(f"app.watch ended with {self._process.returncode}, see {self._log.name}.")
        return json.loads(said)

    def left_over(self) -> int:
        """How many of its processes are there, ten seconds after the end. Those that wait to be reaped don't count."""
        limit = time.monotonic() + 10
        while (left := sum(map(_lives, self.seen))) and time.monotonic() < limit:
            time.sleep(0.2)
        return left


def _lives(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] != "Z"
    return False


class FoundLog:
    """When each tracklet and sighting first was in the record with its embedding, so that a search finds it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._changed: dict[tuple[str, int], int] = {}  # by version and footage, when its file last was
        self.at: dict[int, float] = {}  # by id, UTC seconds

    def look(self) -> None:
        """Reads those files of the serving version that have changed."""
        now = time.time()
        with suppress(SiteError):  # no version serves yet
            model = serving(self._site).name
            store = store_of(self._site, model)
            assert isinstance(store, FolderEmbeddings)  # its site is in a folder
            for footage in store.files():
                with suppress(OSError):
                    changed = store.changed(footage)
                    if self._changed.get((model, footage)) == changed:
                        continue
                    ids = store.check(footage)
                    if ids is not None:
                        self._changed[model, footage] = changed
                        for number in ids.tolist():
                            self.at.setdefault(number, now)


@dataclass(slots=True)
class Held:
    """Samples of one process."""

    times: list[float] = field(default_factory=list)  # s
    mib: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # s, so far


class Samples:
    """Memory and processor of all processes, by what they do."""

    def __init__(self, ports: dict[int, str], servers: Iterable[int]) -> None:
        """ports: of the cameras' servers, by port the camera."""
        self._ports, self._servers = ports, list(servers)
        self._held: dict[str, dict[int, Held]] = defaultdict(lambda: defaultdict(Held))
        self._next = 0.0

    def take(self, watch: WatchProcess) -> None:
        """Once in two seconds."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + SAMPLE
        for process in watch.processes():
            self._add(WATCHER if process == watch.id else self._camera(process), process, now)
        for process in self._servers:
            self._add("servers of the films", process, now)
        self._add("this benchmark", os.getpid(), now)

    def of(self) -> dict[str, Held]:
        """By what they do, the samples of the process that lived longest. Others may have been killed."""
        return {role: max(of_role.values(), key=lambda held: len(held.times)) for role, of_role in self._held.items()}

    def _camera(self, process: int) -> str:
        for role, of_role in self._held.items():
            if process in of_role and role in self._ports.values():
                return role
        return next((self._ports[port] for port in remote_ports(process) & set(self._ports)), "other processes")

    def _add(self, role: str, process: int, now: float) -> None:
        held = self._held[role][process]
        held.times.append(now)
        held.mib.append(resident_memory(process) / MIB)
        held.cpu.append(cpu_seconds(process))


def slope(held: Held) -> tuple[float, float] | None:
    """MiB an hour by least squares after a warm-up, and what it may be off by (two standard errors).

    The line is through the means of equal pieces of time. None where there are too few samples.
    """
    begin = round(WARM * len(held.times))
    times, mib = np.array(held.times[begin:]) / 3600, np.array(held.mib[begin:])
    if len(times) < 2 * PIECES:
        return None
    means = np.array([[piece.mean() for piece in np.array_split(values, PIECES)] for values in (times, mib)])
    (steepness, _), covariance = np.polyfit(means[0] - means[0, 0], means[1], 1, cov=True)
    return float(steepness), float(2 * np.sqrt(covariance[0, 0]))


def cpu_share(held: Held) -> float:
    """Of one core, over all samples."""
    seconds = held.times[-1] - held.times[0]
    return (held.cpu[-1] - held.cpu[0]) / seconds if seconds else 0.0


@dataclass(slots=True)
class Blow:
    """One SIGKILL, and what was committed then."""

    kind: str  # camera, or program
    moment: float  # UTC seconds
    waiting: set[str]  # cameras that are not back yet
    committed: dict[int, tuple[float, float]]  # by id of what can be found, start and end
    seconds: float | None = None  # until all were back


class Blows:
    """Blows at random, one after the other is over."""

    def __init__(self, count: int, seconds: float, cameras: list[str], rng: random.Random) -> None:
        """seconds: of the whole run. Half of the blows strike a camera's process, half the whole program."""
        kinds = [("camera", "program")[number % 2] for number in range(count)]
        rng.shuffle(kinds)
        calm = min(CALM, seconds / 4)
        moments = sorted(time.monotonic() + rng.uniform(calm, max(calm, seconds - calm)) for _ in range(count))
        self._coming = list(zip(moments, kinds))
        self._cameras, self._rng = cameras, rng
        self.done: list[Blow] = []

    @property
    def over(self) -> bool:
        """Whether all have struck, and all cameras are back or given up."""
        return not self._coming and (not self.done or not self._under_way(self.done[-1]))

    def go_on(self, watch: WatchProcess, site: Site, ports: dict[int, str]) -> None:
        """Strikes if it is time, or looks who is back."""
        if self.done and self._under_way(self.done[-1]):
            _look_who_is_back(self.done[-1], site)
        elif self._coming and time.monotonic() >= self._coming[0][0]:
            kind = self._coming.pop(0)[1]
            blow = self._program(watch, site) if kind == "program" else self._camera(watch, site, ports)
            if blow is not None:
                self.done.append(blow)

    @staticmethod
    def _under_way(blow: Blow) -> bool:
        return bool(blow.waiting) and time.time() < blow.moment + GIVEN_UP

    def _program(self, watch: WatchProcess, site: Site) -> Blow:
        moment = time.time()
        watch.kill()
        committed = _committed(site)
        watch.start()
        return Blow("program", moment, set(self._cameras), committed)

    def _camera(self, watch: WatchProcess, site: Site, ports: dict[int, str]) -> Blow | None:
        processes = [
            (process, ports[port]) for process in watch.processes() for port in remote_ports(process) & set(ports)
        ]
        if not processes:
            return None
        process, camera = self._rng.choice(processes)
        moment = time.time()
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        return Blow("camera", moment, {camera}, _committed(site))


def lost(blows: list[Blow], site: Site, erased: set[int]) -> int:
    """Tracklets that were committed at a blow, and are gone or otherwise now."""
    there = _committed(site)
    before = {number: span for blow in blows for number, span in blow.committed.items()}
    return sum(there.get(number) != span for number, span in before.items() if number not in erased)


def doubled(site: Site) -> int:
    """Boxes that are in two pieces of tracks of one camera."""
    count = 0
    for camera in site.camera_names():
        boxes = [site.boxes(piece.id) for piece in site.segments(camera)]
        rows = np.concatenate([np.zeros((0, 5)), *(np.column_stack([b.times, b.boxes]) for b in boxes)])
        count += len(rows) - len(np.unique(rows, axis=0))
    return count


def _committed(site: Site) -> dict[int, tuple[float, float]]:
    table = site.searchable_table()
    return dict(zip(table.ids.tolist(), zip(table.start.tolist(), table.end.tolist())))


def _look_who_is_back(blow: Blow, site: Site) -> None:
    now = time.time()
    for camera in sorted(blow.waiting):
        if blow.kind == "program":
            moments = [record.start for record in site.footage(camera)]
        else:
            moments = [outage.end for outage in outages_of(site.database, camera, most=5) if outage.end is not None]
        back = [moment for moment in moments if moment > blow.moment]
        if back:
            blow.waiting.discard(camera)
            blow.seconds = max(blow.seconds or 0.0, min(back) - blow.moment)
    if blow.waiting and now >= blow.moment + GIVEN_UP:
        blow.seconds = None
