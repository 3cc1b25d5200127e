"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from reid import whole_file as module
from reid.whole_file import sweep, whole_file, write_whole

ROOT = Path(__file__).parents[2]


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("private", [False, True])
def test_a_file_takes_its_place_when_it_is_whole(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "run.json"
    write_whole(path, "é\n")
    with whole_file(path, private=private) as part:
        assert part.parent == tmp_path and part.name.startswith("run.json.") and part.suffix == ".part"
        part.write_bytes(b"new")
        assert path.read_bytes() == "é\n".encode()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException], private: bool
) -> None:
    path = tmp_path / "run.json"
    write_whole(path, "old")

    def fails(part: Path) -> None:
        part.write_bytes(b"half")
        raise error

    with pytest.raises(error), whole_file(path, private=private) as part:
        fails(part)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_path_never_share_a_part(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with whole_file(path) as part:
        part.write_text("one")
        with whole_file(path) as other:
            other.write_text("other")
        assert path.read_text() == "other"
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("private", "wanted"), [(False, 0o640), (True, 0o600)])
@pytest.mark.parametrize("before", [None, 0o604])
@pytest.mark.usefixtures("usual_umask")
def test_permissions_are_the_usual_or_private_whatever_stood_there(
    tmp_path: Path, private: bool, wanted: int, before: int | None
) -> None:
    path = tmp_path / "face.jpg"
    if before is not None:
        path.touch()
        path.chmod(before)
    with whole_file(path, private=private) as part:
        assert mode(part) == wanted
        part.write_bytes(b"x")
    assert mode(path) == wanted


@pytest.mark.parametrize(("private", "wanted"), [(False, 0o640), (True, 0o600)])
@pytest.mark.usefixtures("usual_umask")
def test_permissions_hold_when_an_exporter_puts_a_file_of_its_own_there(
    tmp_path: Path, private: bool, wanted: int
) -> None:
    path = tmp_path / "weights"
    with whole_file(path, private=private) as part:
        (tmp_path / "own").write_bytes(b"x")
        (tmp_path / "own").chmod(0o604)
        os.replace(tmp_path / "own", part)
    assert mode(path) == wanted and path.read_bytes() == b"x"


def test_a_private_file_and_its_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(handle: int) -> None:
        fsync(handle)
        where = Path(f"/proc/self/fd/{handle}").readlink()
        done.append("folder" if where == tmp_path else where.suffix)

    def replaced(part: Path, path: Path) -> None:
        replace(part, path)
        done.append("replace")

    monkeypatch.setattr(module.os, "fsync", synced)
    monkeypatch.setattr(module.os, "replace", replaced)
    with whole_file(tmp_path / "face.jpg", private=True) as part:
        part.write_bytes(b"x")
    assert done == [".part", "replace", "folder"]
    done.clear()
    write_whole(tmp_path / "run.json", "x")
    assert done == ["replace"]


@pytest.mark.parametrize("private", [False, True])
def test_sweeping_spares_those_whose_writer_lives(tmp_path: Path, private: bool) -> None:
    left = tmp_path / "old.jpg.0.part"
    left.write_bytes(b"half")
    (tmp_path / "folder.part").mkdir()
    with whole_file(tmp_path / "new.jpg", private=private) as part, left.open("rb") as half:
        sweep(tmp_path)
        assert part.exists() and not left.exists()
        assert half.read() == bytes(4)
    assert {path.name for path in tmp_path.iterdir()} == {"new.jpg", "folder.part"}
    sweep(tmp_path / "nowhere")


@pytest.mark.parametrize("private", [False, True])
def test_what_a_killed_writer_left_is_swept(tmp_path: Path, private: bool) -> None:
    code = f"""
import time
from pathlib import Path
from reid.whole_file import whole_file
with whole_file(Path({str(tmp_path / "face.jpg")!r}), private={private}) as part:
    part.write_bytes(b"half")
    time.sleep(300)
"""
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 60
    while not any(part.stat().st_size for part in tmp_path.glob("face.jpg.*.part")):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)
    sweep(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    sweep(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("moment", ["link", "replace", "pwrite", "unlink"])
def test_who_dies_while_overwriting_leaves_a_whole_file_and_nothing_of_the_old(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(b"the old face")
    code = f"""
import os
from pathlib import Path
from reid.whole_file import whole_file
def dies(*arguments):
    os.kill(os.getpid(), 9)
with whole_file(Path({str(path)!r}), private=True, overwriting=True) as part:
    part.write_bytes(b"new")
    {"Path" if moment == "unlink" else "os"}.{moment} = dies
"""
    with path.open("rb") as old:
        assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -signal.SIGKILL
        assert path.read_bytes() == (b"new" if moment in ("pwrite", "unlink") else b"the old face")
        sweep(tmp_path)
        assert list(tmp_path.iterdir()) == [path]
        assert old.read() == (bytes(12) if moment in ("pwrite", "unlink") else b"the old face")


def test_what_is_overwritten_stays_whole_until_another_stands_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "face.jpg", list[bytes]()
    path.write_bytes(b"the old face")
    overwriting = module.overwrite

    def observed(handle: int) -> None:
        sweep(tmp_path)  # of another process
        overwriting(handle)
        seen.append(path.read_bytes())

    monkeypatch.setattr(module, "overwrite", observed)
    with whole_file(path, private=True, overwriting=True) as part:
        part.write_bytes(b"new")
        seen.append(path.read_bytes())
        sweep(tmp_path)
    assert seen == [b"the old face", b"new"] and list(tmp_path.iterdir()) == [path]
    monkeypatch.setattr(module.os, "replace", _refused)
    with pytest.raises(OSError, match="none"), whole_file(path, private=True, overwriting=True) as part:
        part.write_bytes(b"newer")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]


def _refused(*_: object) -> None:
    raise OSError(28, "none")


def test_a_part_swept_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, swept = module.fcntl.flock, []

    def late(handle: int, operation: int) -> None:
        if not swept:
            swept.extend(tmp_path.iterdir())
            swept[0].unlink()
        flock(handle, operation)

    monkeypatch.setattr(module.fcntl, "flock", late)
    write_whole(tmp_path / "run.json", "x")
    assert swept and [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.usefixtures("usual_umask")
def test_exporters_may_open_it_by_name(tmp_path: Path, private: bool) -> None:
    ones = torch.ones(2, 3)
    with whole_file(tmp_path / "a.pt", private=private) as part:
        torch.save(ones, part)
    with whole_file(tmp_path / "a.safetensors", private=private) as part:
        safetensors.torch.save_file({"ones": ones}, part)
    with whole_file(tmp_path / "a.npz", private=private) as part, part.open("wb") as file:
        np.savez(file, ones=ones.numpy())
    assert torch.equal(torch.load(tmp_path / "a.pt", weights_only=True), ones)
    assert torch.equal(safetensors.torch.load_file(tmp_path / "a.safetensors")["ones"], ones)
    assert np.load(tmp_path / "a.npz")["ones"].sum() == 6
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600 if private else 0o640}
    assert len(list(tmp_path.iterdir())) == 3
