"""How far work is: bars on a terminal, lines in the log elsewhere."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from reid import progress as module
from reid.progress import Bars, line, unheard

ROOT = Path(__file__).parents[2]


class Clock:
    """Seconds as a test wants them."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Clock:
    caplog.set_level("INFO", "sightline")
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


@pytest.mark.parametrize(
    ("done", "total", "rate", "said"),
    [
        (1000, 5000, 120.4, "crops: 1,000 of 5,000, 120 a second"),
        (7, None, 0.25, "crops: 7, 0.2 a second"),
        (1, 2, 1234.0, "crops: 1 of 2, 1,234 a second"),
    ],
)
def test_a_line(done: int, total: int | None, rate: float, said: str) -> None:
    assert line("crops", done, total, rate) == said


def test_nobody_watches() -> None:
    unheard("crops", 1)
    unheard("crops", 1, 2)


def test_without_a_terminal_each_task_has_a_line_now_and_then(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with Bars() as progress:
        for clock.now in range(25):
            progress("crops", 100 + 50 * int(clock.now), 5000)
            if clock.now >= 3:
                progress("training [steps]", int(clock.now))
    assert [record.getMessage() for record in caplog.records] == [
        "crops: 600 of 5,000, 50 a second",
        "training [steps]: 13, 1.0 a second",
        "crops: 1,100 of 5,000, 50 a second",
        "training [steps]: 23, 1.0 a second",
    ]


def test_a_lower_number_begins_anew(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """As when one command trains several times."""
    with Bars() as progress:
        for clock.now, done in ((0, 0), (9, 900), (18, 0), (27, 90), (28, 100)):
            progress("crops", done, 1000)
    assert [record.getMessage() for record in caplog.records] == ["crops: 100 of 1,000, 10 a second"]


def test_any_thread_may_tell(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    with Bars() as progress:
        progress("crops", 0)
        clock.now = 10.0
        threads = [threading.Thread(target=lambda: [progress("crops", 50) for _ in range(100)]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [record.getMessage() for record in caplog.records] == ["crops: 50, 5.0 a second"]


def test_a_given_console_shows_bars_and_no_lines(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    written = io.StringIO()
    with Bars(Console(file=written, force_terminal=True, width=80)) as progress:
        progress("crops [of hall]", 0, 20)
        clock.now = 60.0
        progress("crops [of hall]", 5, 20)
        progress("training steps", 3)
        progress("crops [of hall]", 2, 20)
    assert "crops [of hall]" in written.getvalue() and "2/20" in written.getvalue()
    assert "training steps" in written.getvalue() and "3/?" in written.getvalue()
    assert not caplog.records
    progress("crops [of hall]", 4, 20)
    clock.now = 90.0
    progress("crops [of hall]", 6, 20)  # too late for a bar
    assert [record.getMessage() for record in caplog.records] == ["crops [of hall]: 6 of 20, 0.1 a second"]


def test_on_a_terminal_bars_are_on_stderr_and_log_lines_above_them() -> None:
    code = """
import logging
from reid.progress import Bars
logging.basicConfig(format="%(message)s", level="INFO")
handler = logging.getLogger().handlers[0]
before = handler.stream
with Bars() as progress:
    progress("crops", 5, 20)
    logging.info("a line")
    assert handler.stream is not before
assert handler.stream is before
print("result")
"""
    ours, theirs = pty.openpty()
    terminal = {"TERM": "xterm-256color", "COLUMNS": "80"}
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TTY_COMPATIBLE")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment | terminal,
        cwd=ROOT,
        check=True,
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            seen += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert done.stdout == b"result\n"
    assert b"5/20" in seen and b"a line" in seen and b"Traceback" not in seen


def test_rich_is_imported_only_for_a_terminal() -> None:
    code = """
import sys
from reid.progress import Bars
with Bars() as progress:
    progress("crops", 1, 2)
sys.exit("rich" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stderr=subprocess.PIPE)


def test_log_handlers_of_others_stay() -> None:
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(handler)
    try:
        stream = handler.stream
        with Bars(Console(file=io.StringIO(), force_terminal=True)):
            assert handler.stream is stream
    finally:
        logging.getLogger().removeHandler(handler)
