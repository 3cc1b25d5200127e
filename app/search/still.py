"""A still to search with, and the people in it. It is read with care, for it may come from anywhere.

Pillow both says how large a picture is and decodes it. So a header that lies about its size can't make the decoder
take more than was allowed. HEIC is decoded in a process of its own.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import io
import os
import stat
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile

from app.errors import FootageError, StillError
from app.footage.apart import Worker
from app.footage.heif import heif_pictures, is_heif
from app.footage.picture_header import FORMATS, announced_sizes, foreign_kind, is_raw, plugin_of
from app.remarks import Remark
from app.search.broken_jpeg import as_far_as_it_goes, is_unwritten
from deploy.detectors import Detector, Frame, first_line
from trackers.detections import area, coverage, whole_pixels

MOST_PIXELS = 50_000_000  # 150 MB as RGB. The largest phones take such pictures
MOST_JPEG_PIXELS = 250_000_000  # decoded at a half or a quarter. Its coefficients may take 2 GB where it is progressive
MOST_BYTES = 100_000_000
MOST_MISSING = 0.5  # share of a JPEG that breaks off, of which the rest is searched with
LEAST_SCORE = 0.3  # of a detection that counts as a person. Detectors also report what only a tracker can use

_CROP_ASPECT = (1.5, 4.0)  # height / width of a picture that may be a crop of one person
_CROP_HEIGHT = 800  # px. A larger upright picture is a portrait photograph, whose person the detector finds
_CROP_SMALL = 128  # px high. In so small a picture detectors find pieces, and there is no room for a scene
_CROP_SHARE = 0.5  # of the picture's height, that the tallest person found in a crop has at least
_SAME_PERSON = 0.3  # of the smaller box, shared by two boxes of one person
_GREY = (8, 0.01)  # by how much the channels differ at most, in all but this share of pixels of a picture in grey
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")  # Pillow's 16-bit greys


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """A picture to search with."""

    pixels: NDArray[np.uint8]  # (H, W, 3) RGB, upright
    sha256: str  # of the file's bytes
    path: Path
    reduced: int = 1  # how many times smaller than the file's its sides are
    remarks: tuple[Remark, ...] = ()  # on what the file lacks


class People(NamedTuple):
    """Who may be meant by a still: the largest and surest first."""

    boxes: NDArray[np.float32]  # (M, 4) x1 y1 x2 y2 px, inside the picture
    scores: NDArray[np.float32]  # (M,)
    whole: bool  # the picture is a crop of one person: M is 1, the box all of it, the score 0 where nobody is detected


def read_still(path: str | os.PathLike[str]) -> Still:
    """Reads a picture in one of the `FORMATS`, or the first frame of several. It stands upright as its EXIF says.

    Channels of 16 bits keep their upper 8, grey becomes RGB, what is transparent is laid on white. A JPEG beyond
    MOST_PIXELS is decoded at a half or a quarter. Of one that breaks off there is what was decoded.

    Raises:
        StillError: missing, no regular file, no picture, not whole, or larger than MOST_BYTES or MOST_PIXELS. The size
            is known before a pixel is decoded.
    """
    path = Path(path)
    return still_of(_read(path), path)


def still_of(data: bytes, path: Path) -> Still:
    """As `read_still`, of a file's bytes. path: what errors call it."""
    remarks: list[Remark] = []
    if is_heif(data):
        pixels, reduced = _decode_heif(data, path), 1
    else:
        pixels, reduced = _decode(data, path, remarks)
    return Still(pixels, hashlib.sha256(data).hexdigest(), path, reduced, tuple(remarks))


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether a picture `(H, W, 3)` shows no colour, as infrared cameras' at night."""
    differing = pixels.max(axis=2) - pixels.min(axis=2) > _GREY[0]
    return bool(differing.mean() <= _GREY[1])


def cut(pixels: NDArray[np.uint8], box: ArrayLike) -> NDArray[np.uint8]:
    """The `(h, w, 3)` pixels inside a box `x1 y1 x2 y2`, a copy. The box is widened to whole pixels and clipped.

    Raises:
        StillError: it is no box, or nothing of it lies inside the picture.
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
    """The people in a still, by area × score, largest first.

    A small upright picture that one person fills is itself a crop, as our own sites hold them. There the person is all
    of it, also where the detector finds nobody. Detectors learned people with a street around them.

    Args:
        still: the picture.
        detector: finds the people.
        least: the lowest score that counts.

    Raises:
        DetectorError: the detector can't look at a picture (`mot:`, which only reads a file).
    """
    height, width = still.pixels.shape[:2]
    detections = detector.detect([Frame("still", 0, 0.0, still.pixels)])[0]
    boxes = detections.boxes.clip(0, np.array([width, height, width, height], np.float32))
    keep = (detections.scores >= least) & (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, scores = boxes[keep], detections.scores[keep]
    order = np.argsort(-area(boxes) * scores, kind="stable")
    boxes, scores = boxes[order], scores[order]
    if _is_crop(still.pixels.shape, boxes):
        score = scores[:1] if len(scores) else np.zeros(1, np.float32)
        return People(np.array([[0, 0, width, height]], np.float32), score, True)
    return People(boxes, scores, False)


def _is_crop(shape: tuple[int, ...], boxes: NDArray[np.float32]) -> bool:
    """Whether a picture shows one person and little else.

    In a crop detectors find a part of the person, or the person twice. What speaks against a crop is a person who is
    small in it, or two who stand side by side.

    Args:
        shape: of the picture, `(H, W, …)`.
        boxes: `(M, 4)` of people in it, the foremost first.
    """
    height, width = shape[:2]
    if not (_CROP_ASPECT[0] <= height / width <= _CROP_ASPECT[1] and height <= _CROP_HEIGHT):
        return False
    if height <= _CROP_SMALL or not len(boxes):
        return True
    tall = boxes[boxes[:, 3] - boxes[:, 1] >= _CROP_SHARE * height]
    return bool(len(tall) and (coverage(tall[:1], tall)[0] >= _SAME_PERSON).all())


def _read(path: Path) -> bytes:
    try:
        status = path.stat()  # before it is opened: a pipe would keep us waiting
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "")
        if not stat.S_ISREG(status.st_mode):
            raise StillError(f"{path} is no regular file: name a picture.")
        if status.st_size > MOST_BYTES:
            raise StillError(
                f"{path} has {status.st_size / 1e6:,.0f} MB, more than the {MOST_BYTES // 1_000_000} that a still may "
                "have: save it smaller, or cut the person out."
            )
        with path.open("rb") as file:
            data = file.read(status.st_size + 1)  # one byte more: it may grow while we look
    except FileNotFoundError as error:
        raise StillError(f"{path} does not exist: name a picture.") from error
    except IsADirectoryError as error:
        raise StillError(f"{path} is a folder: name one picture in it.") from error
    except (OSError, ValueError) as error:  # a ValueError where the name holds a NUL
        if isinstance(error, StillError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise StillError(f"{path} can't be read ({reason}): check its name and who may read it.") from error
    if len(data) > status.st_size:
        raise StillError(f"{path} is being written: ask again when it is whole.")
    if not data:
        raise StillError(f"{path} is empty: name another picture.")
    return data


def _decode_heif(data: bytes, path: Path) -> NDArray[np.uint8]:
    if importlib.util.find_spec("pillow_heif") is None:
        raise ModuleNotFoundError("No module named 'pillow_heif'", name="pillow_heif")
    pixels: NDArray[np.uint8] | None = None
    try:
        with Worker() as worker:
            for answer in worker.stream(path, len(data), heif_pictures, data, MOST_PIXELS):
                if isinstance(answer[0], int):
                    _check_size(answer, path)
                else:
                    pixels = answer[0]
    except FootageError as error:
        raise StillError(
            f"{path} is damaged or not whole, or a HEIC that can't be read here: copy it again, or save it as JPEG or "
            "PNG."
        ) from error
    assert pixels is not None
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return pixels
    return _rgb(Image.fromarray(pixels), path)


def _decode(data: bytes, path: Path, remarks: list[Remark]) -> tuple[NDArray[np.uint8], int]:
    """The pixels, and how many times smaller than the file's the sides are."""
    plugin = plugin_of(data)
    if plugin is None:
        kind = foreign_kind(data)
        raise StillError(
            f"{path} is no picture that can be read here ({FORMATS}){f' but {kind}' if kind else ''}: save "
            f"{'one of its pictures' if kind else 'it'} as JPEG or PNG."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata, which is no concern of ours
        try:
            with plugin(io.BytesIO(data)) as image:
                size, reduced = image.size, _reduce(image, path)
                for announced in announced_sizes(image):
                    _check_size(announced, path)
                if is_raw(image):
                    raise StillError(f"{path} is a camera's raw picture: save it as JPEG or PNG.")
                loaded = _loaded(image, data, path, remarks)
                with suppress(Exception):  # broken EXIF is common, and no reason to refuse a picture
                    ImageOps.exif_transpose(loaded, in_place=True)
                if reduced > 1:
                    why = f"{path.name} has {size[0]:,} × {size[1]:,} px, and was decoded at 1/{reduced} of these."
                    remarks.append(Remark("stills decoded smaller", 1, why))
                return _rgb(loaded, path), reduced
        except StillError:
            raise
        except Image.DecompressionBombError as error:  # Pillow's own limit, which some plugins ask first
            raise _too_large(path, "far") from error
        except Exception as error:  # a damaged file makes Pillow's plugins raise nearly anything
            raise StillError(
                f"{path} is damaged or not whole ({first_line(error)}): copy it again, or save it anew as JPEG or PNG."
            ) from error


def _reduce(image: ImageFile, path: Path) -> int:
    """Lets a JPEG that is too large be decoded smaller. Returns how many times, 1 where it is not, or is no JPEG."""
    width, height = image.size
    if not isinstance(image, JpegImageFile) or width * height <= MOST_PIXELS:
        return 1
    if width * height > MOST_JPEG_PIXELS:
        raise _too_large(path, f"{width:,} × {height:,} px,", MOST_JPEG_PIXELS)
    reduced = next((times for times in (2, 4) if width * height <= MOST_PIXELS * times**2), 8)
    image.draft(None, (max(width // reduced, 1), max(height // reduced, 1)))
    return reduced


def _loaded(image: ImageFile, data: bytes, path: Path, remarks: list[Remark]) -> Image.Image:
    """The decoded picture. A JPEG that breaks off is as far as it goes, where most of it is there."""
    try:
        image.load()  # before its EXIF, which PNG may have at the end
    except OSError:
        if not isinstance(image, JpegImageFile):
            raise
    else:
        if not (isinstance(image, JpegImageFile) and is_unwritten(data)):
            return image

    def decode(whole: bytes) -> Image.Image:
        again = JpegImageFile(io.BytesIO(whole))
        _reduce(again, path)
        again.load()
        return again

    broken = as_far_as_it_goes(data, decode)
    if broken.missing > MOST_MISSING:
        raise StillError(f"{path} breaks off, and {broken.missing:.0%} of the picture is missing: copy it again.")
    lost = (
        "its finer detail is missing"
        if broken.coarse
        else f"{broken.missing:.0%} of the picture is missing, filled with one colour"
        if broken.missing
        else "nothing of the picture is missing"
    )
    remarks.append(Remark("stills that break off", 1, f"{path.name} has no end, and {lost}: copy it again."))
    return broken.image


def _check_size(size: tuple[int, int], path: Path) -> None:
    width, height = size
    if width * height > MOST_PIXELS:
        raise _too_large(path, f"{width:,} × {height:,} px,")


def _too_large(path: Path, size: str, most: int | None = None) -> StillError:
    return StillError(
        f"{path} is {size} more than the {(most or MOST_PIXELS) // 1_000_000} megapixels that a still may have: "
        "save it smaller, or cut the person out."
    )


def _rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """A decoded picture as `(H, W, 3)` RGB."""
    plain = image
    if image.mode in _SIXTEEN:  # Pillow itself would clip these to 255
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise StillError(f"{path} has more than 16 bits a channel: save it as JPEG or PNG.")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        plain = Image.new("RGBA", rgba.size, "white")
        plain.alpha_composite(rgba)
    return np.array(plain.convert("RGB"))


def _numbers(corners: NDArray[np.float64]) -> str:
    return " ".join(f"{value:g}" for value in corners[:8])
