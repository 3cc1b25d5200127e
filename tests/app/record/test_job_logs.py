"""Logs of jobs are private, and never longer than they may be."""

from __future__ import annotations

from pathlib import Path

from app.record.job_logs import LONGEST_LINE, MOST_BYTES, JobLogs


def test_a_log_keeps_its_latest_lines(tmp_path: Path) -> None:
    logs = JobLogs(tmp_path)
    assert logs.read(7) == ""
    logs.append(7, "first\n")
    logs.append(7, "second é \udcff")
    assert logs.read(7) == "first\nsecond é ?\n"
    for number in range(600):
        logs.append(7, f"{number} " + "x" * 2 * LONGEST_LINE)
    (file,) = (tmp_path / "jobs").iterdir()
    assert file.stat().st_size <= MOST_BYTES and file.stat().st_mode & 0o077 == 0
    lines = logs.read(7).splitlines()
    assert "dropped" in lines[0] and lines[-1].startswith("599 ") and all(len(line) <= LONGEST_LINE for line in lines)
    logs.remove(7)
    logs.remove(8)
    assert list((tmp_path / "jobs").iterdir()) == []
