"""Foreign models are tried in a process of their own first, which may hang, crash or swell.

A model's file is a program: an endless loop in it is a few bytes. Shipped models and those of a site are not tried, so
they load at once.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

SECONDS = 120.0  # a large model on a busy machine takes a fifth
BYTES = 4 * 2**30  # of memory, and beside it as much as the file's size makes plausible
BYTES_A_BYTE = 8
_LOOK = 0.05  # seconds between looks at the process
_CHILD = "import sys; from deploy.probe import _child; _child(*sys.argv[1:])"


class ProbeError(Exception):
    """What became of a model that was tried. The message names it."""


def probe(path: Path, function: str, *arguments: str) -> None:
    """Calls `module:function` with `path` and further text in a process of its own.

    Raises:
        ProbeError: It raised, crashed, took longer than SECONDS or grew beyond BYTES and BYTES_A_BYTE.
    """
    limit = BYTES + BYTES_A_BYTE * path.stat().st_size
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)}
    end = time.monotonic() + SECONDS
    with subprocess.Popen(
        [sys.executable, "-c", _CHILD, function, str(path), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        try:
            while process.poll() is None:
                if time.monotonic() > end:
                    raise ProbeError(f"{path} does not come to an end within {SECONDS:g} s; name another model.")
                if own_memory(process.pid) > limit:
                    raise ProbeError(f"{path} takes more than {limit / 2**30:.1f} GB of memory; name another model.")
                time.sleep(_LOOK)
            answer = process.stdout.read() if process.stdout is not None else ""
        finally:
            process.kill()
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        raise ProbeError(f"{path} crashes the library that runs it ({name}); export the model again.")
    if process.returncode:
        with suppress(ValueError, KeyError, TypeError):
            raise ProbeError(json.loads(answer)["error"])
        raise ProbeError(f"{path} can't be used (exit code {process.returncode}); export the model again.")


def own_memory(process: int) -> int:
    """Bytes of memory that a process has to itself, without what it maps from files. 0 where nobody can tell."""
    try:
        for line in Path(f"/proc/{process}/status").read_text("ascii", "replace").splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except OSError:  # it ended, or this is no Linux
        pass
    return 0


def _child(function: str, *arguments: str) -> None:
    """What the process does. Its parent may die meanwhile, so it limits itself, too."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    seconds = int(SECONDS) * (os.cpu_count() or 1)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    module, _, name = function.partition(":")
    try:
        getattr(importlib.import_module(module), name)(*arguments)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent tells
        ours = type(error).__module__.startswith("deploy.")
        sentence = str(error) if ours else f"{arguments[0]} can't be used ({type(error).__name__}: {error!s:.200})."
        print(json.dumps({"error": sentence}))
        sys.exit(1)
