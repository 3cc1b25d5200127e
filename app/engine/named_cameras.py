"""The live cameras that a `site.toml` names, also when it changes while they are followed."""

from __future__ import annotations

import logging
from pathlib import Path

from app.engine.feed import Watched
from app.errors import SiteConfigError
from app.footage import Camera
from app.footage.camera_connection import allowed_for
from app.footage.live import LiveOptions
from app.footage.live_camera import LiveCamera
from app.footage.live_settings import LiveSettings
from app.footage.recording import Recording, recordings_of
from app.footage.site_toml import read_site_toml, stamp_of

log = logging.getLogger("sightline")


class NamedCameras:
    """Those of one site."""

    def __init__(self, site: Path, path: Path) -> None:
        """Reads `path`, the site.toml. Raises SiteConfigError where it can't be used."""
        self.path = path
        self.watched: list[Watched] = []
        self.followed: dict[str, LiveSettings] = {}
        self.detector: str | None = None  # that the file names
        self._site = site
        self._made: dict[str, tuple[object, Watched]] = {}  # by name, with what each was made of
        self._stamp = stamp_of(path)
        self._read()

    def changed(self) -> list[Watched] | None:
        """The cameras from now on, None where they are the same. Those that did not change are the same objects.

        A file that became wrong is told once, and the cameras go on as they were.
        """
        stamp = stamp_of(self.path)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            self._read()
        except SiteConfigError as error:
            log.warning("%s. Live cameras go on as before", error)
            return None
        return self.watched

    def _read(self) -> None:
        settings = read_site_toml(self.path)
        made = {}
        for name, live in settings.followed.items():
            camera = settings.cameras[name]
            described = Camera(
                name, (), camera.mask, camera.min_person_height, camera.time_zone or settings.time_zone, camera.areas
            )
            before = self._made.get(name)
            of = (described, live)
            made[name] = (
                before
                if before is not None and before[0] == of
                else (of, watched_camera(described, live, recordings_of(self._site)))
            )
        self._made, self.detector = made, settings.detector
        self.watched = [watched for _, watched in made.values()]
        self.followed = settings.followed


def watched_camera(camera: Camera, live: LiveSettings, recordings: Path, *, kept: bool = True) -> Watched:
    """A camera that is to be watched, as it is described.

    recordings: of the site. kept: whether its film and its newest picture are, where that is wanted.
    """
    folder = recordings / camera.name
    recording = Recording(folder) if kept and live.record_seconds is not None else None
    options = LiveOptions(live.source, allowed_for(live.source), fps=live.fps, recording=recording)
    return Watched(camera, LiveCamera(camera.name, options), folder, pictured=kept)
