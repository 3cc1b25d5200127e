"""Commands that work on a site while something else is measured, each again and again."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.terminal import errors

LOOK = 0.2  # s between looks at whether the time is over
MOST_SAID = 1000  # characters that are told of a command that failed


@dataclass(slots=True)
class Beside:
    """How often a command ran meanwhile."""

    done: int = 0
    failed: int = 0
    broken_off: int = 0
    """By the end of the time."""
    seconds: list[float] = field(default_factory=list)
    """Of each that is done, the whole process."""


@contextmanager
def working(site: Path, commands: Mapping[str, Iterator[Sequence[str]]]) -> Iterator[dict[str, Beside]]:
    """Lets commands work on the site until the block ends. What runs then is broken off as a person does.

    commands: by name, the words of each of its runs behind `python -m`, without the site. None where it is to wait.
    """
    told = {name: Beside() for name in commands}
    over = threading.Event()

    def work(name: str) -> None:
        for words in commands[name]:
            if over.is_set():
                return
            if not words:
                over.wait(LOOK)
                continue
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", *words, "--site", str(site)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            watcher = threading.Thread(target=_interrupted, args=(process, over), daemon=True)
            watcher.start()
            said, _ = process.communicate()
            if process.returncode == 0:
                told[name].done += 1
                told[name].seconds.append(time.perf_counter() - began)
            elif over.is_set():
                told[name].broken_off += 1
            else:
                told[name].failed += 1
                errors.print(f"{name}: {said.decode(errors='replace')[-MOST_SAID:]}")

    threads = [threading.Thread(target=work, args=(name,)) for name in commands]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _interrupted(process: subprocess.Popen[bytes], over: threading.Event) -> None:
    """Ends a command as a person does, once the time is over."""
    while process.poll() is None:
        if over.wait(LOOK):
            process.send_signal(signal.SIGINT)
            return
