"""The unit says what systemd understands, confines the server, and starts a command that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.test_container import options_of

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "sightline.service"
MOST_EXPOSED = 20  # of 100, as `systemd-analyze security` counts
ANALYZE = shutil.which("systemd-analyze")
no_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, check=False)


def test_it_starts_a_command_with_options_that_it_has() -> None:
    text = UNIT.read_text("utf-8").replace("\\\n", "")
    (line,) = re.findall(r"^ExecStart=(.*)", text, re.MULTILINE)
    python, flag, command, *options = line.split()
    assert (python, flag) == ("/opt/sightline/venv/bin/python", "-m")
    assert {option.partition("=")[0] for option in options if option != "$OPTIONS"} <= options_of(command)
    assert "StandardOutput=null" in text  # else the link that opens the site would stand in the journal


@no_systemd
def test_systemd_understands_it(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text("utf-8").replace("/opt/sightline/venv/bin/python", sys.executable), "utf-8")
    done = analyze("verify", str(unit))
    if "Failed to" in done.stderr and "sightline" not in done.stderr:
        pytest.skip(f"systemd-analyze can't work here: {done.stderr}")
    assert (done.returncode, [line for line in done.stderr.splitlines() if "sightline" in line]) == (0, [])


@no_systemd
def test_the_server_is_confined() -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(UNIT))
    assert done.returncode == 0, done.stdout[-400:]
