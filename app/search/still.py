"""A still somebody asks with: read with care, for it may come from anywhere, and the people in it.

One library, Pillow, both says how large a picture is and decodes it, so a header that lies about its size can't make
the decoder take more than was allowed. Its plugins are called by name, each for its own signature: `Image.open` tries
what else is registered, and Ultralytics replaces it by one that installs packages.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
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

from app.errors import StillError
from deploy.detectors import Detector, Frame, first_line
from trackers.detections import area, coverage, whole_pixels

MOST_PIXELS = 50_000_000  # 150 MB as RGB; the largest phones take such pictures
MOST_BYTES = 100_000_000
FORMATS = "JPEG, PNG, WebP, AVIF, TIFF, BMP, GIF, JPEG 2000, PPM"
LEAST_SCORE = 0.3  # of a detection that counts as a person; detectors also report what only a tracker can use

_CROP_ASPECT = (1.5, 4.0)  # height / width of a picture that may be a crop of one person
_CROP_HEIGHT = 800  # px; a larger upright picture is a portrait photograph, whose person the detector finds
_CROP_SMALL = 128  # px high; in so small a picture detectors find pieces, and there is no room for a scene
_CROP_SHARE = 0.5  # of the picture's height, that the tallest person found in a crop has at least
_SAME = 0.3  # of the smaller box, shared: less, and they are two people
_ORIENTATION = 0x0112  # EXIF tag
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's 16-bit greys


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture to search with."""

    pixels: NDArray[np.uint8]  # (H, W, 3) RGB, upright
    sha256: str  # of the file's bytes
    path: Path


class People(NamedTuple):
    """Who may be meant by a still: the largest and surest first."""

    boxes: NDArray[np.float32]  # (M, 4) x1 y1 x2 y2 px, inside the picture
    scores: NDArray[np.float32]  # (M,)
    whole: bool  # the picture is a crop of one person: M is 1, the box all of it, the score 0 where nobody was found


def read_still(path: str | os.PathLike[str]) -> Still:
    """Reads a picture (`FORMATS`; the first frame of several), upright as its EXIF orientation says.

    16-bit channels keep their upper 8 bits, grey becomes RGB, what is transparent is laid on white.

    Raises StillError for what is missing, no regular file, larger than MOST_BYTES or MOST_PIXELS (known before a pixel
    is decoded), no picture, or not whole.
    """
    path = Path(path)
    data = _read(path)
    return Still(_decode(data, path), hashlib.sha256(data).hexdigest(), path)


def cut(pixels: NDArray[np.uint8], box: ArrayLike) -> NDArray[np.uint8]:
    """The `(h, w, 3)` pixels inside a box `x1 y1 x2 y2`, a copy. The box is widened to whole pixels and clipped.

    Raises StillError where nothing of it lies inside the picture.
    """
    corners = np.asarray(box, np.float64).reshape(-1)
    height, width = pixels.shape[:2]
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise StillError(f"{_numbers(corners)} is no box: give four numbers, x1 y1 x2 y2, in pixels.")
    x1, y1, x2, y2 = corners
    if min(x2, width) <= max(x1, 0) or min(y2, height) <= max(y1, 0):
        raise StillError(
            f"The box {_numbers(corners)} holds nothing of the picture, which is {width} × {height} px: "
            "give x1 y1 x2 y2 inside it, x2 > x1 and y2 > y1."
        )
    # Clipped before it becomes whole numbers: a corner may be anything.
    inside = np.array([[max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]])
    x1, y1, x2, y2 = whole_pixels(inside.astype(np.float32), pixels.shape)[0]
    return pixels[y1:y2, x1:x2].copy()


def people_in(still: Still, detector: Detector, *, least: float = LEAST_SCORE) -> People:
    """The people in a still, by area × score, largest first; `least` is the lowest score that counts.

    A small upright picture that one person fills is itself a crop, as our own sites hold them: the person is all of
    it. So it is where the detector finds nobody, for detectors learned people with a street around them.
    Raises DetectorError where the detector can't look at a picture (`mot:`, which only reads a file).
    """
    height, width = still.pixels.shape[:2]
    found = detector.detect([Frame("still", 0, 0.0, still.pixels)])[0]
    boxes = found.boxes.clip(0, np.array([width, height, width, height], np.float32))
    keep = (found.scores >= least) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, scores = boxes[keep], found.scores[keep]
    order = np.argsort(-area(boxes) * scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    if _is_crop(still.pixels.shape, boxes):
        score = scores[:1] if len(scores) else np.zeros(1, np.float32)
        return People(np.array([[0, 0, width, height]], np.float32), score, True)
    return People(boxes, scores, False)


def _is_crop(shape: tuple[int, ...], boxes: NDArray[np.float32]) -> bool:
    """Whether a picture shows one person and little else; boxes `(M, 4)` of people in it, the foremost first.

    In a crop detectors find a part of the person, or the person twice; what speaks against one is a person who is
    small in it, or two who stand side by side.
    """
    height, width = shape[:2]
    if not (_CROP_ASPECT[0] <= height / width <= _CROP_ASPECT[1] and height <= _CROP_HEIGHT):
        return False
    if height <= _CROP_SMALL or not len(boxes):
        return True
    tall = boxes[boxes[:, 3] - boxes[:, 1] >= _CROP_SHARE * height]
    return bool(len(tall) and (coverage(tall[:1], tall)[0] >= _SAME).all())


def _read(path: Path) -> bytes:
    try:
        kind = path.stat()  # before it is opened: a pipe would keep us waiting
        if stat.S_ISDIR(kind.st_mode):
            raise IsADirectoryError(errno.EISDIR, "")
        if not stat.S_ISREG(kind.st_mode):
            raise StillError(f"{path} is no regular file: name a picture.")
        if kind.st_size > MOST_BYTES:
            raise StillError(
                f"{path} has {kind.st_size / 1e6:,.0f} MB, more than the {MOST_BYTES // 1_000_000} that a still may "
                "have: save it smaller, or cut the person out."
            )
        with path.open("rb") as file:
            data = file.read(kind.st_size + 1)  # one more: it may grow while we look
    except FileNotFoundError as error:
        raise StillError(f"{path} does not exist: name a picture.") from error
    except IsADirectoryError as error:
        raise StillError(f"{path} is a folder: name one picture in it.") from error
    except (OSError, ValueError) as error:  # a ValueError: the name holds a NUL
        if isinstance(error, StillError):
            raise
        why = error.strerror if isinstance(error, OSError) else error
        raise StillError(f"{path} can't be read ({why}): check its name and who may read it.") from error
    if len(data) > kind.st_size:
        raise StillError(f"{path} is being written: ask again when it is whole.")
    if not data:
        raise StillError(f"{path} is empty: name another picture.")
    return data


def _decode(data: bytes, path: Path) -> NDArray[np.uint8]:
    plugin = _plugin(data)
    if plugin is None:
        raise StillError(f"{path} is no picture that can be read here ({FORMATS}): save it as JPEG or PNG.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which is no concern of ours
        try:
            with plugin(io.BytesIO(data)) as image:
                _check_size(image.size, path)
                if isinstance(image, TiffImageFile):  # whose tiles may be larger than the picture
                    _check_size((image.tag_v2.get(322, 0), image.tag_v2.get(323, 0)), path)
                image.load()
                return _upright(_rgb(image, path), _orientation(image))
        except StillError:
            raise
        except Image.DecompressionBombError as error:  # Pillow's own limit, which some plugins ask first
            raise _too_large(path, "far") from error
        except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
            raise StillError(
                f"{path} is damaged or not whole ({first_line(error)}): copy it again, or save it anew as JPEG or PNG."
            ) from error


def _plugin(data: bytes) -> type[ImageFile] | None:
    """Who reads a file that begins like this."""
    if data[4:8] == b"ftyp":
        return AvifImageFile if data[8:12] in (b"avif", b"avis") or b"avif" in data[16:64] else None
    if data[:4] == b"RIFF":
        return WebPImageFile if data[8:12] == b"WEBP" else None
    signatures: tuple[tuple[bytes, type[ImageFile]], ...] = (
        (b"\xff\xd8\xff", JpegImageFile),
        (b"\x89PNG\r\n\x1a\n", PngImageFile),
        (b"GIF87a", GifImageFile),
        (b"GIF89a", GifImageFile),
        (b"BM", BmpImageFile),
        (b"II*\0", TiffImageFile),
        (b"MM\0*", TiffImageFile),
        (b"\0\0\0\x0cjP  \r\n\x87\n", Jpeg2KImageFile),
        (b"\xff\x4f\xff\x51", Jpeg2KImageFile),
        *((b"P%d" % kind, PpmImageFile) for kind in range(1, 7)),
    )
    return next((plugin for signature, plugin in signatures if data.startswith(signature)), None)


def _check_size(size: tuple[int, int], path: Path) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"{width:,} × {height:,} px,")


def _too_large(path: Path, size: str) -> StillError:
    return StillError(
        f"{path} is {size} more than the {MOST_PIXELS // 1_000_000} megapixels that a still may have: "
        "save it smaller, or cut the person out."
    )


def _rgb(image: ImageFile, path: Path) -> NDArray[np.uint8]:
    """A decoded picture as `(H, W, 3)` RGB."""
    plain: Image.Image = image
    if image.mode in _SIXTEEN:  # Pillow itself would clip these to 255
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise StillError(f"{path} has more than 16 bits a channel: save it as JPEG or PNG.")
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        plain = Image.new("RGBA", seen.size, "white")
        plain.alpha_composite(seen)
    return np.array(plain.convert("RGB"))


def _orientation(image: ImageFile) -> int:
    """EXIF orientation that is still to be done, 1 … 8; 1 where there is none that makes sense.

    Asked after decoding: PNG may have its EXIF at the end, and for TIFF Pillow turns the picture itself.
    """
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - broken EXIF is common, and no reason to refuse a picture
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """EXIF 2.32, 4.6.4 A: where row 0 and column 0 of the stored picture lie in the one that was seen."""
    if orientation in (2, 3, 7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 6, 7):
        pixels = pixels[::-1]
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    return np.ascontiguousarray(pixels)


def _numbers(corners: NDArray[np.float64]) -> str:
    return " ".join(f"{value:g}" for value in corners[:8])
