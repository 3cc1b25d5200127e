"""Progress goes to stderr: lines where there is no terminal, a bar a camera where there is one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import app.progress
from app.progress import Progress


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """What is shown of two cameras, one of which does not tell its length."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, color_system=None)
    monkeypatch.setattr(app.progress, "errors", console)
    monkeypatch.setattr(app.progress, "LINE_SECONDS", 0.0)
    with Progress(["hall", "gate"]) as progress:
        progress.expect("hall", 10)
        progress.expect("gate", None)
        for _ in range(4):
            progress.advance("hall")
            progress.advance("gate")
        assert progress.frames == {"hall": 4, "gate": 4}
        assert progress.seconds["hall"] > 0
    return text.getvalue()


def test_plain_lines_tell_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False).splitlines()
    assert any(line.startswith("hall: 4 of 10 frames, ") and line.endswith(" s left") for line in lines)
    assert any(line.startswith("gate: 4 frames, ") and "left" not in line for line in lines)


def test_a_terminal_gets_a_bar_for_each_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    last = shown(monkeypatch, terminal=True)
    assert "4/10" in last
    assert "hall" in last
    assert "gate" in last
    assert "frames/s" in last


def test_more_footage_of_a_camera_adds_to_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.StringIO()
    monkeypatch.setattr(app.progress, "errors", Console(file=text, force_terminal=False, width=120))
    monkeypatch.setattr(app.progress, "LINE_SECONDS", 0.0)
    with Progress(["hall"]) as progress:
        progress.expect("hall", 10)
        progress.expect("hall", 5)
        progress.advance("hall")
    assert "1 of 15 frames" in text.getvalue()
