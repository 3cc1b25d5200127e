"""Fingerprints: footage that changed is told from footage that has grown."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.footage import discover, grown
from app.footage.fingerprint import fingerprint
from tests.clips import render_sequence


@pytest.mark.parametrize("size", [0, 1, 5000, 8 * 2**20, 8 * 2**20 + 1, 30 * 2**20])
def test_fingerprints(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.mp4"
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    path.write_bytes(data)
    mark = fingerprint(path)
    assert fingerprint(path) == mark
    assert grown(path, size, mark)
    path.write_bytes(data + b"more")
    assert fingerprint(path) != mark
    assert grown(path, size, mark)
    if size:
        path.write_bytes(data[:-1])
        assert not grown(path, size, mark)
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) + b"more")
        assert not grown(path, size, mark)
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        assert not grown(path, size, mark)
    path.unlink()
    assert not grown(path, size, mark)


def test_small_files_are_compared_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    data = bytearray(7 * 2**20)
    path.write_bytes(data)
    mark = fingerprint(path)
    data[3_333_333] = 1
    path.write_bytes(data)
    assert fingerprint(path) != mark


def test_sequences_grow_too(tmp_path: Path) -> None:
    folder = render_sequence(tmp_path / "MOT-1", 5).path
    [camera] = discover(folder)
    item = camera.footage[0]
    images = sorted((folder / "img1").iterdir())
    assert item.size == sum(image.stat().st_size for image in images)
    assert grown(folder, item.size, item.fingerprint)
    (folder / "img1" / "000006.png").write_bytes(images[0].read_bytes())
    assert grown(folder, item.size, item.fingerprint)
    assert discover(folder)[0].footage[0].fingerprint != item.fingerprint
    images[2].write_bytes(images[1].read_bytes())
    assert not grown(folder, item.size, item.fingerprint)
