"""A searcher that is kept from one search to the next, as a server does. It is renewed once the site changed."""

from __future__ import annotations

import math
import threading
import time

from app.record import Site
from app.search.renewed import renewed
from app.search.searcher import Searcher, made_ready


class WarmSearcher:
    """Keeps a site's searcher. Several threads may ask for it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._mutex = threading.Lock()
        self._looked = -math.inf  # when the site was looked at last, which the searcher is of
        self._searcher: Searcher | None = None

    def ready(self) -> Searcher:
        """The searcher of the site as it is now. What the serving model has not embedded yet is embedded first.

        Who waited while another thread made one takes that one, if it is of the site since they asked. Else a site that
        changes often would let each of many searches make its own, one after the other.
        """
        asked = time.monotonic()
        with self._mutex:
            if self._searcher is not None and self._looked >= asked:
                return self._searcher
            self._looked = time.monotonic()
            now, earlier = self._site.searched_state(), self._searcher
            if earlier is not None and now == earlier.state:
                return earlier
            self._searcher = None if earlier is None else renewed(earlier, now)
            if self._searcher is None:
                del earlier  # before the next one is made: two at once would take twice the memory
                self._searcher = made_ready(self._site)
            return self._searcher
