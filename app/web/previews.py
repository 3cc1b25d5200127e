"""What a session has seen of tracklets, so that the audit has one row of each and not one of each picture or range."""

from __future__ import annotations

import threading
from collections import OrderedDict

from app.web.access import Session

MOST = 5000  # of all sessions. What is forgotten leaves a second row, no more


class Previews:
    """Remembers the latest, in this process's memory."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._seen: OrderedDict[tuple[str, str, int], None] = OrderedDict()

    def is_first(self, session: Session, shown: str, tracklet: int) -> bool:
        """Whether a session sees something of a tracklet for the first time. From then on it does not."""
        key = (session.form_key, shown, tracklet)  # its own: two sessions of a user are two
        with self._mutex:
            is_first = key not in self._seen
            self._seen[key] = None
            self._seen.move_to_end(key)
            while len(self._seen) > MOST:
                self._seen.popitem(last=False)
        return is_first
