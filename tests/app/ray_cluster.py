"""A Ray cluster of several nodes on this machine, whose processes can be killed one by one."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

ENDING = 20.0  # s in which killed processes are gone
STORE = 200 * 2**20  # bytes of shared memory of each node
_RAY = Path(sys.executable).with_name("ray")


class RayCluster:
    """Nodes are begun by `ray start`, as a person does it. Its folder has a short path, as sockets lie in it."""

    def __init__(
        self,
        cpus: Sequence[int],
        *,
        variables: Mapping[str, str] | None = None,
        cores: Sequence[set[int]] | None = None,
        gpus: int = 0,
        memory: int | None = None,
    ) -> None:
        """cpus: of each node, the head first. variables: for Ray, beside what Sightline's docs say.

        cores: the processors that each node keeps to. gpus, memory: that each node says it has, whatever there is.
        """
        self._cpus = [*cpus]
        self._gpus = gpus
        self._memory = memory
        self._cores = [*cores] if cores else [os.sched_getaffinity(0)] * len(cpus)
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        (self.folder / "token").write_text(secrets.token_hex(32))
        self.address = f"127.0.0.1:{free_port()}"
        self.environment = {
            **os.environ,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.folder / "token"),
            "RAY_worker_niceness": "0",  # else a busy machine does its work last
            **(variables or {}),
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Starts all nodes."""
        for number in range(len(self._cpus)):
            self.start_node(number)

    def start_node(self, number: int) -> None:
        """Starts one of them. Number 0 is the head. Raises RuntimeError where Ray does not start it in its time."""
        head = ["--head", f"--port={self.address.rpartition(':')[2]}", "--include-dashboard=false"]
        head += [f"--temp-dir={self.folder}"]
        words = [
            str(_RAY),
            "start",
            *([f"--address={self.address}"] if number else head),
            f"--num-cpus={self._cpus[number]}",
            f"--num-gpus={self._gpus}",
            f"--object-store-memory={STORE}",
            *([] if self._memory is None else [f"--memory={self._memory}"]),
        ]
        started = subprocess.run(
            words,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=partial(os.sched_setaffinity, 0, self._cores[number]),
        )
        if started.returncode:
            raise RuntimeError(started.stdout + started.stderr)

    def join(self, cpus: int) -> None:
        """Starts one node more."""
        self._cpus.append(cpus)
        self._cores.append(os.sched_getaffinity(0))
        self.start_node(len(self._cpus) - 1)

    def stop(self) -> None:
        """Kills all of its processes."""
        limit = time.monotonic() + ENDING
        while (pids := [*self.processes()]) and time.monotonic() < limit:
            for pid in pids:
                kill(pid)
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """The command lines of its processes by their ids: servers, raylets, workers, and what workers started."""
        return family(lambda pid, line: str(self.folder) in line and "ray" in line.split("/"))

    def those(self, *names: str) -> list[int]:
        """Ids of processes in whose command line one of the names stands, as `ray::take_in_footage` or `raylet`."""
        return [pid for pid, line in self.processes().items() if any(name in line for name in names)]

    def raylets(self) -> list[int]:
        """Ids of the raylets, the head's first."""
        return self.those("/raylet --")


def family(is_one: Callable[[int, str], bool]) -> dict[int, str]:
    """The command lines of processes that are chosen by id and command line, and of all that they started."""
    lines, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError, ValueError):
                lines[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    members = {pid for pid, line in lines.items() if is_one(pid, line)}
    while more := {pid for pid, parent in parents.items() if parent in members} - members:
        members |= more
    return {pid: lines[pid] for pid in sorted(members)}


def kill(pid: int) -> None:
    """Kills a process, unless it has ended. Returns when it is gone, but for what its parent keeps of it."""
    limit = time.monotonic() + ENDING
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
        while time.monotonic() < limit and state_of(pid) not in "ZX":
            time.sleep(0.01)


def state_of(pid: int) -> str:
    """As Linux tells it: R, S, Z, and so on. Raises OSError where there is no such process."""
    return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
