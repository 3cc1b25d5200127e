"""Whole processes, as a benchmark starts them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
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
