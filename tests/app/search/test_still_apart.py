"""Pictures of others are decoded in another process: the same picture comes, and what goes wrong ends only that."""

from __future__ import annotations

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import StillError
from app.search import still_apart as module
from app.search.still import still_of
from app.search.still_apart import still_apart
from tests.app.footage.worker_functions import crash, hang, swell

PICTURE = Path("The picture")


def jpeg(width: int = 64, height: int = 96) -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def test_it_is_the_same_picture() -> None:
    whole = jpeg()
    for data in (whole, whole[: len(whole) * 3 // 4]):  # the second breaks off, which is told
        apart, here = still_apart(data, PICTURE), still_of(data, PICTURE)
        np.testing.assert_array_equal(apart.pixels, here.pixels)
        assert (apart.sha256, apart.path, apart.reduced, apart.remarks) == (
            here.sha256,
            PICTURE,
            here.reduced,
            here.remarks,
        )
    assert apart.remarks


@pytest.mark.parametrize("data", [b"", b"no picture", b"%PDF-1.7", b"\xff\xd8\xff\xe0" * 9])
def test_what_is_wrong_is_told_in_the_same_words(data: bytes) -> None:
    with pytest.raises(StillError) as here:
        still_of(data, PICTURE)
    with pytest.raises(StillError) as apart:
        still_apart(data, PICTURE)
    assert str(apart.value) == str(here.value)


@pytest.mark.parametrize("death", [crash, hang, swell])
def test_a_decoder_that_dies_takes_nothing_along(death: object, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_decoded", death)
        with pytest.raises(StillError, match="save it anew"):
            still_apart(jpeg(), PICTURE, patience=1.0, most_memory=300 * 2**20)
    assert time.monotonic() - begin < 20
    assert still_apart(jpeg(), PICTURE).pixels.shape == (96, 64, 3)


def test_it_is_decoded_in_another_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def decoded_here(*_: object) -> object:
        raise AssertionError(f"process {os.getpid()} decodes what others sent")

    monkeypatch.setattr("app.search.still._decode", decoded_here)
    assert still_apart(jpeg(), PICTURE).pixels.shape == (96, 64, 3)
