"""From a path to cameras: which files are footage, whose they are, in which order, and when each began."""

from __future__ import annotations

import logging
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path, PurePath
from typing import Literal

from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.container import length_of, open_container
from app.footage.fingerprint import fingerprint, fingerprint_images
from app.footage.image_sequence import ImageSequence, image_folder, is_sequence, numbered_images
from app.footage.picture_order import IMAGE_SUFFIXES
from app.footage.site_toml import SITE_TOML, CameraConfig, Polygon, SiteConfig, site_config, zone_of
from app.footage.start_time import from_metadata, from_name

logger = logging.getLogger(__name__)

# A file of these kinds is footage whatever is in it. If it can't be decoded, that is an error worth recording.
_VIDEO = (
    ".mp4 .m4v .mov .qt .3gp .3g2 .mkv .webm .avi .divx .ts .m2ts .mts .mpg .mpeg .m2v .vob .ps .flv .f4v .wmv .asf "
    ".h264 .264 .h265 .265 .hevc .ivf .mjpeg .mjpg .ogv .dav .mxf .nut .dv"
)
# Never opened: what lies beside footage, sound, downloads still running, and cameras' own previews. An .lrv is a video,
# but the small copy of one that is there already. Anything else, in neither list, is footage if it opens as video.
_OTHER = (
    ".txt .json .jsonl .toml .yaml .yml .xml .csv .tsv .ini .md .rst .html .htm .pdf .log .db .db-wal .db-shm .sqlite "
    ".srt .vtt .ass .sub .idx .index .nfo .url .lnk .m3u .m3u8 .mpd .ffconcat .py .sh .zip .gz .tar .7z .rar .npy .npz "
    ".pt .onnx .wav .mp3 .aac .m4a .flac .ogg .opus .wma .gif .heic .svg .thm .lrv .part .partial .crdownload .download"
    " .tmp .bak .md5 .sha1 .sha256 .sig"
)
VIDEO_SUFFIXES = set(_VIDEO.split())
OTHER_SUFFIXES = set(_OTHER.split()) | IMAGE_SUFFIXES
HIDDEN = (".", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "lost+found")
NAME_BYTES = 200  # file systems stop at 255, and exports add to the name

StartSource = Literal["name", "container", "given", "file time"]


@dataclass(frozen=True)
class Footage:
    """One video file or image sequence of one camera."""

    camera: str
    path: Path  # the file, or the folder with `seqinfo.ini`
    name: str  # path relative to the camera, with "/". It stays when the whole folder moves
    start: float  # UTC seconds
    start_source: StartSource
    size: int  # bytes, of all pictures of a sequence
    fingerprint: str  # see `app.footage.fingerprint`. Empty when the file could not be read


@dataclass(frozen=True)
class Camera:
    """One camera and its footage in the order of time."""

    name: str  # safe as a file name
    footage: tuple[Footage, ...]
    mask: tuple[Polygon, ...] = ()  # regions to ignore: pixels, or fractions of the picture when no number is above 1
    min_height: float | None = None  # pixels. Smaller people are ignored
    time_zone: str | None = None  # IANA name, of times in file names that have no zone


def discover(path: Path, config: SiteConfig | None = None, start: float | None = None) -> list[Camera]:
    """Finds the cameras and their footage in `path`, ordered by name.

    A file is one camera with one piece of footage. In a folder, each video file is a camera, named by its stem. Each
    folder with `seqinfo.ini` is a camera, too. Each other folder with footage in it, at any depth, is a camera whose
    files follow each other. Hidden files, sidecar files and pictures outside of sequences are passed over. Files that
    look like video by their suffix are listed whatever is in them. `open_footage` tells whether they are video.

    Footage starts at the time in its name, which is UTC or in the time zone that `config` names. The machine's own zone
    never counts. Next come the container's creation time, `start`, and the file's modification time. A camera's `start`
    in `config` is a correction and goes before all of these. Where a `start` serves several files of a camera, they
    follow each other without gaps.

    Args:
        path: a video file, an image sequence or a folder of them.
        config: what a person says about the site. By default `path/site.toml` where it exists.
        start: UTC seconds.

    Returns:
        At least one camera, each with at least one footage.

    Raises:
        FootageError: nothing there, no footage, or names that can't serve as camera names.
        SiteConfigError: `site.toml` can't be used.
    """
    if not path.exists():
        raise FootageError(f"{path} does not exist: give a video file or a folder of them")
    if config is None:
        config = site_config(path)
    with Worker() as worker:
        return _discovered(path, config, start, worker)


def _discovered(path: Path, config: SiteConfig, start: float | None, worker: Worker) -> list[Camera]:
    """What `discover` finds. The worker opens the files."""
    paths_by_camera = list(_cameras(path, worker))
    if not paths_by_camera:
        raise FootageError(_nothing(path))
    for name in config.cameras.keys() - {name for name, _, _ in paths_by_camera}:
        logger.warning("site.toml has settings for camera %r, but there is no such camera in %s", name, path)
    cameras: list[Camera] = []
    for path_name, root, paths in paths_by_camera:
        settings = config.cameras.get(path_name, CameraConfig())
        settings = replace(settings, time_zone=settings.time_zone or config.time_zone)
        name = _safe_name(settings.name or path_name, root)
        cameras.append(
            Camera(
                name=name,
                footage=_footage(name, root, paths, settings, start, worker),
                mask=settings.mask,
                min_height=settings.min_person_height,
                time_zone=settings.time_zone,
            )
        )
    by_name: dict[str, Camera] = {}
    for camera in cameras:
        # Files called "Hall" and "hall" overwrite each other on many file systems, and so would exports.
        namesake = by_name.setdefault(unicodedata.normalize("NFC", camera.name).casefold(), camera)
        if namesake is not camera:
            raise FootageError(
                f"two cameras are called {camera.name!r} ({namesake.footage[0].path}, {camera.footage[0].path}): "
                f"rename one, or give it a name in {SITE_TOML}"
            )
    return sorted(cameras, key=lambda camera: _natural(camera.name))


def _cameras(path: Path, worker: Worker) -> Iterator[tuple[str, Path, list[Path]]]:
    """Name, the folder that footage names are relative to, and the footage of each camera."""
    if path.is_file():
        if path.suffix.lower() in OTHER_SUFFIXES:
            raise FootageError(
                f"{path} is not a video: give a video file, a folder of them, or a folder with seqinfo.ini"
            )
        yield path.stem, path.parent, [path]
    elif is_sequence(path):
        path = path.resolve()  # "." has no name
        yield path.name, path.parent, [path]
    else:
        for entry in _entries(path):
            if entry.is_dir():
                paths = [entry] if is_sequence(entry) else _segments(entry, worker)
                if paths:
                    yield entry.name, path if paths == [entry] else entry, paths
            elif _is_footage(entry, worker):
                yield entry.stem, path, [entry]


def _segments(folder: Path, worker: Worker) -> list[Path]:
    """Footage at any depth below `folder`. Links to folders are not followed, for they may go round in circles."""
    paths: list[Path] = []
    for entry in _entries(folder):
        if entry.is_dir():
            if is_sequence(entry):
                paths.append(entry)
            elif not entry.is_symlink():
                paths.extend(_segments(entry, worker))
        elif _is_footage(entry, worker):
            paths.append(entry)
    return paths


def _entries(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise FootageError(f"{folder} can't be listed ({error.strerror}): check its permissions") from error
    return sorted(
        (entry for entry in entries if not entry.name.startswith(HIDDEN)), key=lambda entry: _natural(entry.name)
    )


def _is_footage(path: Path, worker: Worker) -> bool:
    suffix = path.suffix.lower()
    if not path.is_file() or suffix in OTHER_SUFFIXES:
        return False
    if suffix in VIDEO_SUFFIXES:
        return True
    try:
        worker.call(path, _size(path), _creation_and_length, path)
    except FootageError:
        logger.info("passed over %s: it does not look like a video and can't be opened as one", path)
        return False
    return True


def _nothing(path: Path) -> str:
    if any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in _entries(path)):
        return (
            f"{path} holds pictures but no video: a folder of pictures needs a seqinfo.ini with [Sequence], frameRate="
        )
    return f"{path} holds no footage: put video files there, or a folder of them for each camera"


def _footage(
    camera: str, root: Path, paths: Sequence[Path], settings: CameraConfig, start: float | None, worker: Worker
) -> tuple[Footage, ...]:
    """The camera's footage in the order of time, then of name."""
    zone = zone_of(settings.time_zone)
    fixed = None
    if settings.start is not None:
        fixed = settings.start.replace(tzinfo=settings.start.tzinfo or zone).timestamp()
    clock = fixed if fixed is not None else start
    footage: list[Footage] = []
    for path in sorted(paths, key=lambda path: _natural(path.relative_to(root).as_posix())):
        name = path.relative_to(root).as_posix()
        began: float | None = None
        source: StartSource = "given"
        if fixed is None:
            began, source = _stated_start(path, PurePath(name), zone, worker)
        if began is None and clock is not None:
            began, source = clock, "given"
            clock += _length(path, worker)
        size, mark, modified = _identity(path)
        if began is None:
            began, source = modified, "file time"
        footage.append(Footage(camera, path, name, began, source, size, mark))
    return tuple(sorted(footage, key=lambda item: (item.start, _natural(item.name))))


def _stated_start(path: Path, name: PurePath, zone: tzinfo, worker: Worker) -> tuple[float | None, StartSource]:
    began = from_name(name, zone)
    if began is not None or path.is_dir():
        return began, "name"
    try:
        return worker.call(path, _size(path), _creation_and_length, path)[0], "container"
    except FootageError:  # the decoder will say so, and that is recorded
        return None, "container"


def _length(path: Path, worker: Worker) -> float:
    """Seconds, 0 when unknown, so that whatever follows is at least not before it."""
    try:
        length: float | None = worker.call(path, _size(path), _creation_and_length, path)[1]
    except FootageError:
        return 0.0
    return length or 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _creation_and_length(path: Path) -> tuple[float | None, float | None]:
    """UTC seconds at which footage was made, and its seconds, each None when unknown. Raises FootageError."""
    if path.is_dir():
        return None, ImageSequence(path).length
    container, stream = open_container(path)
    with container:
        return from_metadata(container.metadata, stream.metadata), length_of(container, stream)


def _identity(path: Path) -> tuple[int, str, float]:
    """Size in bytes, fingerprint and modification time, of a sequence that of its first picture."""
    try:
        status = path.stat()
        if not path.is_dir():
            return status.st_size, fingerprint(path), status.st_mtime
        images = list(numbered_images(image_folder(path)).values())
        if not images:
            return 0, "", status.st_mtime
        return sum(image.stat().st_size for image in images), fingerprint_images(images), images[0].stat().st_mtime
    except (OSError, FootageError) as error:
        logger.warning("%s can't be read: %s", path, error)
        return 0, "", os.lstat(path).st_mtime if os.path.lexists(path) else 0.0


def _safe_name(name: str, where: Path) -> str:
    """`name`, if it can be a file name anywhere."""
    bad = [letter for letter in name if letter in "/\\" or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}]
    if (
        bad
        or not name.strip()
        or name.startswith(".")
        or name != name.strip()
        or len(name.encode("utf-8", "replace")) > NAME_BYTES
    ):
        reason = f"has {bad[0]!a} in it" if bad else "is empty, too long, or begins or ends with a dot or space"
        raise FootageError(
            f"{name!a} in {where} can't be a camera's name, as it {reason}: rename it, or name it in {SITE_TOML}"
        )
    return name


def _natural(text: str) -> tuple[tuple[int, str], ...]:
    """Sort key that puts "part10" after "part9"."""
    return tuple((int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", text.casefold()) if part)
