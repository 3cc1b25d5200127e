"""From a path to cameras: which files are footage, whose they are, in which order, and when each began."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import NamedTuple

from app.areas import Area
from app.errors import FootageError
from app.footage.apart import Worker
from app.footage.camera_starts import CameraStarts, Named, facts_of
from app.footage.cameras import CameraOf, cameras_of
from app.footage.fingerprint import fingerprint, fingerprint_images
from app.footage.image_sequence import image_folder, is_picture_folder, is_sequence, numbered_images
from app.footage.pattern import CameraPattern
from app.footage.picture_order import IMAGE_SUFFIXES, natural
from app.footage.site_toml import SITE_TOML, CameraConfig, Polygon, SiteConfig, site_config, zone_of
from app.footage.start_time import NameTime, times_in_names
from app.remarks import Remark, StartSource, summed
from reid.foreign import readable

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
    ".pt .onnx .wav .mp3 .aac .m4a .flac .ogg .opus .wma .bak .md5 .sha1 .sha256 .sig"
)
VIDEO_SUFFIXES = set(_VIDEO.split())
UNREADABLE, NOWHERE, PICTURES, DOWNLOADS, PREVIEWS, OTHERS = (
    "files that can't be opened as video",
    "links that lead nowhere",
    "pictures that are no sequence",
    "files still being copied",
    "previews made by cameras",
    "files that are no footage",
)
_SUFFIXES = {
    PICTURES: IMAGE_SUFFIXES | {".heic", ".gif", ".svg"},
    DOWNLOADS: {".part", ".partial", ".crdownload", ".download", ".tmp"},
    PREVIEWS: {".thm", ".lrv"},
    OTHERS: set(_OTHER.split()),
}
_WHY = {
    UNREADABLE: "A recorder's own format can't be read: export these as MP4 with its program.",
    NOWHERE: "What they stand for was moved, or its disk is not there.",
    PICTURES: "Pictures are footage where a folder has two or more, and no film, and they tell their time or number.",
    DOWNLOADS: "Ingest again when they are whole.",
    PREVIEWS: "The film that each belongs to is taken.",
    OTHERS: "Nothing in them is seen.",
}
_NO_FIT = "files that --cameras does not fit", "They are left out: change the pattern if they are footage."
OTHER_SUFFIXES = set().union(*_SUFFIXES.values())
HIDDEN = (".", "@eaDir", "__MACOSX", "$RECYCLE.BIN", "lost+found")
NAME_BYTES = 200  # file systems stop at 255, and exports add to the name
MOST_SUFFIXES = 8  # that one remark names
_AS_FILE = ".seq"  # so that the name of a sequence's folder is not cut at its last dot


@dataclass(frozen=True)
class Footage:
    """One video file or image sequence of one camera."""

    camera: str
    path: Path  # the file, or the folder of pictures
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
    areas: tuple[Area, ...] = ()  # zones and lines that `site.toml` names


class Survey(NamedTuple):
    """What is in a folder of footage."""

    cameras: list[Camera]
    remarks: list[Remark]  # what was taken for something
    left_out: list[Remark]


def discover(
    path: Path, config: SiteConfig | None = None, start: float | None = None, pattern: str | None = None
) -> list[Camera]:
    """The cameras that `survey` finds."""
    return survey(path, config, start, pattern).cameras


def survey(
    path: Path, config: SiteConfig | None = None, start: float | None = None, pattern: str | None = None
) -> Survey:
    """Finds the cameras and their footage in `path`, ordered by name, and what is no footage.

    A file is one camera with one piece of footage. In a folder, `pattern` tells which part of a path names the camera.
    Without one, `app.footage.cameras` does. Footage is each video file, each folder with `seqinfo.ini`, and each folder
    of pictures that tell their time or number. Hidden files are passed over, and other files are counted. Files that
    look like video by their suffix are listed whatever is in them. `open_footage` tells whether they are video.

    Footage starts at the time in its name, which is UTC or in the time zone that `config` names. The machine's own zone
    never counts. Next come the container's creation time or clock, `start`, and the file's modification time, which is
    when the recording ended. A camera's `start` in `config` is a correction and goes before all of these. Where a
    `start` serves several files of a camera, they follow each other without gaps.

    Args:
        path: a video file, an image sequence or a folder of them.
        config: what a person says about the site. By default `path/site.toml` where it exists.
        start: UTC seconds.
        pattern: see `CameraPattern`. By default that of `config`.

    Returns:
        At least one camera, each with at least one footage.

    Raises:
        FootageError: nothing there, no footage, a pattern that fits nothing, or names that can't serve as camera names.
        SiteConfigError: `site.toml` can't be used.
    """
    if not path.exists():
        raise FootageError(f"{path} does not exist: give a video file or a folder of them")
    if config is None:
        config = site_config(path)
    with Worker() as worker:
        return _Surveyor(path, config, start, pattern or config.pattern, worker).survey()


class _Found(NamedTuple):
    """One piece of footage before it is known whose it is."""

    path: Path
    name: PurePath  # below the folder of footage, with a suffix


class _Surveyor:
    """Goes through a folder once."""

    def __init__(
        self, path: Path, config: SiteConfig, start: float | None, pattern: str | None, worker: Worker
    ) -> None:
        alone = path.is_file() or is_sequence(path) or _is_timelapse(path)
        self._path = path.resolve() if alone and path.is_dir() else path  # "." has no name
        self._root = self._path.parent if alone else self._path
        self._config, self._start, self._worker = config, start, worker
        self._pattern = None if pattern is None else CameraPattern(pattern)
        self._suffixes: dict[str, Counter[str]] = defaultdict(Counter)  # of what is left out, by kind
        self._remarks: list[Remark] = []
        self._left_out: list[Remark] = []

    def survey(self) -> Survey:
        """What is in the folder."""
        found = self._found()
        if not found:
            raise FootageError(_nothing(self._path))
        by_camera = self._by_camera(found)
        here = {name for name, settings in self._config.cameras.items() if settings.live is None}
        for name in here - by_camera.keys():
            logger.warning("site.toml has settings for camera %r, but there is no such camera in %s", name, self._path)
        cameras = [self._camera(name, members) for name, members in by_camera.items()]
        _refuse_namesakes(cameras)
        for kind, suffixes in self._suffixes.items():
            named = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common(MOST_SUFFIXES))
            self._left_out.append(Remark(f"{kind} ({named})", suffixes.total(), _WHY[kind]))
        return Survey(sorted(cameras, key=lambda camera: natural(camera.name)), summed(self._remarks), self._left_out)

    def _found(self) -> list[_Found]:
        path = self._path
        if not path.is_file():
            return [_sequence(path, self._root)] if is_sequence(path) else list(self._walk(path))
        if path.suffix.lower() in OTHER_SUFFIXES:
            raise FootageError(
                f"{path} is not a video: give a video file, a folder of them, or a folder with seqinfo.ini"
            )
        return [_Found(path, PurePath(path.name))]

    def _walk(self, folder: Path) -> Iterator[_Found]:
        """Footage at any depth. Links to folders are followed at the top only, for they may go round in circles."""
        pictures = _is_timelapse(folder)
        if pictures:
            first = next(iter(numbered_images(folder).values()))
            yield _Found(folder, first.relative_to(self._root))
        for entry in _entries(folder):
            if not entry.is_dir():
                in_series = pictures and entry.suffix.lower() in IMAGE_SUFFIXES
                if not in_series and self._is_footage(entry):
                    yield _Found(entry, entry.relative_to(self._root))
            elif is_sequence(entry):
                yield _sequence(entry, self._root)
            elif folder == self._path or not entry.is_symlink():
                yield from self._walk(entry)

    def _is_footage(self, path: Path) -> bool:
        suffix = path.suffix.lower()
        if path.name == SITE_TOML or not (path.is_file() or path.is_symlink()):
            return False
        if suffix in VIDEO_SUFFIXES and path.is_file():
            return True
        kind = NOWHERE if path.is_symlink() and not path.exists() else None
        kind = kind or next((kind for kind, suffixes in _SUFFIXES.items() if suffix in suffixes), None)
        if kind is None:
            try:
                facts_of(path, self._worker)
            except FootageError:
                kind = UNREADABLE
            else:
                return True
        self._suffixes[kind][readable(suffix) or "no suffix"] += 1
        return False

    def _by_camera(self, found: Sequence[_Found]) -> dict[str, list[Named]]:
        """Footage by the name of its camera."""
        names = [piece.name for piece in found]
        times = times_in_names(names, self._config.dates)
        owners: Sequence[CameraOf | None]
        if self._pattern is None:
            folder = self._path.resolve()
            owners, remarks = cameras_of(names, times, folder.stem if folder.is_file() else folder.name)
            self._remarks += remarks
        else:
            owners, times = self._by_pattern(names, times)
        by_camera: dict[str, list[Named]] = {}
        alone: dict[str, Path] = {}  # files that are a camera each
        for piece, owner, time in zip(found, owners, times, strict=True):
            if owner is None:
                continue
            lone = self._pattern is None and time is None and len(piece.name.parts) == 1
            if lone and alone.setdefault(owner.camera, piece.path) != piece.path:
                raise _namesakes(owner.camera, alone[owner.camera], piece.path)
            below = piece.path.relative_to(self._root).parts[owner.levels :]
            by_camera.setdefault(owner.camera, []).append(Named(piece.path, "/".join(below) or piece.path.name, time))
        return by_camera

    def _by_pattern(
        self, names: Sequence[PurePath], times: Sequence[NameTime | None]
    ) -> tuple[list[CameraOf | None], list[NameTime | None]]:
        """Whose footage each name is by the pattern, and its time."""
        assert self._pattern is not None
        matches = [self._pattern.match(name) for name in names]
        missed = matches.count(None)
        if missed == len(names):
            raise FootageError(
                f"--cameras {self._pattern.pattern!r} fits none of {missed} files, as {names[0]!s}: change it"
            )
        if missed:
            self._left_out.append(Remark(_NO_FIT[0], missed, _NO_FIT[1]))
        owners = [None if match is None else CameraOf(match.camera, self._pattern.levels) for match in matches]
        told = [(match and match.time) or time for match, time in zip(matches, times, strict=True)]
        return owners, told

    def _camera(self, name: str, members: Sequence[Named]) -> Camera:
        settings = self._config.cameras.get(name, CameraConfig())
        settings = replace(settings, time_zone=settings.time_zone or self._config.time_zone)
        camera = _safe_name(settings.name or readable(name), self._path)
        fixed = None
        if settings.start is not None:
            fixed = settings.start.replace(tzinfo=settings.start.tzinfo or zone_of(settings.time_zone)).timestamp()
        starts = CameraStarts(zone_of(settings.time_zone), fixed, self._start, self._worker)
        members = sorted(members, key=lambda member: natural(member.name))
        footage = [
            Footage(camera, member.path, readable(member.name), *start, *_identity(member.path))
            for member, start in zip(members, starts.starts(members), strict=True)
        ]
        self._remarks += starts.remarks
        return Camera(
            name=camera,
            footage=tuple(sorted(footage, key=lambda piece: piece.start)),  # equal ones stay in the order of names
            mask=settings.mask,
            min_height=settings.min_person_height,
            time_zone=settings.time_zone,
            areas=settings.areas,
        )


def _is_timelapse(folder: Path) -> bool:
    """Whether the pictures of a folder are footage: a series, and no film beside it that they may show."""
    if not folder.is_dir() or any(entry.suffix.lower() in VIDEO_SUFFIXES for entry in _entries(folder)):
        return False
    return is_picture_folder(folder)


def _sequence(folder: Path, root: Path) -> _Found:
    return _Found(folder, PurePath(f"{folder.relative_to(root)}{_AS_FILE}"))


def _refuse_namesakes(cameras: Sequence[Camera]) -> None:
    """Files called "Hall" and "hall" overwrite each other on many file systems, and so would exports."""
    by_name: dict[str, Camera] = {}
    for camera in cameras:
        namesake = by_name.setdefault(unicodedata.normalize("NFC", camera.name).casefold(), camera)
        if namesake is not camera:
            raise _namesakes(camera.name, namesake.footage[0].path, camera.footage[0].path)


def _namesakes(name: str, *paths: Path) -> FootageError:
    return FootageError(
        f"two cameras are called {name!r} ({', '.join(map(str, paths))}): rename one, or give it a name in {SITE_TOML}"
    )


def _entries(folder: Path) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise FootageError(f"{folder} can't be listed ({error.strerror}): check its permissions") from error
    return sorted(
        (entry for entry in entries if not entry.name.startswith(HIDDEN)), key=lambda entry: natural(entry.name)
    )


def _nothing(path: Path) -> str:
    if any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in _entries(path)):
        return (
            f"{path} holds pictures but no video: where they tell no time or number, the folder "
            "needs a seqinfo.ini with [Sequence], frameRate="
        )
    return f"{path} holds no footage: put video files there, or a folder of them for each camera"


def _identity(path: Path) -> tuple[int, str]:
    """Size in bytes and fingerprint."""
    try:
        if not path.is_dir():
            return path.stat().st_size, fingerprint(path)
        images = list(numbered_images(image_folder(path)).values())
        return (sum(image.stat().st_size for image in images), fingerprint_images(images)) if images else (0, "")
    except (OSError, FootageError) as error:
        logger.warning("%s can't be read: %s", path, error)
        return 0, ""


def _safe_name(name: str, where: Path) -> str:
    """`name`, if it can be a file name anywhere."""
    if reason := objection_to(name):
        raise FootageError(
            f"{name!a} in {where} can't be a camera's name, as it {reason}: rename it, or name it in {SITE_TOML}"
        )
    return name


def objection_to(name: str) -> str:
    """Why a text can't be a camera's name, which is to be a file name anywhere. Empty where it can."""
    bad = [letter for letter in name if letter in "/\\" or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}]
    if bad:
        return f"has {bad[0]!a} in it"
    whole = name.strip() and not name.startswith(".") and name == name.strip()
    if not whole or len(name.encode("utf-8", "replace")) > NAME_BYTES:
        return "is empty, too long, or begins or ends with a dot or space"
    return ""
