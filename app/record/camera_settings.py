"""Live cameras as an administrator names them from a page or a program: in `site.toml` itself, as by hand.

Credentials are written there and never shown again. An address is judged before it is written, as SSRF is what a
camera's address is good for: see `app.footage.addresses`.
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.errors import FootageError, SiteConfigError, SiteError
from app.footage.addresses import AddressError, resolved
from app.footage.camera_address import CameraAddress, CameraSource, camera_address, camera_device
from app.footage.live_settings import live_settings
from app.footage.site_toml import MOST_BYTES, SITE_TOML, checked_site_toml, read_site_toml
from app.footage.site_toml_edit import with_camera, without_live
from app.record.audit import add_entry
from app.record.leases import NAMING
from app.record.live_cameras import live_cameras_of
from app.record.private_files import write_private
from app.record.rows import AuditEntry
from app.record.site import Site

LONGEST_NAME = 100  # characters
_NAME = re.compile(r"[^\s./\\]([^/\\]*[^\s/\\])?")  # it is a folder's name, too


@dataclass(frozen=True, slots=True)
class NamedCamera:
    """A live camera of `site.toml`, without its secrets."""

    camera: str
    source: str  # scheme, host and port, or the device
    device: int | None  # its number, None of one with an address
    has_user: bool
    fps: float | None
    record: str  # as it is written, "" where nothing is recorded
    record_size: str
    time_zone: str
    paused: bool


@dataclass(frozen=True, slots=True)
class CameraWish:
    """What somebody wants of a live camera. What is left empty of address, user and password stays as it was."""

    address: str = field(default="", repr=False)
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    no_user: bool = False  # takes user and password away
    device: int | None = None  # of this machine, in place of an address
    fps: float | None = None
    record: str = ""
    record_size: str = ""
    time_zone: str = ""
    paused: bool = False


def named_cameras(site: Site) -> list[NamedCamera]:
    """All of them, in the order of the file. Raises SiteConfigError where the file is wrong."""
    path = site.path / SITE_TOML
    if not path.exists():
        return []
    settings = read_site_toml(path)
    tables = tomllib.loads(_text(path)).get("cameras", {})
    return [
        _shown(name, camera.live.source, tables.get(name, {}))
        for name, camera in settings.cameras.items()
        if camera.live is not None
    ]


def name_camera(site: Site, name: str, wish: CameraWish, *, who: str) -> NamedCamera:
    """Adds a live camera or changes one, and notes who did. Who follows cameras takes it in within seconds.

    Raises SiteError or SiteConfigError for what can't be, in a sentence without secrets.
    """
    _check_name(name)
    path = site.path / SITE_TOML
    with _wrong_as_site_error(), site.lease(NAMING):
        text, before = _text(path), _source_now(site, name)
        source = source_wished(wish, before)
        values = _values(wish, source)
        live_settings({key: value for key, value in values.items() if value is not None and key != "time_zone"})
        new = with_camera(path, text, name, values)
        checked_site_toml(path, new.encode())
        details = {"camera": name, "source": str(source), "changed": _changes(text, new, name)}
        entry = AuditEntry(time.time(), who, "name camera", details)
        _write(site, path, new, entry)
        return _shown(name, source, tomllib.loads(new)["cameras"][name])


def remove_camera(site: Site, name: str, *, who: str) -> bool:
    """Takes a live camera out of `site.toml`, and notes who did. What it showed stays. Returns whether it was there."""
    path = site.path / SITE_TOML
    with site.lease(NAMING):
        source = _source_now(site, name)
        if source is None:
            return False
        new = without_live(path, _text(path), name)
        checked_site_toml(path, new.encode())
        entry = AuditEntry(time.time(), who, "remove camera", {"camera": name, "source": str(source)})
        _write(site, path, new, entry)
        return True


def source_to_try(site: Site, name: str, wish: CameraWish) -> CameraSource:
    """Where a wish leads to. Raises as `name_camera`, and SiteError where that is followed just now.

    Cameras never get two connections at once: some break on it.
    """
    with _wrong_as_site_error():
        source = source_wished(wish, _source_now(site, name) if name else None)
    followed = live_cameras_of(site.database, time.time())
    path = site.path / SITE_TOML
    for other, live in (read_site_toml(path).followed if path.exists() else {}).items():
        if other in followed and _place(live.source) == _place(source):
            raise SiteError(f"{source} is followed just now, as {other}: that camera's page shows what it sends.")
    return source


def source_wished(wish: CameraWish, before: CameraSource | None) -> CameraSource:
    """Where a wish leads to, judged where it is another machine than before.

    Raises FootageError where it is no address, and AddressError where nothing may be sent there.
    """
    if wish.device is not None:
        if wish.address:
            raise FootageError("An address and a device both name a camera: give one of them.")
        return camera_device(wish.device)
    was = before if isinstance(before, CameraAddress) else None
    if not wish.address and was is None:
        raise FootageError("A camera needs an address like rtsp://hall.lan/stream1, or the number of a device.")
    source = was if not wish.address else camera_address(wish.address.strip())
    assert source is not None
    stays = was is not None and _place(was)[:3] == _place(source)[:3]
    source = _with_user(source, wish, was if stays else None)
    if not stays:
        _judge(source)
    return source


def _with_user(source: CameraAddress, wish: CameraWish, same: CameraAddress | None) -> CameraAddress:
    """With the user and the password that hold. same: as it was, where it is the same machine.

    A password that was kept never goes to another machine.
    """
    if wish.no_user:
        return replace(source, user=None, password=None)
    if source.user is not None and not (wish.user or wish.password):
        return source
    kept = same.user if same is not None else None
    user = wish.user or (source.user if source.user is not None else kept)
    if user is None:
        if wish.password:
            raise FootageError("A password needs a user beside it.")
        return source
    password = wish.password or (same.password if same is not None and same.user == user else "")
    # It is taken apart once more, as what a form brings may be what no camera takes.
    return camera_address(replace(source, user=user, password=password).with_secrets)


def _judge(source: CameraAddress) -> None:
    """Raises AddressError where no camera may be. This machine itself is for who writes the file by hand."""
    try:
        resolved(source.host, source.port, private=True)
    except AddressError as error:
        raise AddressError(f"{source.base} can't be a camera's address: {error}") from None


def _place(source: CameraSource) -> tuple[object, ...]:
    if isinstance(source, CameraAddress):
        return source.scheme, source.host, source.port, source.target
    return ("device", source.number)


def _values(wish: CameraWish, source: CameraSource) -> dict[str, Any]:
    """The keys of the camera's table. None of those that leave."""
    address = isinstance(source, CameraAddress)
    return {
        "url": source.with_secrets if isinstance(source, CameraAddress) else None,
        "device": None if address else wish.device,
        "fps": wish.fps,
        "record": wish.record.strip() or None,
        "record_size": wish.record_size.strip() or None,
        "time_zone": wish.time_zone.strip() or None,
        "paused": True if wish.paused else None,
    }


def _shown(name: str, source: CameraSource, table: Mapping[str, Any]) -> NamedCamera:
    return NamedCamera(
        camera=name,
        source=source.base if isinstance(source, CameraAddress) else str(source),
        device=None if isinstance(source, CameraAddress) else source.number,
        has_user=isinstance(source, CameraAddress) and source.user is not None,
        fps=table.get("fps"),
        record=table.get("record", ""),
        record_size=table.get("record_size", ""),
        time_zone=table.get("time_zone", ""),
        paused=table.get("paused", False),
    )


def _changes(before: str, after: str, name: str) -> list[str]:
    """Keys that have other values now. Values may be secrets."""
    old, new = (tomllib.loads(text).get("cameras", {}).get(name, {}) for text in (before, after))
    return sorted(key for key in {*old, *new} if old.get(key) != new.get(key))


def _source_now(site: Site, name: str) -> CameraSource | None:
    """Where a camera of the file is. Raises SiteConfigError where the file is wrong."""
    path = site.path / SITE_TOML
    camera = read_site_toml(path).cameras.get(name) if path.exists() else None
    return None if camera is None or camera.live is None else camera.live.source


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES).decode()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError) as error:
        raise SiteConfigError(f"{path} can't be read: check its permissions, and that it is text.") from error


def _write(site: Site, path: Path, text: str, entry: AuditEntry) -> None:
    """The file and the row of the audit are there together, or neither."""
    with site.database.transaction():
        add_entry(site.database, entry)
        write_private(path, text.encode())


@contextmanager
def _wrong_as_site_error() -> Iterator[None]:
    """What is wrong with an address or an amount is what somebody typed, and no footage."""
    try:
        yield
    except FootageError as error:
        raise SiteError(str(error)) from None


def _check_name(name: str) -> None:
    if len(name) > LONGEST_NAME or not name.isprintable() or not _NAME.fullmatch(name):
        raise SiteError(
            f"A camera's name has 1 to {LONGEST_NAME} characters that can be seen, begins with no dot, and has no "
            "slash, like hall or Gate 2."
        )
