"""Works that are struck: the n-th call by which they change a disk fails, or is their last.

strace strikes. It attaches itself to a process that waits for it, so calls count from the work's first one on. Threads
count apart: where several change the disk, each is struck.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.app.records import copy_of
from tests.app.stage import Hangs, Stage, begun, ended, whole
from tests.app.works import TOLD, run_work

# What changes a disk. `close` is none of it.
CALLS = "write,pwrite64,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat"
STRIKES = {"full": "error=ENOSPC", "broken": "error=EIO", "killed": "signal=SIGKILL"}
ATTACHING = 20.0  # s at most


@dataclass(frozen=True)
class Struck:
    """What became of a work that was struck."""

    code: int
    hit: bool  # one of its threads came to the n-th call


def can_strike() -> bool:
    """Whether this machine has strace, and it may attach itself."""
    strace = shutil.which("strace")
    return (
        strace is not None and subprocess.run([strace, "-qq", "true"], capture_output=True, check=False).returncode == 0
    )


def run_stopped(name: str, path: Path, settings: dict[str, Any]) -> None:
    """A work that begins when somebody lets it."""
    os.kill(os.getpid(), signal.SIGSTOP)
    run_work(name, path, settings)


def struck(start: Any, name: str, path: Path, settings: dict[str, Any], strike: str, nth: int) -> Struck:
    """Runs a work whose n-th call from 1 is struck."""
    process = start.Process(target=run_stopped, args=(name, path, settings))
    process.start()
    trace = path.with_name(f"{path.name}.trace")
    injected = f"inject={CALLS}:{STRIKES[strike]}:when={nth}"
    words = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={CALLS}", "-e", injected, "-p", str(process.pid)]
    try:
        _wait_for(process.pid, "State", "T")
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as strace:
            _wait_for(process.pid, "TracerPid", str(strace.pid))
            os.kill(process.pid, signal.SIGCONT)
            code = ended(process)
            strace.wait()
    finally:
        process.kill()  # else one that could not be struck would stay stopped
    calls = Counter(re.findall(r"^(\d+) +\w+\(", trace.read_text(errors="replace"), re.MULTILINE))  # by thread
    return Struck(code, max(calls.values(), default=0) >= nth)


def _wait_for(pid: int | None, name: str, value: str) -> None:
    limit = time.monotonic() + ATTACHING
    while time.monotonic() < limit:
        status = Path(f"/proc/{pid}/status").read_text()
        if re.search(rf"^{name}:\s+{value}\b", status, re.MULTILINE):
            return
        time.sleep(0.01)
    raise Hangs(f"{name} of {pid} is not {value} after {ATTACHING:g} s")


def strike_and_go_on(stage: Stage, start: Any, folder: Path, name: str, strike: str, nth: int) -> bool:
    """Strikes a work and gives the same command again, after which all is there. Returns whether it came to that call.

    Raises AssertionError where something is lost, doubled or half, or where a fault was not told in a sentence.
    """
    path = copy_of(stage.path, folder)
    outcome = struck(start, name, path, stage.settings, strike, nth)
    allowed = (0, -signal.SIGKILL) if strike == "killed" else (0, TOLD)
    assert outcome.code in allowed, f"{name}, {strike} at {nth}: exit code {outcome.code}"
    assert ended(begun(start, name, path, stage.settings)) == 0, f"{name}, {strike} at {nth}: it does not go on"
    whole(path, stage, {name})
    return outcome.hit
