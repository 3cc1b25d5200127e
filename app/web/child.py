"""Processes that the server starts and that end with it: each in a group of its own, its stdin a pipe of the server's.

Whatever way the server ends, the pipe is closed, which the process hears.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def begun(words: Sequence[str]) -> subprocess.Popen[str]:
    """Starts a program. Its streams are pipes, in text."""
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)},
        start_new_session=True,  # Ctrl-C ends the server, which ends it, and its children with it
    )


def has_ended(process: subprocess.Popen[str]) -> bool:
    """Whether a process has ended. It is not reaped, so that nobody else gets its number before its children end."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill(process: subprocess.Popen[str]) -> None:
    """Ends a process and its children, whatever they do."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
