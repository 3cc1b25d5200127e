"""No command calls anybody, and none leaves a file outside of the site, of what it was asked to write, and of /tmp."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.app.scenes import ROOT
from tests.app.sites import figure_site

# Runs commands one after the other, then the libraries that they bring along in rarer cases.
RUN = """
import json, sys
from app.__main__ import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["sightline", *words]
    try:
        main()
    except SystemExit as ended:
        print("ended", words[0], ended.code, file=sys.stderr)
"""
LIBRARIES = """
import io
from deploy.detectors.ultralytics import load_ultralytics
from reid.traceless import new_figure
load_ultralytics()
figure = new_figure(2, 2)
figure.subplots().set(title="a plot")
figure.savefig(io.BytesIO())
"""
SERVE = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from app.record import Site
from app.record.users import Users
from app.web.access import Access
from app.web.application import make_application
import uvicorn
with Site.open_to_write(Path(sys.argv[1])) as site:
    access = Access(Users(site.database), "alice")
    client = TestClient(make_application(site, access, {"testserver"}), follow_redirects=True)
    assert client.get("/enter", params={"token": access.new_link()}).status_code == 200
    key = access.session(client.cookies["sightline"]).form_key
    picture = Path("sample_videos/walk/still.jpg").read_bytes() + bytes(2**21)
    assert client.post("/stills", files={"still": picture}, data={"key": key}).status_code == 200
    assert all(client.get(place).status_code == 200 for place in ("/", "/cameras", "/flow", "/audit", "/alerts"))
    client.app.state.alerting.step()
    client.app.state.alerting.stop()
"""
MAKING = ("creat", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "rename", "renameat", "renameat2")
OPENING = ("open", "openat", "openat2")
WRITING = re.compile(r"O_(?:CREAT|WRONLY|RDWR|TRUNC)")
CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
WHERE = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<path>[^"]*)"')
# What any process may write: devices, its own knobs, and the compiled code of what is installed.
FREE = re.compile(r"^/dev/|^/proc/|/__pycache__(/|$)|^/sys/")


def isolated(trace: Path) -> list[str] | None:
    """Words before a command that take its network away and note what it calls. None where this machine can't."""
    strace, unshare = shutil.which("strace"), shutil.which("unshare")
    if strace is None or unshare is None:
        return None
    alone = [unshare, "--net"] if os.getuid() == 0 else [unshare, "--map-root-user", "--net"]
    calls = ",".join(["%network", *(f"?{name}" for name in MAKING + OPENING)])  # machines lack some of them
    for quick in (["--seccomp-bpf"], []):  # stops at these calls alone, where strace knows how
        words = [*alone, strace, "-f", *quick, "-qq", "-y", "-s", "400", "-o", str(trace), "-e", f"trace={calls}"]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return None


def faults(trace: str, free: list[Path]) -> list[str]:
    """Lines of a trace that call another machine, or that make or write a file that is not below a free folder."""
    wrong = []
    for line in trace.splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        name, arguments, result = call[1], call[2], int(call[3])
        if "sa_family=AF_INET" in arguments and name in ("connect", "sendto", "sendmsg", "sendmmsg"):
            wrong.append(line)
        if result >= 0 and (name in MAKING or (name in OPENING and WRITING.search(arguments))):
            where = WHERE.search(arguments)
            assert where is not None, line
            path = (Path(where["folder"] or ROOT) / where["path"]).resolve()
            if not FREE.search(str(path)) and not any(path.is_relative_to(folder) for folder in free):
                wrong.append(line)
    return wrong


def test_a_server_calls_nobody_and_leaves_nothing(tmp_path: Path) -> None:
    figure_site(tmp_path / "site", people=4, cameras=2)
    done = clean_run(tmp_path, SERVE, str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr


def test_the_trace_is_read_rightly() -> None:
    trace = (
        '7 connect(5<socket:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("9.9.9.9")}, 16) = -1 E\n'
        '7 openat(AT_FDCWD</work>, "/root/.cache/x", O_RDWR|O_CREAT, 0600) = 3</root/.cache/x>\n'
        '7 openat(6</root/.cache>, "device", O_WRONLY|O_CREAT, 0600) = 7</root/.cache/device>\n'
        '7 openat(AT_FDCWD</work>, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 3</etc/hosts>\n'
        '7 openat(AT_FDCWD</work>, "/tmp/site/../other", O_WRONLY) = 3</tmp/other>\n'
        '7 openat(AT_FDCWD</work>, "/tmp/site/a", O_WRONLY) = 3</tmp/site/a>\n'
        '7 mkdir("/root/.config", 0777) = 0\n'
        '7 mkdir("/root/.config", 0777) = -1 EEXIST (File exists)\n'
        '7 openat(AT_FDCWD</work>, "/dev/null", O_RDWR) = 3</dev/null>\n'
    )
    wrong = faults(trace, [Path("/tmp/site")])
    assert [trace.splitlines().index(line) for line in wrong] == [0, 1, 2, 4, 6]


def clean_run(folder: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a person would who has an empty home, without a network where that can be taken away.

    It has to leave home empty, and no file in the temporary folder.
    """
    home, temporary, trace = folder / "home", folder / "temporary", folder / "trace"
    home.mkdir()
    temporary.mkdir()
    told = ("CI", "HOME", "TMPDIR", "MPLCONFIGDIR", "SIGHTLINE_SITE", "GITHUB_ACTIONS")
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in told and not key.startswith(("ORT_", "XDG_", "YOLO_", "ULTRALYTICS_", "PYTEST"))
    }
    environment = kept | {"HOME": str(home), "TMPDIR": str(temporary)}
    before = isolated(trace)
    done = subprocess.run(
        [*(before or ()), sys.executable, "-c", script, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert list(home.rglob("*")) == [], done.stderr
    assert [path for path in temporary.rglob("*") if path.is_file()] == [], done.stderr
    if before is not None:
        assert faults(trace.read_text(errors="replace"), [folder.resolve()]) == []
    return done


def test_commands_call_nobody_and_leave_nothing(tmp_path: Path) -> None:
    site, new = str(tmp_path / "site"), str(tmp_path / "new")
    figure_site(Path(site), people=20, cameras=3, crops=2)
    still, film = "sample_videos/walk/still.jpg", "sample_videos/films/hall.mp4"
    moment = ["--from", "2026-11-20T14:30:20", "--to", "2026-11-20T14:30:22"]
    shutil.copytree("sample_videos/films/hall", tmp_path / "truth" / "hall")
    page, sheet = str(tmp_path / "page.html"), str(tmp_path / "sheet.png")
    commands = [
        ["ingest", film, "--site", new, *moment, "--draw", str(tmp_path / "drawn")],
        ["adapt", "--site", site, "--epochs", "1", "--start", "base", "--size", "64x32", "--force"],
        ["merge", "--site", site],
        ["flow", "--site", site, "--csv", str(tmp_path / "flow")],
        ["query", still, "--person", "1", "--site", site, "--report", page, "--sheet", sheet],
        ["contact_sheet", str(tmp_path / "contact.png"), "--site", site],
        ["export", "model", str(tmp_path / "small.onnx"), "--variant", "int8", "--site", site],
        ["export", "tracklets", str(tmp_path / "text"), "--site", new],
        ["evaluate", "tracking", "--truth", str(tmp_path / "truth"), "--site", new],
        ["models", "use", "base", "--site", site],
        ["forget", "--tracklet", "4294967297", "--site", site],
        ["site", "--verify", "--site", site],
        ["audit", "--site", site],
    ]
    done = clean_run(tmp_path, RUN, json.dumps(commands))
    ended = re.findall(r"^ended (\w+) (\d+)$", done.stderr, re.MULTILINE)
    assert ended == [(words[0], "0") for words in commands], done.stderr


@pytest.mark.parametrize("variables", [{}, {"YOLO_CONFIG_DIR": "yolo", "MPLCONFIGDIR": "plots"}])
def test_libraries_write_where_a_person_says_or_nowhere(tmp_path: Path, variables: dict[str, str]) -> None:
    named = {name: str(tmp_path / folder) for name, folder in variables.items()}
    done = clean_run(tmp_path, f"import os\nos.environ |= {named!r}\n{LIBRARIES}")
    assert done.returncode == 0, done.stderr
    assert all(any(Path(folder).rglob("*")) for folder in named.values())
