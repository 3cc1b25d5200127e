"""The type of the fixture `typed`: a command of `app` and the words after it, run in this process to its end."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Typed = Callable[..., subprocess.CompletedProcess[str]]
