"""Some 300 files with a few bytes changed: each is read, or refused by an error of ours, and soon."""

from __future__ import annotations

import random
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import FootageError, SiteConfigError, StillError
from app.footage import SiteConfig, discover, open_footage
from app.footage.image_sequence import ImageSequence
from app.footage.site_toml import read_site_toml
from app.query import _asked_for
from app.search.still import read_still
from deploy.detectors import DetectorError, Frame
from deploy.detectors.mot import MotDetector
from reid.encoder import EncoderConfig, EncoderError, load_encoder, new_encoder, save_encoder
from tests.clips import render_clip, render_sequence
from trackers.motchallenge import MotFormatError

SECONDS = 5  # for one file
SEED = 20
NASTY = (
    b"1e999999999",
    b"1e-400",
    b"1/0",
    b"-1",
    b"nan",
    b"inf",
    b"null",
    b"9" * 5000,
    b"[" * 5000,
    b"0x" + b"f" * 5000,
    b"a" * 5000,
    b"\0",
    b"\xff" * 8,
    b"\x00\x00\x00\x00",
    b"\x7f\xff\xff\xff",
    "\u202e".encode(),
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """One to three changes: a bit, some bytes, a piece gone or doubled, or something nasty put in or over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(changed) + 1)
        # Headers are small, and most of what can go wrong stands there.
        at = at if chance.random() < 0.5 else min(at, chance.randrange(200))
        to = at + chance.choice((1, 4, 16, 200))
        match chance.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << chance.randrange(8)
            case 1:
                changed[at:to] = chance.randbytes(len(changed[at:to]))
            case 2:
                del changed[at:to]
            case 3:
                changed[at:at] = changed[at:to]
            case _:
                nasty = chance.choice(NASTY)
                changed[at : at + (len(nasty) if chance.random() < 0.5 else 0)] = nasty
    return bytes(changed)


@contextmanager
def soon() -> Iterator[None]:
    """Raises TimeoutError after SECONDS."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attack(path: Path, count: int, read: Callable[[Path], object], *errors: type[Exception]) -> None:
    """Reads `count` mutants of the file at `path`, in its place."""
    whole = path.read_bytes()
    chance = random.Random(f"{SEED} {path.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(path)  # as it is, it is read
        for number in range(count):
            path.write_bytes(mutated(whole, chance))
            try:
                with soon():
                    read(path)
            except errors:
                pass
            except BaseException as error:  # noqa: BLE001 - whatever it is, the seed is told
                pytest.fail(f"mutant {number} of {path.name}, seed {SEED}: {error!r}")
    path.write_bytes(whole)


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    render_sequence(tmp_path / "hall", 3, size=(64, 48))
    return tmp_path / "hall"


def test_sequence_infos(sequence: Path) -> None:
    def read(path: Path) -> None:
        film = ImageSequence(path.parent)
        assert 0 < film.length < 1e15
        assert sum(picture.read() is not None for picture in film.pictures()) <= 3

    attack(sequence / "seqinfo.ini", 60, read, FootageError)


def test_pictures_of_a_sequence(sequence: Path) -> None:
    def read(_: Path) -> None:
        film = ImageSequence(sequence)
        for picture in film.pictures():
            picture.read()

    attack(sequence / "img1" / "000002.png", 20, read, FootageError)


def test_site_tomls(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[site]\ndetector = "a.onnx"\ntime_zone = "Europe/Berlin"\n[cameras.hall]\nname = "Hall"\n'
        'start = "2026-11-20T08:00:00"\nmask = [[[0, 0], [0.3, 0], [0.3, 0.2]]]\nmin_person_height = 60\n'
    )
    attack(path, 60, read_site_toml, SiteConfigError)


def test_detections(tmp_path: Path) -> None:
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{k},-1,{k * 7}.5,20,30.25,60,{k / 20},-1,-1,-1\n" for k in range(1, 12)))
    picture = np.zeros((8, 8, 3), np.uint8)

    def read(path: Path) -> None:
        boxes = MotDetector(path).detect([Frame("hall", 3, 0.0, picture)])[0].boxes
        assert np.isfinite(boxes).all()

    attack(path, 60, read, DetectorError, MotFormatError)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".ppm", ".tif", ".bmp", ".webp"])
def test_stills(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"still{suffix}"
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    attack(path, 10, read_still, StillError)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".ts", ".avi"])
def test_films(tmp_path: Path, suffix: str) -> None:
    path = render_clip(tmp_path / f"film{suffix}", 6, size=(64, 48)).path

    def read(path: Path) -> None:
        for camera in discover(path, SiteConfig()):
            with open_footage(camera.footage[0]) as decoder:
                assert sum(np.isfinite(frame.time) for frame in decoder) < 1000
                assert decoder.frames_expected is None or decoder.frames_expected >= 0

    attack(path, 12, read, FootageError)


def test_weights(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    config = EncoderConfig((4, 4, 4, 4, 4), dimensions=8, height=32, width=16)
    save_encoder(new_encoder(config, seed=0), path)
    attack(path, 40, load_encoder, EncoderError)


@pytest.mark.parametrize("name", [text.decode("latin-1") for text in NASTY if b"\0" not in text])
def test_names_and_ids_on_the_command_line(name: str) -> None:
    with pytest.raises(StillError):
        _asked_for(name)
