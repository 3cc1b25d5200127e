"""Files with a few bytes changed: each is read, or refused by an error of ours, and soon."""

from __future__ import annotations

import random
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from app.errors import FootageError, SiteConfigError, StillError
from app.footage import SiteConfig, discover, open_footage
from app.footage.image_sequence import ImageSequence
from app.footage.site_toml import read_site_toml
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
    bytes(1),
    bytes([0xFF]) * 8,
    bytes(4),
    bytes([0x7F, 0xFF, 0xFF, 0xFF]),
    chr(0x202E).encode(),
)


@dataclass(frozen=True)
class Target:
    """A kind of file that a person may give us."""

    write: Callable[[Path], Path]  # a sound one below a folder
    read: Callable[[Path], object]
    errors: tuple[type[Exception], ...]  # by which a mutant may be refused


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


def attack(target: Target, folder: Path, count: int, seed: int = SEED) -> None:
    """Writes a file below a folder and reads `count` mutants of it.

    A mutant may be refused by one of the target's errors. For anything else AssertionError says how to have it again.
    """
    path = target.write(folder)
    whole = path.read_bytes()
    chance = random.Random(f"{seed} {path.name}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target.read(path)  # as it is, it is read
        for number in range(count):
            path.write_bytes(mutated(whole, chance))
            try:
                with soon():
                    target.read(path)
            except target.errors:
                pass
            except Exception as error:
                raise AssertionError(f"mutant {number} of {path.name}, seed {seed}: {error!r}") from error


def _sequence(folder: Path, file: str) -> Path:
    render_sequence(folder / "hall", 3, size=(64, 48))
    return folder / "hall" / file


def _read_sequence(folder: Path) -> None:
    film = ImageSequence(folder)
    assert 0 < film.length < 1e15
    assert sum(picture.read() is not None for picture in film.pictures()) <= 3


def _site_toml(folder: Path) -> Path:
    path = folder / "site.toml"
    path.write_text(
        """[site]
detector = "a.onnx"
time_zone = "Europe/Berlin"
[cameras.hall]
name = "Hall"
start = "2026-11-20T08:00:00"
mask = [[[0, 0], [0.3, 0], [0.3, 0.2]]]
min_person_height = 60
"""
    )
    return path


def _detections(folder: Path) -> Path:
    path = folder / "det.txt"
    lines = (f"{k},-1,{k * 7}.5,20,30.25,60,{k / 20},-1,-1,-1" for k in range(1, 12))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def _read_detections(path: Path) -> None:
    boxes = MotDetector(path).detect([Frame("hall", 3, 0.0, np.zeros((8, 8, 3), np.uint8))])[0].boxes
    assert np.isfinite(boxes).all()


def _still(folder: Path, suffix: str) -> Path:
    path = folder / f"still{suffix}"
    picture = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    path.write_bytes(cv2.imencode(suffix, picture)[1].tobytes())
    return path


def _film(folder: Path, suffix: str) -> Path:
    return render_clip(folder / f"film{suffix}", 6, size=(64, 48)).path


def _read_film(path: Path) -> None:
    for camera in discover(path, SiteConfig()):
        with open_footage(camera.footage[0]) as decoder:
            assert sum(np.isfinite(frame.time) for frame in decoder) < 1000
            assert decoder.frames_expected is None or decoder.frames_expected >= 0


def _weights(folder: Path) -> Path:
    path = folder / "model.safetensors"
    save_encoder(new_encoder(EncoderConfig((4, 4, 4, 4, 4), dimensions=8, height=32, width=16), seed=0), path)
    return path


TARGETS = {
    "sequence info": Target(
        partial(_sequence, file="seqinfo.ini"), lambda path: _read_sequence(path.parent), (FootageError,)
    ),
    "picture of a sequence": Target(
        partial(_sequence, file="img1/000002.png"), lambda path: _read_sequence(path.parents[1]), (FootageError,)
    ),
    "site.toml": Target(_site_toml, read_site_toml, (SiteConfigError,)),
    "detections": Target(_detections, _read_detections, (DetectorError, MotFormatError)),
    **{
        f"still{suffix}": Target(partial(_still, suffix=suffix), read_still, (StillError,))
        for suffix in (".png", ".jpg", ".ppm", ".tif", ".bmp", ".webp")
    },
    **{
        f"film{suffix}": Target(partial(_film, suffix=suffix), _read_film, (FootageError,))
        for suffix in (".mkv", ".mp4", ".ts", ".avi")
    },
    "weights": Target(_weights, load_encoder, (EncoderError,)),
}
