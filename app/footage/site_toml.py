"""`site.toml`: what a person says about a site and its cameras, checked before anything is done with it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.areas import MOST_AREAS, Area, AreaError, AreaKind
from app.errors import FootageError, SiteConfigError
from app.footage.live_settings import KEYS as LIVE_KEYS
from app.footage.live_settings import LiveSettings, live_settings
from app.footage.start_time import ORDERS, DateOrder

Polygon = tuple[tuple[float, float], ...]  # x, y: pixels, or fractions of width and height when none is above 1

SITE_TOML = "site.toml"
MOST_BYTES = 2**20  # of a site.toml
MOST_PIXELS = 10**6  # of a coordinate or a height
YEARS = (1970, 2200)  # between which footage starts
_CAMERA_KEYS = {"name", "time_zone", "start", "mask", "min_person_height", "zones", "lines"} | LIVE_KEYS


@dataclass(frozen=True)
class CameraConfig:
    """The table `[cameras.NAME]`, NAME being the folder or the file's stem."""

    name: str | None = None  # the camera's name from here on
    time_zone: str | None = None  # IANA name, for times in file names
    start: datetime | None = None  # of its first footage, whatever names and containers say. Without zone: in time_zone
    mask: tuple[Polygon, ...] = ()  # regions to ignore
    areas: tuple[Area, ...] = ()  # zones and lines
    min_person_height: float | None = None  # pixels
    live: LiveSettings | None = None  # a camera that streams


@dataclass(frozen=True)
class SiteConfig:
    """A whole `site.toml`."""

    detector: str | None = None
    time_zone: str | None = None
    pattern: str | None = None  # `[site] cameras`: which part of a path names the camera, see app.footage.pattern
    dates: DateOrder | None = None  # the order of day and month in names
    cameras: Mapping[str, CameraConfig] = field(default_factory=dict)

    @property
    def followed(self) -> dict[str, LiveSettings]:
        """The live cameras that are to be followed, by their names."""
        return {
            name: camera.live
            for name, camera in self.cameras.items()
            if camera.live is not None and not camera.live.paused
        }


def stamp_of(path: Path) -> tuple[int, int, int] | None:
    """What tells whether a file has changed, None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def site_config(footage: Path, path: Path | None = None) -> SiteConfig:
    """What `path` says, else the `site.toml` in the folder of footage, else nothing. Raises SiteConfigError."""
    beside_footage = footage / SITE_TOML
    if path is None and not beside_footage.is_file():
        return SiteConfig()
    return read_site_toml(beside_footage if path is None else path)


def read_site_toml(path: Path) -> SiteConfig:
    """Reads and checks `path`.

    Raises:
        SiteConfigError: missing, not TOML, an unknown key or a value of the wrong kind.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SiteConfigError(f"{path} can't be read ({error.strerror}): check the path and its permissions") from error
    return checked_site_toml(path, text)


def checked_site_toml(path: Path, text: bytes) -> SiteConfig:
    """As `read_site_toml`, of a text that stands at `path`, or is to stand there."""
    try:
        if len(text) > MOST_BYTES:
            raise SiteConfigError(f"{path} has more than {MOST_BYTES // 2**20} MB: give a site.toml")
        document = tomllib.loads(text.decode())
    except (ValueError, RecursionError) as error:  # also of a number of 5,000 digits, and of a thousand brackets
        raise SiteConfigError(f"{path} is not TOML: {error!s:.200}") from error
    _refuse_unknown(path, "the file", document, {"site", "cameras"})
    site = _table(path, "site", document.get("site", {}))
    _refuse_unknown(path, "[site]", site, {"detector", "time_zone", "cameras", "dates"})
    cameras = {}
    for name, value in _table(path, "cameras", document.get("cameras", {})).items():
        cameras[name] = _camera(path, f"cameras.{name}", _table(path, f"cameras.{name}", value))
    return SiteConfig(
        detector=_text(path, "site.detector", site.get("detector")),
        time_zone=_zone_name(path, "site.time_zone", site.get("time_zone")),
        pattern=_text(path, "site.cameras", site.get("cameras")),
        dates=_dates(path, "site.dates", site.get("dates")),
        cameras=cameras,
    )


def zone_of(name: str | None) -> tzinfo:
    """The time zone `name`, already checked. UTC when there is none."""
    return UTC if name is None else ZoneInfo(name)


def _camera(path: Path, where: str, table: dict[str, Any]) -> CameraConfig:
    _refuse_unknown(path, f"[{where}]", table, _CAMERA_KEYS)
    height = table.get("min_person_height")
    if height is not None and (not _is_number(height) or height < 0):
        raise SiteConfigError(
            f"{path}: {where}.min_person_height = {_shown(height)} must be a number of pixels, 0 or more"
        )
    return CameraConfig(
        name=_text(path, f"{where}.name", table.get("name")),
        time_zone=_zone_name(path, f"{where}.time_zone", table.get("time_zone")),
        start=_moment(path, f"{where}.start", table.get("start")),
        mask=_mask(path, f"{where}.mask", table.get("mask", [])),
        areas=_areas(path, where, table),
        min_person_height=None if height is None else float(height),
        live=_live(path, where, table),
    )


def _live(path: Path, where: str, table: dict[str, Any]) -> LiveSettings | None:
    try:
        return live_settings(table)
    except FootageError as error:
        raise SiteConfigError(f"{path}: {where}.{error}") from None


def _refuse_unknown(path: Path, where: str, table: dict[str, Any], keys: set[str]) -> None:
    for key in table:
        if key not in keys:
            raise SiteConfigError(
                f"{path}: unknown key {_shown(key)} in {where}; possible are {', '.join(sorted(keys))}"
            )


def _table(path: Path, where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SiteConfigError(f"{path}: {where} must be a table, written [{where}]")
    return value


def _text(path: Path, where: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise SiteConfigError(
            f'{path}: {where} = {_shown(value)} must be text in quotes, like {where.split(".")[-1]} = "..."'
        )
    return value


def _zone_name(path: Path, where: str, value: object) -> str | None:
    name = _text(path, where, value)
    if name is not None:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise SiteConfigError(
                f'{path}: {where} = "{name}" is not a time zone, like "Europe/Berlin" or "UTC"'
            ) from error
    return name


def _dates(path: Path, where: str, value: object) -> DateOrder | None:
    order = _text(path, where, value)
    for known in ORDERS:
        if order == known:
            return known
    if order is None:
        return None
    raise SiteConfigError(f"{path}: {where} = {_shown(order)} must be one of {', '.join(ORDERS)}, in quotes")


def _moment(path: Path, where: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if isinstance(moment, datetime) and YEARS[0] < moment.year < YEARS[1]:
        return moment
    raise SiteConfigError(f'{path}: {where} = {_shown(value)} must be a date and time, like "2026-11-20T08:00:00"')


def _mask(path: Path, where: str, value: object) -> tuple[Polygon, ...]:
    no_mask = SiteConfigError(
        f"{path}: {where} must be a list of polygons of three or more points, like [[[0, 0], [640, 0], [640, 80]]]"
    )
    if not isinstance(value, list):
        raise no_mask
    polygons = []
    for points in value:
        if not isinstance(points, list) or len(points) < 3:
            raise no_mask
        polygon = []
        for point in points:
            if not _is_point(point) or min(point) < 0:
                raise no_mask
            polygon.append((float(point[0]), float(point[1])))
        polygons.append(tuple(polygon))
    return tuple(polygons)


def _areas(path: Path, where: str, table: dict[str, Any]) -> tuple[Area, ...]:
    """The tables `zones` and `lines` of a camera: a name, and its points as shares of the picture."""
    areas: dict[str, Area] = {}
    for key, kind in (("zones", AreaKind.zone), ("lines", AreaKind.line)):
        for name, points in _table(path, f"{where}.{key}", table.get(key, {})).items():
            if not isinstance(points, list) or not all(_is_point(point) for point in points):
                raise SiteConfigError(
                    f"{path}: {where}.{key}.{name:.80} must be a list of points, each two shares of the picture, like "
                    "[[0, 0.5], [1, 0.5]]"
                )
            try:
                area = Area(kind, name, tuple((float(x), float(y)) for x, y in points)).checked()
            except AreaError as error:
                raise SiteConfigError(f"{path}: {where}.{key}.{name:.80}: {error}") from error
            if area.name in areas:
                raise SiteConfigError(f"{path}: {where} has two zones or lines called {area.name}: rename one")
            areas[area.name] = area
    if len(areas) > MOST_AREAS:
        raise SiteConfigError(f"{path}: {where} has {len(areas)} zones and lines: leave at most {MOST_AREAS}")
    return tuple(areas.values())


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_number(coordinate) for coordinate in value)


def _shown(value: object) -> str:
    """A value in a sentence, as Python writes it and cut short."""
    try:
        return f"{value!r:.100}"
    except (ValueError, RecursionError):  # of a hexadecimal number with 5,000 digits, and of a thousand brackets
        return f"a {type(value).__name__}"


def _is_number(value: object) -> bool:
    """Whether it is a number that can be meant, and no NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST_PIXELS <= value <= MOST_PIXELS
