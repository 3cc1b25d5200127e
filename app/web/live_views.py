"""Who looks at which live camera. A picture every two seconds would fill the audit, so a row stands for a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MINUTE = 60.0  # s that one row of the audit stands for


class LiveViews:
    """Those of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._noted: dict[tuple[str, str, str], float] = {}
        self._mutex = threading.Lock()

    def is_new(self, user: str, came_from: str, camera: str) -> bool:
        """Whether a look at a camera is to be noted, as none by the same was in the last minute."""
        now, key = self._clock(), (user, came_from, camera)
        with self._mutex:
            self._noted = {who: when for who, when in self._noted.items() if now - when < MINUTE}
            if key in self._noted:
                return False
            self._noted[key] = now
            return True
