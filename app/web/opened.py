"""The site that is served: opened once, for all threads, with what is kept ready for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fastapi import Request

from app.record import Site
from app.search.warm import WarmSearcher
from app.web.exports import Exports
from app.web.jobs.runner import Runner
from app.web.last_pictures import LastPictures
from app.web.live_views import LiveViews
from app.web.previews import Previews
from app.web.stills import Stills


@dataclass(frozen=True, eq=False)
class Opened:
    """A site and what a server keeps of it."""

    site: Site
    searcher: WarmSearcher
    runner: Runner
    stills: Stills = field(default_factory=Stills)
    last_pictures: LastPictures = field(default_factory=LastPictures)
    live_views: LiveViews = field(default_factory=LiveViews)
    trying: threading.Lock = field(default_factory=threading.Lock)  # held while somebody tries a live camera
    previews: Previews = field(default_factory=Previews)
    exports: Exports = field(default_factory=Exports)


def opened(request: Request) -> Opened:
    """The site of a request, whoever asks."""
    found: Opened = request.app.state.opened
    return found
