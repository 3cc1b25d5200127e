"""Pictures that others send, decoded in a process of their own. One that kills its decoder kills no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import FootageError, StillError
from app.footage.apart import WithPicture, Worker
from app.footage.heif import is_heif
from app.search.still import Still, still_of

PATIENCE = 20.0  # s. A picture of 250 megapixels takes a few
MOST_MEMORY = 2 * 2**30  # bytes. Progressive JPEGs of that size take as much, and are refused then


def still_apart(data: bytes, path: Path, *, patience: float = PATIENCE, most_memory: int = MOST_MEMORY) -> Still:
    """As `still_of`, in a process of its own, which ends with the picture.

    Args:
        data: The file's bytes.
        path: What errors call it.
        patience: Seconds that it may take.
        most_memory: Bytes that it may take.

    Raises:
        StillError: As `still_of`. Also where the decoder crashes, or takes more time or memory than it may.
    """
    if is_heif(data):  # which has its own process already
        return still_of(data, path)
    try:
        with Worker(patience, most_memory) as worker:
            (answer,) = worker.stream(path, len(data), _decoded, data, path)
    except FootageError as error:
        raise StillError(
            f"{path} makes its decoder fail, or take more time or memory than a still may: save it anew as JPEG or "
            "PNG, or smaller."
        ) from error
    if isinstance(answer, StillError):
        raise answer
    pixels, (sha256, reduced, remarks) = answer
    return Still(pixels, sha256, path, reduced, remarks)


def _decoded(data: bytes, path: Path) -> Iterator[Any]:
    """What the process does."""
    try:
        still = still_of(data, path)
    except StillError as error:
        yield error
    else:
        yield WithPicture(still.pixels, (still.sha256, still.reduced, still.remarks))
