"""Cameras with what is known of them from footage and live, also those that have shown nothing yet."""

from __future__ import annotations

import time
from dataclasses import replace

from app.errors import SiteConfigError
from app.footage.site_toml import SITE_TOML, read_site_toml
from app.record.camera_list import CameraLine, camera_list
from app.record.live_cameras import LiveRecord, live_cameras_of
from app.record.rows import BoxCounts, CameraSummary
from app.record.site import Site


def camera_summaries(site: Site, only: str | None = None) -> list[CameraSummary]:
    """Those with footage, then those that are followed and have none yet. only: one camera's name."""
    live = live_cameras_of(site.database, time.time())
    summaries = [replace(summary, live=live.pop(summary.camera, None)) for summary in site.cameras(only)]
    return summaries + [_without_footage(state) for name, state in live.items() if only in (None, name)]


def camera_lines(site: Site) -> list[CameraLine]:
    """As `camera_summaries`, at a glance."""
    live = live_cameras_of(site.database, time.time())
    lines = camera_list(site.database)
    for line in lines:
        line.live = live.pop(line.camera, None)
    return lines + [CameraLine(name, live=state) for name, state in live.items()]


def unwatched(site: Site) -> list[str]:
    """Live cameras that `site.toml` wants to be followed, and that nobody follows just now."""
    try:
        wanted = read_site_toml(site.path / SITE_TOML).followed
    except SiteConfigError:  # none, or one that its watcher complains about
        return []
    watched = live_cameras_of(site.database, time.time())
    return [name for name in wanted if name not in watched]


def _without_footage(state: LiveRecord) -> CameraSummary:
    return CameraSummary(state.camera, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, None, None, [], [], [], BoxCounts(), live=state)
