"""Is this still the footage that was read before? Answered from a few megabytes, on archives of terabytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from app.errors import FootageError
from app.footage.image_sequence import image_folder, numbered_images

BLOCK = 2**20  # bytes
MIDDLE_BLOCKS = 6  # between the first and the last


def fingerprint(path: Path, size: int | None = None) -> str:
    """SHA-256, as hex, of `size` and of blocks all over the first `size` bytes of the file `path`.

    `size` is by default the whole file's. The blocks are the first MiB, the last and six between at even distances. Up
    to 8 MiB that is everything. A change between the blocks of a larger file goes unnoticed, which is the price of not
    reading terabytes.

    Raises:
        OSError: the file can't be read.
    """
    with path.open("rb") as file:
        if size is None:
            size = file.seek(0, 2)
        digest = hashlib.sha256(str(size).encode())
        step = max(BLOCK, (size - BLOCK) / (MIDDLE_BLOCKS + 1))
        for number in range(MIDDLE_BLOCKS + 2):
            at = round(number * step)
            file.seek(min(at, size))
            digest.update(file.read(max(0, min(BLOCK, size - at))))
    return digest.hexdigest()


def grown(path: Path, old_size: int, old_fingerprint: str) -> bool:
    """Whether the first `old_size` bytes of footage, a file or a sequence's folder, still have that fingerprint.

    So they have in footage that is unchanged or was only added to. They have not when it was replaced or cut, or can't
    be read.
    """
    try:
        if path.is_dir():
            images, size = [], 0
            for image in numbered_images(image_folder(path)).values():
                if size >= old_size:
                    break
                images.append(image)
                size += image.stat().st_size
            return size == old_size and fingerprint_images(images) == old_fingerprint
        return path.stat().st_size >= old_size and fingerprint(path, old_size) == old_fingerprint
    except (OSError, FootageError):
        return False


def fingerprint_images(images: Sequence[Path]) -> str:
    """SHA-256, as hex, of the names and sizes of all pictures and the first MiB of eight of them.

    The eight are spread evenly.

    Raises:
        OSError: a picture can't be read.
    """
    digest = hashlib.sha256()
    for image in images:
        digest.update(f"{image.name}\0{image.stat().st_size}\n".encode("utf-8", "surrogateescape"))
    last = len(images) - 1
    for number in sorted(
        {round(last * part / (MIDDLE_BLOCKS + 1)) for part in range(MIDDLE_BLOCKS + 2)} if images else ()
    ):
        with images[number].open("rb") as file:
            digest.update(file.read(BLOCK))
    return digest.hexdigest()
