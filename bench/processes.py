"""Whole processes, as a benchmark starts them."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TOLD = 2000  # characters of a failed process's last words


class ProcessError(Exception):
    """A process that a benchmark started has failed."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ended well."""

    output: str
    """What it printed on stdout."""
    seconds: float
    """From its start to its end, imports included."""


def finished(
    name: str,
    words: Sequence[object],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Finished:
    """Runs a process to its end.

    Args:
        name: What an error calls it.
        words: The program and its arguments.
        folder: Where it runs. None is here.
        environment: All its variables. None is this process's.
        quiet: Whether its stderr is kept for an error instead of being shown.

    Raises:
        ProcessError: It ended with another code than 0.
    """
    began = time.perf_counter()
    process = subprocess.run(
        list(map(str, words)),
        check=False,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if quiet else None,
        text=True,
    )
    seconds = time.perf_counter() - began
    if process.returncode:
        why = f":\n{process.stderr[-TOLD:]}" if quiet else ", see its message above."
        raise ProcessError(f"{name} ended with {process.returncode}{why}")
    return Finished(output=process.stdout, seconds=seconds)


def descendants(process: int) -> list[int]:
    """A process's children, theirs and so on, as they are just now (Linux)."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(_after_name(path)[1]), []).append(int(path.parent.name))
    found, waiting = [], [process]
    while waiting:
        waiting += (of_this := children.get(waiting.pop(), []))
        found += of_this
    return found


def cpu_seconds(process: int) -> float:
    """What a process has taken of the processor so far, 0 where it is gone (Linux)."""
    with suppress(OSError):
        user, system = _after_name(Path(f"/proc/{process}/stat"))[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return 0.0


def reaped_cpu_seconds(process: int) -> float:
    """The same with all its children that have ended (Linux)."""
    with suppress(OSError):
        return sum(map(int, _after_name(Path(f"/proc/{process}/stat"))[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def resident_memory(process: int) -> int:
    """Bytes of memory that a process holds, what it shares included. 0 where it is gone (Linux)."""
    with suppress(OSError):
        told = Path(f"/proc/{process}/status").read_text("utf-8", "replace").partition("VmRSS:")[2].split()
        return 1024 * int(told[0]) if told else 0
    return 0


def remote_ports(process: int) -> set[int]:
    """The ports that a process is connected to by TCP over IPv4 (Linux)."""
    sockets = set()
    with suppress(OSError):
        for file in Path(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                if match := re.fullmatch(r"socket:\[(\d+)\]", str(file.readlink())):
                    sockets.add(match[1])
        rows = [line.split() for line in Path(f"/proc/{process}/net/tcp").read_text("ascii").splitlines()[1:]]
        return {int(row[2].partition(":")[2], 16) for row in rows if row[9] in sockets}
    return set()


def _after_name(stat: Path) -> list[str]:
    """The fields of a `/proc/PID/stat` behind the program's name, which may hold anything. The state comes first."""
    return stat.read_text("utf-8", "replace").rpartition(")")[2].split()
