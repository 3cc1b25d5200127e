"""A searcher that is kept from one search to the next, as a server does. It is made anew once the site changed."""

from __future__ import annotations

import threading

from app.encoders import embed
from app.encoders.versions import open_model, store_of
from app.record import Site
from app.search.searcher import Searcher


class WarmSearcher:
    """Keeps a site's searcher. Several threads may ask for it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._mutex = threading.Lock()
        self._made_of: object = None
        self._searcher: Searcher | None = None

    def ready(self) -> Searcher:
        """The searcher of the site as it is now. What the serving model has not embedded yet is embedded first."""
        with self._mutex:
            now = self._site.searched_state()
            if self._searcher is None or now != self._made_of:
                self._searcher = None  # before the next one is made: two at once would take twice the memory
                searcher = Searcher(self._site)
                model = searcher.model
                if not searcher.knows_all and embed.update(
                    self._site, store_of(self._site, model.name), lambda: open_model(self._site, model)
                ):
                    searcher = Searcher(self._site)
                self._made_of, self._searcher = now, searcher
            return self._searcher
