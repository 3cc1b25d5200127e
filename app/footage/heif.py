"""HEIC and HEIF pictures, as phones take them. libheif decodes them, in a process of its own as films are."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np

from app.footage.apart import WithPicture

Size = tuple[int, int]

# Brands of files whose pictures are HEVC. MP4 and QuickTime begin alike.
_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
_BRANDS_END = 256  # bytes. Files name a handful


def is_heif(data: bytes) -> bool:
    """Whether a file that begins like this is HEIC or HEIF. AVIF, which has brands of HEIF too, is not."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), _BRANDS_END)
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, end, 4))}
    return bool(brands & _BRANDS) and not brands & {b"avif", b"avis"}


def heif_pictures(data: bytes, most_pixels: int) -> Iterator[Size | WithPicture]:
    """Width and height of a file's primary picture, and then that picture, unless it has more pixels.

    Depth, thumbnails and further pictures are not decoded. It stands upright: libheif turns it as the file says, and
    its EXIF orientation says the same once more.

    Yields:
        `(width, height)` px, and a picture `(H, W)`, `(H, W, 3)` or `(H, W, 4)`, 8 bits a channel.
    """
    import pillow_heif  # 23 MB, which few stills need

    pillow_heif.options.THUMBNAILS = pillow_heif.options.DEPTH_IMAGES = pillow_heif.options.AUX_IMAGES = False
    file = pillow_heif.HeifFile(io.BytesIO(data), convert_hdr_to_8bit=True)
    picture = file[file.primary_index]
    width, height = picture.size
    yield width, height
    if width * height <= most_pixels:
        image = picture.to_pillow()
        yield WithPicture(np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGBA")), None)
