"""Embeds what live cameras commit, for as long as they are watched, always with the version that then serves.

A site that has only live cameras is searched before anything was merged. So the version is calibrated here, too: at
once, and whenever there are twice as many tracklets.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from app.encoders.embed import embed, keep, spread, stacked
from app.encoders.versions import calibrate, open_model, serving, store_of
from app.errors import SiteError
from app.record import Site
from deploy.encoder import OpenEncoder

log = logging.getLogger("sightline")

MOST = 1000  # tracklets that may wait. More are embedded by the next search
AGAIN = 5.0  # s after which what could not be done is tried again


class LiveEmbedder:
    """A thread that embeds. What it had not done when it ended, the next search or merging does."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._changed = threading.Condition()
        self._waiting: list[tuple[int, int, list[bytes]]] = []  # footage, tracklet, JPEG crops
        self._closed = False
        self._calibrated_on = site.tracklet_count()  # tracklets
        self._calibrate()
        self._thread = threading.Thread(target=self._run, name="embed", daemon=True)
        self._thread.start()

    def take(self, footage: int, tracklet: int, jpegs: Sequence[bytes]) -> None:
        """One tracklet that is committed."""
        with self._changed:
            self._waiting.append((footage, tracklet, [jpegs[k] for k in spread(len(jpegs))]))
            del self._waiting[:-MOST]
            self._changed.notify()

    def close(self) -> None:
        """Ends after what is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        model, encoder = "", None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                waiting, self._waiting = self._waiting, []
            try:
                now = serving(self._site)
                if encoder is None or now.name != model:
                    encoder, model = open_model(self._site, now), now.name
                self._embed(waiting, model, encoder)
                waiting = []
                self._calibrate()
            except SiteError as error:  # the disk is full, or the version's file is damaged
                log.warning("What live cameras saw could not be embedded (%s)", error)
                with self._changed:
                    if self._closed:
                        return
                    self._waiting = [*waiting, *self._waiting][-MOST:]
                    self._changed.wait(AGAIN)

    def _calibrate(self) -> None:
        """Where it was not done yet, or on half as many tracklets."""
        model, count = serving(self._site), self._site.tracklet_count()
        if model.calibration is None or count >= 2 * max(1, self._calibrated_on):
            self._site.set_calibration(model.name, calibrate(self._site, model, afresh=False).to_json())
            self._calibrated_on = count

    def _embed(self, waiting: Sequence[tuple[int, int, list[bytes]]], model: str, encoder: OpenEncoder) -> None:
        by_footage: dict[int, list[tuple[int, list[bytes]]]] = {}
        for footage, tracklet, jpegs in waiting:
            by_footage.setdefault(footage, []).append((tracklet, jpegs))
        for footage, tracklets in by_footage.items():
            rows = sorted(embed(tracklets, encoder), key=lambda row: row[0])
            if rows:
                keep(self._site, store_of(self._site, model).append, footage, *stacked(rows))
