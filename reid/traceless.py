"""Libraries that would leave files in a person's home: their folders are temporary ones."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def temporary_folder(variable: str) -> None:
    """Lets an environment's variable name a folder that goes with this process. One that is named already stays."""
    if variable not in os.environ:
        folder = tempfile.mkdtemp(prefix="sightline-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ[variable] = folder


def new_figure(width: float, height: float) -> Figure:
    """An empty plot, its size in inches. Raises ImportError where matplotlib is not installed."""
    temporary_folder("MPLCONFIGDIR")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
