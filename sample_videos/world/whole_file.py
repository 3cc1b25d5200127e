"""Files that appear whole or not at all, as `reid.whole_file` makes them, which this floor can't import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place if all goes well, and is removed if not.

    Every file here has one writer. So the path is always the same, and a later run overwrites what a killed one left.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
