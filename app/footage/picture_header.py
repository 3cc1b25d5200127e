"""What a picture's file announces, before a pixel of it is decoded.

Pillow's plugins read it, called by name, each for its own signature. `Image.open` would try what else is registered,
and Ultralytics replaces it by one that installs packages.
"""

from __future__ import annotations

import io
import re
from datetime import datetime, tzinfo
from pathlib import Path

from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

FORMATS = "JPEG, HEIC, PNG, WebP, AVIF, TIFF, BMP, GIF, JPEG 2000, PPM"

_SIGNATURES: tuple[tuple[bytes, type[ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"GIF87a", GifImageFile),
    (b"GIF89a", GifImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Jpeg2KImageFile),
    (b"\xff\x4f\xff\x51", Jpeg2KImageFile),
)
_PPM_HEADER = 4096  # bytes. Pillow reads a comment a byte at a time, for minutes where it has 90 MB
_PPM = re.compile(rb"P(?:[14]%(n)s{2}|[2356]%(n)s{3})\s" % {b"n": rb"(?:(?:\s|#[^\r\n]*[\r\n])+\d+)"})
_EXIF_TAGS, _TAKEN, _TAKEN_OFFSET, _TAKEN_FRACTION = 0x8769, 0x9003, 0x9011, 0x9291
_SUBFILE = 254  # a TIFF tag whose lowest bit says: a smaller copy of another picture in the file
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF tags

# What people name in place of a picture, by its beginning.
_FILM = "a film"
_FOREIGN = (
    (b"%PDF", "a PDF"),
    (b"\x1aE\xdf\xa3", _FILM),
    (b"\0\0\1\xba", _FILM),
    (b"\0\0\1\xb3", _FILM),
    (b"FLV\1", _FILM),
    (b"DHAV", _FILM),
    (b"\x30\x26\xb2\x75", _FILM),
    (b"8BPS", "a Photoshop file"),
    (b"FUJIFILMCCD", "a camera's raw picture"),
    (b"IIRO", "a camera's raw picture"),
    (b"IIU\0", "a camera's raw picture"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"PK\3\4", "an archive or an office file"),
    (b"Rar!", "an archive"),
    (b"7z\xbc\xaf", "an archive"),
    (b"\x1f\x8b", "an archive"),
    (b"<", "a page or a drawing"),
)
_TS_PACKET = 188  # bytes, each beginning with the same


def plugin_of(data: bytes) -> type[ImageFile] | None:
    """Who reads a file that begins like this. None where nobody does."""
    if data[4:8] == b"ftyp":
        return AvifImageFile if data[8:12] in (b"avif", b"avis") or b"avif" in data[16:64] else None
    if data[:4] == b"RIFF":
        return WebPImageFile if data[8:12] == b"WEBP" else None
    if _PPM.match(data[:_PPM_HEADER]):
        return PpmImageFile
    return next((plugin for signature, plugin in _SIGNATURES if data.startswith(signature)), None)


def foreign_kind(data: bytes) -> str | None:
    """What a file is that is no picture which is read here. None where nobody knows."""
    if data[4:8] == b"ftyp":
        return "a camera's raw picture" if data[8:12] == b"crx " else _FILM
    if (data[:4] == b"RIFF" and data[8:12] == b"AVI ") or data[: 3 * _TS_PACKET : _TS_PACKET] == b"GGG":
        return _FILM
    return next((kind for beginning, kind in _FOREIGN if data.startswith(beginning)), None)


def is_raw(image: ImageFile) -> bool:
    """Whether an opened picture is only the small copy that cameras put before their raw one, as in DNG and NEF."""
    return isinstance(image, TiffImageFile) and bool(int(image.tag_v2.get(_SUBFILE, 0)) & 1)


def announced_sizes(image: ImageFile) -> list[tuple[int, int]]:
    """Width and height of an opened picture, and of a TIFF's tiles, which may be larger than the picture."""
    sizes = [image.size]
    if isinstance(image, TiffImageFile):
        sizes.append((image.tag_v2.get(_TILE_WIDTH, 0), image.tag_v2.get(_TILE_LENGTH, 0)))
    return sizes


def fits(data: bytes, most_pixels: int) -> bool:
    """Whether a file announces a picture, and one of at most so many pixels."""
    plugin = plugin_of(data)
    if plugin is None:
        return False
    try:
        with plugin(io.BytesIO(data)) as image:
            return all(width * height <= most_pixels for width, height in announced_sizes(image))
    except Exception:  # noqa: BLE001 - a damaged file makes Pillow's plugins raise nearly anything
        return False


def taken_at(path: Path, zone: tzinfo) -> float | None:
    """When a picture was taken, in UTC seconds, as its camera wrote into it (EXIF). None when it did not.

    Args:
        path: The picture.
        zone: Of a time without an offset.
    """
    try:
        with path.open("rb") as file:
            plugin = plugin_of(file.read(_PPM_HEADER))
            if plugin is None:
                return None
            file.seek(0)
            with plugin(file) as image:
                tags = image.getexif().get_ifd(_EXIF_TAGS)
        moment = datetime.strptime(str(tags[_TAKEN]).strip("\0 "), "%Y:%m:%d %H:%M:%S")
        fraction = str(tags.get(_TAKEN_FRACTION, "")).strip("\0 ")
        if re.fullmatch(r"\d{1,6}", fraction, re.ASCII):
            moment = moment.replace(microsecond=int(fraction.ljust(6, "0")))
        offset = str(tags.get(_TAKEN_OFFSET, "")).strip("\0 ")
        if re.fullmatch(r"[+-]\d\d:\d\d", offset, re.ASCII):
            return datetime.fromisoformat(f"{moment.isoformat()}{offset}").timestamp()
        return moment.replace(tzinfo=zone).timestamp()
    except Exception:  # noqa: BLE001 - a damaged file makes Pillow's plugins raise nearly anything
        return None
