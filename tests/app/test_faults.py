"""What can go wrong: killed processes, broken films, full and read-only disks, damaged sites."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import app.engine.ingest
import app.engine.tracking
import app.site
from app.encoders.versions import with_base
from app.engine.ingest import CameraReport
from app.errors import StorageError
from app.record import Site
from app.site import describe
from tests.app.scenes import (
    CREATED,
    ROOT,
    SIZE,
    World,
    begin,
    crowd,
    driver,
    dump,
    frames_done,
    ingest,
    people,
    run,
    said,
    shards,
    write_detections,
)
from tests.clips import render_clip

KILLS = 10
Contents = tuple[dict[str, list[str]], dict[str, bytes]]


def contents(site: Path) -> Contents:
    return dump(site), shards(site)


def film(world: World, name: str, truth: Any, **options: Any) -> Path:
    """A film of one camera with its detections."""
    path = world.videos / name
    path.parent.mkdir(parents=True, exist_ok=True)
    camera = path.stem if path.parent == world.videos else path.parent.name
    clip = render_clip(path, truth, size=SIZE, creation_time=CREATED, codec_options={"preset": "ultrafast"}, **options)
    write_detections(world.detections / f"{camera}.txt", clip)
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two cameras on which people cross and come and go for twenty seconds."""
    folder = tmp_path_factory.mktemp("world")
    made = World(folder / "videos", folder / "detections")
    for number in (1, 2):
        film(made, f"camera{number}.mp4", crowd(500, seed=number))
    return made


@pytest.fixture(scope="module")
def uninterrupted(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("uninterrupted") / "site"
    assert sum(camera.tracklets for camera in ingest_here(world, site).values()) > 20
    return site


@pytest.fixture(scope="module")
def expected(uninterrupted: Path) -> Contents:
    return contents(uninterrupted)


def ingest_here(world: World, site: Path) -> dict[str, CameraReport]:
    """Does the same work in this process, and returns its report by camera."""
    report = app.engine.ingest.ingest(world.videos, site, detector=world.detector, who="test")
    return {camera.camera: camera for camera in report.cameras}


def printed(site: Path, capsys: pytest.CaptureFixture[str], *, verify: bool = False) -> tuple[int, str]:
    """The exit code of `python -m app.site` and what it prints."""
    with pytest.raises(typer.Exit) as ended:
        app.site.show(site, verify=verify)
    return ended.value.exit_code, capsys.readouterr().out


def damage(site: Path) -> list[str]:
    """What `--verify` finds in a site whose writer died."""
    if not frames_done(site):  # it may have died before the record was made
        return []
    with Site.open(site) as opened:
        return describe(opened, verify=True).damage


# --- processes that end before their work


def test_ten_kills_leave_no_trace(
    world: World, expected: Contents, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, rng = tmp_path / "site", np.random.default_rng(11)
    in_the_middle = 0
    for kill in range(KILLS):
        before = frames_done(site)
        child = begin(driver(world, site, pause=0.01))
        try:
            if kill % 2:  # any moment after a commit…
                limit = time.monotonic() + 60
                while frames_done(site) == before and child.poll() is None and time.monotonic() < limit:
                    time.sleep(0.02)
                time.sleep(rng.uniform(0, 0.3))
            else:  # …or any moment at all
                time.sleep(rng.uniform(0.2, 1.0))
        finally:
            child.kill()
            child.communicate()
        assert child.returncode == -signal.SIGKILL
        in_the_middle += frames_done(site) > before
        assert damage(site) == []
    assert in_the_middle >= KILLS // 2
    assert frames_done(site) < 1000
    ingest_here(world, site)
    assert contents(site) == expected
    code, text = printed(site, capsys, verify=True)
    assert code == 0 and "Every row and every file is sound." in text


def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(world: World, expected: Contents, tmp_path: Path) -> None:
    site = tmp_path / "site"
    child = begin(driver(world, site, "--json", pause=0.05))
    limit = time.monotonic() + 60
    while not frames_done(site) and child.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, complaint = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, "")
    assert said(complaint) == ["Interrupted. What was finished is kept; the same command goes on from there."]
    assert 0 < frames_done(site) < 1000
    assert damage(site) == []
    assert run(*driver(world, site)).returncode == 0
    assert contents(site) == expected


# --- films that are broken


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One sound film among those that are not."""
    folder = tmp_path_factory.mktemp("broken")
    world = World(folder / "videos", folder / "detections")
    sound = film(world, "sound.mp4", people(75))
    overwritten = film(world, "overwritten.mp4", people(75, shift=100))
    data = bytearray(overwritten.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(3).bytes(2000)
    overwritten.write_bytes(data)
    for name, shift in (("truncated.mp4", 20), ("cut.mkv", 40)):
        path = film(world, name, people(75, shift=shift))
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    (world.videos / "empty.mp4").write_bytes(b"")
    (world.videos / "text.mp4").write_text("This is not a film. " * 200)
    (world.videos / "ffconcat.mp4").write_text(f"ffconcat version 1.0\nfile {sound.name}\n")
    (world.videos / "hls.mp4").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3.0,\n{sound.name}\n#EXT-X-ENDLIST\n"
    )
    part = film(world, "yard/2026-11-20_14-30-03.mp4", people(60, shift=60))
    (part.parent / "2026-11-20_14-30-00.mp4").write_bytes(part.read_bytes()[:3000])
    return world


@pytest.fixture(scope="module")
def broken_site(broken: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    site = tmp_path_factory.mktemp("broken site") / "site"
    done = ingest(broken, site, "--json")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return site, {camera["camera"]: camera for camera in json.loads(done.stdout)["cameras"]}


@pytest.mark.parametrize(
    ("camera", "sentences"),
    [
        ("overwritten", ("damaged", "could not be decoded")),
        ("truncated", ("truncated.mp4 ends before its index",)),
        ("cut", ("the file was cut off",)),
        ("empty", ("empty.mp4 is empty (0 bytes)",)),
        ("text", ("text.mp4 is not a video",)),
        ("ffconcat", ("ffconcat.mp4 is not a video",)),
        ("hls", ("hls.mp4 is not a video",)),
    ],
)
def test_what_is_wrong_with_a_film_is_said(
    broken_site: tuple[Path, dict[str, Any]], camera: str, sentences: tuple[str, ...]
) -> None:
    report = broken_site[1][camera]
    assert any(sentence in error for error in report["errors"] for sentence in sentences), report["errors"]
    assert (report["frames"] > 0) == (camera in ("overwritten", "cut"))
    assert (report["tracklets"] > 0) == (camera in ("overwritten", "cut"))


def test_other_footage_goes_on_where_one_is_broken(
    broken_site: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    site, reports = broken_site
    assert (reports["sound"]["frames"], reports["sound"]["tracklets"], reports["sound"]["errors"]) == (75, 2, [])
    yard = reports["yard"]
    assert (yard["footage"], yard["frames"], yard["tracklets"], len(yard["errors"])) == (2, 60, 2, 1)
    assert "2026-11-20_14-30-00.mp4 ends before its index" in yard["errors"][0]
    assert damage(site) == []
    code, text = printed(site, capsys)
    assert code == 0
    assert all(error in text for report in reports.values() for error in report["errors"])


def test_a_playlist_in_disguise_brings_nothing_along(broken_site: tuple[Path, dict[str, Any]]) -> None:
    with Site.open(broken_site[0]) as site:
        assert site.segments("ffconcat") == site.segments("hls") == []
        assert {f.status for f in site.footage() if f.camera in ("ffconcat", "hls")} == {"failed"}


def test_a_second_run_reports_the_same_errors_and_adds_nothing(
    broken: World, broken_site: tuple[Path, dict[str, Any]]
) -> None:
    site, first = broken_site
    before = contents(site)
    second = ingest_here(broken, site)
    assert {name: report.errors for name, report in second.items()} == {name: r["errors"] for name, r in first.items()}
    assert contents(site) == before


def test_a_film_that_was_repaired_is_taken_in(broken: World, tmp_path: Path) -> None:
    world = World(tmp_path / "videos", broken.detections)
    path = world.videos / "sound.mp4"
    world.videos.mkdir()
    path.write_bytes((broken.videos / "sound.mp4").read_bytes()[:4000])
    assert ingest_here(world, tmp_path / "site")["sound"].errors
    shutil.copy(broken.videos / "sound.mp4", path)
    camera = ingest_here(world, tmp_path / "site")["sound"]
    assert (camera.tracklets, camera.errors) == (2, [])


def test_interrupted_over_damage_the_pictures_are_the_same(
    broken: World, broken_site: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Problems are counted from where a run began, so only rows and crops are compared."""
    take = app.engine.tracking.FootageTracker.take
    world = World(broken.videos / "overwritten.mp4", broken.detections)
    site = tmp_path / "site"

    def interrupted(self: Any, frame: Any, detections: Any) -> Any:
        if frame.index == 60:
            raise KeyboardInterrupt
        return take(self, frame, detections)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(app.engine.ingest, "CHUNK", 10)
        patched.setattr(app.engine.tracking.FootageTracker, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            app.engine.ingest.ingest(world.videos, site, detector=world.detector, who="test")
    report = app.engine.ingest.ingest(world.videos, site, detector=world.detector, who="test")
    assert report.cameras[0].errors and frames_done(site) == broken_site[1]["overwritten"]["frames"]
    with Site.open(site) as resumed, Site.open(broken_site[0]) as uninterrupted:
        for row, expected in zip(resumed.segments(), uninterrupted.segments("overwritten"), strict=True):
            assert (row.number, row.track, row.start, row.length) == (
                *(expected.number, expected.track, expected.start, expected.length),
            )
            jpegs = [resumed.crop_jpeg(crop) for crop in resumed.crops(row.id)]
            assert jpegs == [uninterrupted.crop_jpeg(crop) for crop in uninterrupted.crops(expected.id)]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "does not exist: give a video file or a folder of them"),
        (lambda path: path.mkdir(), "holds no footage: put video files there"),
        (lambda path: path.write_text("text"), "is not a video that can be read"),
    ],
    ids=["missing", "empty", "no film"],
)
def test_nothing_to_ingest_is_exit_2_and_makes_no_site(tmp_path: Path, world: World, make: Any, sentence: str) -> None:
    videos = tmp_path / "videos"
    make(videos)
    done = ingest(World(videos, world.detections), tmp_path / "site")
    if videos.is_file():  # a single file is a camera. What is wrong with it is recorded
        assert done.returncode == 1 and sentence in done.stdout
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"Error: {videos} {sentence}") and len(done.stderr.splitlines()) == 1
        assert not (tmp_path / "site").exists()


# --- disks


def without_rights(*command: object) -> subprocess.CompletedProcess[str]:
    """The same command bound by permissions, as root is not. Skips where root can't give that right away."""

    def bound() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        for right in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH
            if libc.prctl(24, right, 0, 0, 0):  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "the right stays")

    if os.geteuid() != 0:
        return run(*command)
    if sys.platform != "linux":
        pytest.skip("root may write anywhere")
    try:
        return run(*command, preexec_fn=bound)
    except subprocess.SubprocessError:
        pytest.skip("root may write anywhere")


def test_a_folder_that_may_not_be_written_is_refused(broken: World, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir(mode=0o555)
    done = without_rights(
        "-m", "app.ingest", broken.videos / "sound.mp4", "--site", site, "--detector", broken.detector
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert said(done.stderr) == [
        f"Error: The site at {site} can't be written (Permission denied): check the disk and its permissions, or name "
        "another folder with --site."
    ]
    assert list(site.iterdir()) == []


def test_a_read_only_site_can_be_read_but_not_written(
    broken: World, broken_site: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(broken_site[0], site)
    before = contents(site)
    for path in [*site.rglob("*"), site]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = without_rights(
        "-m", "app.ingest", broken.videos / "sound.mp4", "--site", site, "--detector", broken.detector
    )
    assert done.returncode == 2 and "can't be written" in done.stderr and "Traceback" not in done.stderr
    report = without_rights("-m", "app.site", "--site", site, "--verify", "--json")
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["damage"] == []
    site.chmod(0o755)
    assert contents(site) == before


MODEL = sum((ROOT / "deploy" / "models" / f"base.{kind}").stat().st_size for kind in ("onnx", "safetensors"))  # bytes


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A disk of this size mounted at a folder. Skips where that can't be done."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on Linux can mount a small disk")
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_with_room_the_same_command_goes_on(
    world: World, expected: Contents, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, str(600 * 1024 + MODEL)):
        site = disk / "site"
        full = run(*driver(world, site, "--json"))
        assert (full.returncode, full.stdout) == (1, "")
        assert said(full.stderr)[0].startswith(f"Error: The site at {site} could not be written (")
        assert "make room on the disk and run the same command again" in full.stderr
        assert len(said(full.stderr)) == 1
        assert damage(site) == []
        done = frames_done(site)
        assert 0 < done < 1000
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        assert frames_done(site) == done
        ingest_here(world, site)
        assert contents(site) == expected


def test_a_disk_that_is_full_from_the_start_is_named(world: World, uninterrupted: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    with small_disk(disk, str(3 * 2**20 + MODEL)):
        new, existing = disk / "new", disk / "known"
        shutil.copytree(uninterrupted, existing)
        with suppress(OSError), (disk / "filler").open("wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        assert shutil.disk_usage(disk).free == 0
        for site in (new, existing):
            done = ingest(world, site, "--replace", "--every", 2)
            assert done.returncode in (1, 2) and done.stdout == ""
            assert said(done.stderr)[0].startswith(f"Error: The site at {site} ") and "written (" in done.stderr
            assert "disk" in done.stderr and len(said(done.stderr)) == 1
        assert damage(existing) == []
        (disk / "filler").unlink()
        assert contents(existing) == contents(uninterrupted)


def test_files_that_may_not_grow_are_a_full_disk_too(world: World, expected: Contents, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with Site.create(site) as new:
        with_base(new)  # its file is larger than the limit

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    full = run(*driver(world, site, "--json"), preexec_fn=limit)
    assert (full.returncode, full.stdout) == (1, "")
    assert said(full.stderr)[0].startswith(f"Error: The site at {site} could not be written (")
    assert len(said(full.stderr)) == 1
    assert 0 < frames_done(site) < 1000
    assert damage(site) == []
    ingest_here(world, site)
    assert contents(site) == expected


def test_crops_that_find_no_room_lose_nothing_that_was_committed(
    world: World, expected: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, pwrite, room = tmp_path / "site", os.pwrite, 150_000

    def nearly_full(file: int, data: bytes, at: int) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = pwrite(file, data[:room], at)
        room -= taken
        return taken

    monkeypatch.setattr(app.engine.ingest, "CHUNK", 20)
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", nearly_full)
        with pytest.raises(StorageError, match=r"could not be written \(No space left on device\).*goes on from there"):
            app.engine.ingest.ingest(world.videos, site, detector=world.detector, who="test")
    assert 0 < frames_done(site) < 1000
    assert damage(site) == []
    app.engine.ingest.ingest(world.videos, site, detector=world.detector, who="test")
    assert contents(site) == expected


# --- damage that came later


@pytest.fixture
def copy(uninterrupted: Path, tmp_path: Path) -> Path:
    shutil.copytree(uninterrupted, tmp_path / "site")
    return tmp_path / "site"


def test_a_flipped_bit_in_a_shard_is_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard = copy / "crops" / "1" / "1-000.shard"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    shard.write_bytes(data)
    (sentence,) = damage(copy)
    done = run("-m", "app.site", "--site", copy, "--verify", "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["verified"] is True and report["damage"] == [sentence]
    code, text = printed(copy, capsys, verify=True)
    assert code == 1 and f"Damaged: {sentence}\n" in text
    assert "tracklet " in sentence and " of camera camera1: crop " in sentence
    assert f" of {shard})" in sentence and sentence.endswith("--repair` drops it")


def test_a_missing_shard_is_found(copy: Path) -> None:
    shard = copy / "crops" / "2" / "2-000.shard"
    size = shard.stat().st_size
    shard.unlink()
    sentences = damage(copy)
    assert any(f"{shard} holds 0 bytes of {size:,} that were committed" in sentence for sentence in sentences)
    with Site.open(copy) as site:
        assert len(sentences) == 1 + site.cameras()[1].crops


def test_damaged_boxes_are_found(copy: Path) -> None:
    with closing(sqlite3.connect(copy / "site.db")) as database:
        database.execute("UPDATE segments SET boxes = substr(boxes, 1, 20) WHERE camera_id = 2 AND number = 3")
        database.commit()
    (sentence,) = damage(copy)
    assert "3 of camera camera2: its boxes are damaged" in sentence


def test_a_damaged_record_is_told_in_one_sentence(copy: Path) -> None:
    data = bytearray((copy / "site.db").read_bytes())
    data[4096:] = os.urandom(1) * (len(data) - 4096)
    (copy / "site.db").write_bytes(data)
    done = run("-m", "app.site", "--site", copy, "--verify")
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert "damaged" in done.stderr + done.stdout or "malformed" in done.stderr + done.stdout
