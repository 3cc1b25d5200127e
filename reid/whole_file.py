"""Files that appear whole or not at all: a reader never finds half of one, whatever moment the writer was killed at."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place if all goes well, and is removed if not.

    Not durable by itself: what must outlive a loss of power is flushed to the disk by the one who writes.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """A text in UTF-8 as one whole file."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")
