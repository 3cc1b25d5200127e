"""A still is read as it was seen, and what is no still, or is made to hurt, is refused in one sentence."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import re
import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import cv2
import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFile

from app.errors import StillError
from app.footage.apart import Worker
from app.search import still
from app.search.still import MOST_PIXELS, People, Still, cut, is_grey, people_in, read_still
from deploy.detectors import Frame
from trackers.detections import Detections

# Four colours, one a quarter: any turn or flip shows. Every side is a multiple of 16, so JPEG keeps them.
RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 40), (30, 40, 190), (240, 240, 240)


def quarters(height: int = 96, width: int = 64) -> NDArray[np.uint8]:
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2], picture[: height // 2, width // 2 :] = RED, GREEN
    picture[height // 2 :, : width // 2], picture[height // 2 :, width // 2 :] = BLUE, WHITE
    return picture


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(quarters()).convert(mode).save(file, kind, **options)
    return file.getvalue()


def close(a: NDArray[np.uint8], b: NDArray[np.uint8], most: int = 12) -> bool:
    return a.shape == b.shape and int(np.abs(a.astype(int) - b).max()) <= most


def exif_jpeg(orientation: int, *, order: str = "II") -> bytes:
    """A JPEG with an APP1 segment put in by hand, as a camera writes it."""
    end = "<" if order == "II" else ">"
    tiff = order.encode() + struct.pack(f"{end}HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    jpeg = encoded("JPEG", quality=95, subsampling=0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(entries: Sequence[tuple[int, int]], data: bytes) -> bytes:
    """A little-endian TIFF of LONG entries. A value of -1 stands for where the data lies."""
    at = 8 + 2 + 12 * len(entries) + 4
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, at if value < 0 else value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", 0) + data


def patched(data: bytes, at: int, new: bytes) -> bytes:
    assert at >= 0
    return data[:at] + new + data[at + len(new) :]


def written(folder: Path, data: bytes, name: str = "a still.bin") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (encoded("PNG"), 0),
        (encoded("BMP"), 0),
        (encoded("TIFF"), 0),
        (encoded("TIFF", compression="tiff_lzw"), 0),
        (encoded("WEBP", lossless=True), 0),
        (encoded("JPEG", quality=95, subsampling=0), 12),
        (encoded("JPEG", quality=95, subsampling=0, progressive=True), 12),
        (encoded("JPEG", "CMYK", quality=95), 12),
        (encoded("GIF"), 40),
        (encoded("AVIF", quality=95, subsampling="4:4:4"), 12),
        (encoded("JPEG2000"), 0),
        (encoded("PPM"), 0),
        (encoded("PNG", "P"), 60),
        (encoded("PNG", "RGBA"), 0),
    ],
)
def test_every_format_is_read(data: bytes, most: int, tmp_path: Path) -> None:
    """By content: the name says nothing."""
    path = written(tmp_path, data)
    read = read_still(path)
    assert read.pixels.dtype == np.uint8 and read.pixels.flags.c_contiguous and read.pixels.flags.writeable
    assert close(read.pixels, quarters(), most)
    assert read.sha256 == hashlib.sha256(data).hexdigest()
    assert read.path == path


def test_a_jpeg_is_decoded_as_the_crops_of_a_site_are(tmp_path: Path) -> None:
    noise = cv2.resize(np.random.default_rng(1).integers(0, 256, (30, 20, 3), np.uint8), (101, 151))
    jpeg = cv2.imencode(".jpg", noise)[1].tobytes()
    expected = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(read_still(written(tmp_path, jpeg)).pixels, expected)


def test_grey_and_16_bit(tmp_path: Path) -> None:
    grey = np.asarray(Image.fromarray(quarters()).convert("L"))
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    for name in ("grey.png", "grey.tiff"):
        wide = cv2.imencode(Path(name).suffix, grey.astype(np.uint16) * 257)[1].tobytes()
        np.testing.assert_array_equal(read_still(written(tmp_path, wide)).pixels, expected)
    np.testing.assert_array_equal(read_still(written(tmp_path, encoded("PNG", "L"))).pixels, expected)
    colour = cv2.imencode(".png", quarters()[:, :, ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(read_still(written(tmp_path, colour)).pixels, quarters())


def test_what_is_transparent_is_laid_on_white(tmp_path: Path) -> None:
    cutout = np.dstack([quarters(), np.full((96, 64), 255, np.uint8)])
    cutout[:48, :32, 3] = 0
    cutout[:48, 32:, 3] = 128
    file = io.BytesIO()
    Image.fromarray(cutout).save(file, "PNG")
    read = read_still(written(tmp_path, file.getvalue())).pixels
    assert (read[0, 0] == 255).all()
    assert close(read[:48, 32:], np.broadcast_to((np.array(GREEN) + 255) / 2, (48, 32, 3)).astype(np.uint8), 2)
    np.testing.assert_array_equal(read[48:], quarters()[48:])


UPRIGHT = {  # what a viewer shows of a picture stored as quarters(), by EXIF orientation: the colours, row by row
    1: (RED, GREEN, BLUE, WHITE),
    2: (GREEN, RED, WHITE, BLUE),
    3: (WHITE, BLUE, GREEN, RED),
    4: (BLUE, WHITE, RED, GREEN),
    5: (RED, BLUE, GREEN, WHITE),
    6: (BLUE, RED, WHITE, GREEN),
    7: (WHITE, GREEN, BLUE, RED),
    8: (GREEN, WHITE, RED, BLUE),
}


def corners(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    rows, columns = np.array([height // 4, 3 * height // 4]), np.array([width // 4, 3 * width // 4])
    return pixels[rows[:, None], columns].reshape(4, 3)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("order", ["II", "MM"])
def test_a_jpeg_stands_upright(orientation: int, order: str, tmp_path: Path) -> None:
    data = exif_jpeg(orientation, order=order)
    read = read_still(written(tmp_path, data)).pixels
    assert read.shape == ((96, 64, 3) if orientation < 5 else (64, 96, 3))
    assert close(corners(read), np.array(UPRIGHT[orientation], np.uint8))
    opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)  # which respects it, too
    assert close(read, opencv, 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
def test_other_formats_stand_upright(kind: str, tmp_path: Path) -> None:
    for orientation in (3, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = read_still(written(tmp_path, encoded(kind, exif=exif))).pixels
        assert close(corners(upright), np.array(UPRIGHT[orientation], np.uint8), 25), orientation


@pytest.mark.parametrize("mode", ["P", "RGBA", "L", "I;16"])
def test_pictures_of_every_mode_stand_upright(mode: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    shades = Image.fromarray(np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (96, 1)))
    picture = shades if mode == "I;16" else Image.fromarray(quarters()).convert(mode)
    stored, turned = io.BytesIO(), io.BytesIO()
    picture.save(stored, "PNG")
    picture.save(turned, "PNG", exif=exif)
    expected = np.rot90(read_still(written(tmp_path, stored.getvalue())).pixels, -1)
    np.testing.assert_array_equal(read_still(written(tmp_path, turned.getvalue())).pixels, expected)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_senseless_exif_is_no_obstacle(orientation: int, tmp_path: Path) -> None:
    assert read_still(written(tmp_path, exif_jpeg(orientation))).pixels.shape == (96, 64, 3)
    broken = exif_jpeg(6)
    at = broken.index(b"II*\0")
    assert read_still(written(tmp_path, patched(broken, at + 4, b"\xff\xff\xff\x7f"))).pixels.shape == (96, 64, 3)


JPEG, WEBP, ALPHA = encoded("JPEG"), encoded("WEBP", lossless=True), encoded("WEBP", "RGBA")
ALPHA = ALPHA if ALPHA[12:16] == b"VP8X" else encoded("WEBP", exif=Image.Exif().tobytes() + b"Exif\0\0MM\0*")
SOF = JPEG.index(b"\xff\xc0")
WIDE_SOF = JPEG[SOF : SOF + 5] + struct.pack(">HH", 65000, 65000) + JPEG[SOF + 9 : SOF + 19]
GIF, BMP, AVIF = encoded("GIF"), encoded("BMP"), encoded("AVIF")
DEFLATE = [(258, 8), (259, 8), (262, 1), (277, 1)]
ZEROS = zlib.compress(bytes(4_000_000))
BOMBS = {
    "png": png(60000, 60000, ZEROS),
    "png, second header": png(10, 10, ZEROS, chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))),
    "jpeg": patched(JPEG, SOF, WIDE_SOF),
    "jpeg, second frame": JPEG[:SOF] + JPEG[SOF : SOF + 19] + WIDE_SOF + JPEG[SOF + 19 :],
    "jpeg, first frame": JPEG[:SOF] + WIDE_SOF + JPEG[SOF:],
    "webp": patched(WEBP, 21, (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")),
    "gif": patched(GIF, 6, struct.pack("<HH", 65000, 65000)),
    "bmp": patched(BMP, 18, struct.pack("<ii", 60000, 60000)),
    "avif": patched(AVIF, AVIF.index(b"ispe") + 8, struct.pack(">II", 16000, 16000)),
    "tiff": tiff([(256, 60000), (257, 60000), *DEFLATE, (273, -1), (278, 60000), (279, len(ZEROS))], ZEROS),
    "tiff, tiles": tiff(
        [(256, 16), (257, 16), *DEFLATE, (322, 40000), (323, 40000), (324, -1), (325, len(ZEROS))], ZEROS
    ),
    "ppm": b"P6\n60000 60000\n255\n" + bytes(100),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_before_they_go_off(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, BOMBS[name])
    before = getrusage(RUSAGE_SELF).ru_maxrss
    with pytest.raises(StillError, match=r"more than the (50|250) megapixels|is damaged"):
        read_still(path)
    assert getrusage(RUSAGE_SELF).ru_maxrss - before < 50_000  # kB. Each would take more than a gigabyte


@pytest.mark.parametrize("name", ["png", "jpeg", "webp", "gif", "bmp", "avif", "tiff, tiles", "ppm"])
def test_no_pixel_of_a_bomb_is_decoded(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("it was decoded"))
    with pytest.raises(StillError, match=r"more than the (50|250) megapixels that a still may have: save it smaller"):
        read_still(written(tmp_path, BOMBS[name]))


def test_a_header_that_lies_is_harmless(tmp_path: Path) -> None:
    """Whoever says the size also decodes, and into that size."""
    lies = {
        "png": png(10, 10, ZEROS),
        "avif": patched(AVIF, AVIF.index(b"ispe") + 8, struct.pack(">II", 10, 10)),
        "tiff": tiff(
            [(256, 60000), (256, 10), (257, 60000), (257, 10), *DEFLATE, (273, -1), (278, 60000), (279, len(ZEROS))],
            ZEROS,
        ),
    }
    for name, data in lies.items():
        with suppress(StillError):
            assert read_still(written(tmp_path, data)).pixels.shape == (10, 10, 3), name


def test_metadata_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    for kind in (b"iCCP", b"zTXt"):
        bomb = chunk(kind, b"x\0\0" + zlib.compress(bytes(8_000_000)))
        with pytest.raises(StillError, match="damaged"):
            read_still(written(tmp_path, png(10, 10, zlib.compress(bytes(310)), bomb)))


def test_the_pixel_limit_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still, "MOST_PIXELS", 96 * 64)
    assert read_still(written(tmp_path, encoded("PNG"))).pixels.shape == (96, 64, 3)
    monkeypatch.setattr(still, "MOST_PIXELS", 96 * 64 - 1)
    with pytest.raises(StillError, match=r"64 × 96 px, more than the"):
        read_still(written(tmp_path, encoded("PNG")))
    assert MOST_PIXELS == 50_000_000


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000", "HEIC"])
def test_what_breaks_off_is_refused(kind: str, tmp_path: Path) -> None:
    data = heic(quarters()) if kind == "HEIC" else encoded(kind)
    for kept in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(StillError, match=r"a still\.bin is (damaged|no picture)"):
            read_still(written(tmp_path, data[:kept]))


def photograph(height: int = 160, width: int = 128, mode: str = "RGB", **options: object) -> bytes:
    """A JPEG whose rows all differ."""
    noise = cv2.resize(np.random.default_rng(3).integers(0, 256, (20, 16, 3), np.uint8), (width, height))
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_is_read_and_told(progressive: bool, missing: int, tmp_path: Path) -> None:
    """Even where a thumbnail in it has an end."""
    jpeg = photograph(progressive=progressive)
    body = b"Exif\0\0" + JPEG
    with_thumbnail = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    whole = read_still(written(tmp_path, with_thumbnail))
    assert whole.remarks == ()
    read = read_still(written(tmp_path, with_thumbnail[:-missing]))
    np.testing.assert_array_equal(read.pixels, whole.pixels)
    (remark,) = read.remarks
    assert (remark.what, remark.count) == ("stills that break off", 1)
    lost = "its finer detail is missing" if progressive else "nothing of the picture is missing"
    assert remark.why == f"a still.bin has no end, and {lost}: copy it again."


@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 3}, {"optimize": True}, {"mode": "L"}])
@pytest.mark.parametrize("zeros", [0, 300, 9000])
def test_of_a_jpeg_that_breaks_off_there_is_what_was_decoded(options: Any, zeros: int, tmp_path: Path) -> None:
    """Zeros in the place of the rest are what a full card or a download leaves."""
    jpeg = photograph(**options)
    whole = read_still(written(tmp_path, jpeg)).pixels.astype(int)
    read = read_still(written(tmp_path, jpeg[: len(jpeg) * 3 // 4] + bytes(zeros)))
    (remark,) = read.remarks
    (percent,) = re.findall(r"and (\d+)% of the picture is missing, filled with one colour", remark.why)
    wrong = (np.abs(read.pixels - whole) > 3).any(axis=(1, 2))
    assert len(whole) - wrong.argmax() == pytest.approx(int(percent) / 100 * len(whole), abs=3)
    with pytest.raises(StillError, match=r"breaks off, and [6-9]\d% of the picture is missing: copy it again"):
        read_still(written(tmp_path, jpeg[: len(jpeg) * 2 // 5] + bytes(zeros)))


def test_a_progressive_jpeg_that_breaks_off_is_coarse_or_nothing(tmp_path: Path) -> None:
    jpeg = photograph(progressive=True)
    whole = read_still(written(tmp_path, jpeg)).pixels.astype(int)
    read = read_still(written(tmp_path, jpeg[: len(jpeg) // 2]))
    assert "its finer detail is missing" in read.remarks[0].why
    assert np.abs(read.pixels - whole).mean() < 20
    with pytest.raises(StillError, match="100% of the picture is missing"):
        read_still(written(tmp_path, jpeg[: jpeg.index(b"\xff\xda") + 40]))


def test_what_is_behind_the_end_of_a_jpeg_is_no_loss(tmp_path: Path) -> None:
    jpeg = photograph()
    expected = read_still(written(tmp_path, jpeg)).pixels
    for behind in (bytes(9000), b"a film of the moment" + bytes(9000), jpeg):
        read = read_still(written(tmp_path, jpeg + behind))
        np.testing.assert_array_equal(read.pixels, expected)
        assert read.remarks == ()


@pytest.mark.parametrize(
    ("most", "reduced", "shape"), [(160 * 128 // 4, 2, (80, 64)), (2000, 4, (40, 32)), (500, 8, (20, 16))]
)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_large_jpeg_is_decoded_smaller(
    progressive: bool, most: int, reduced: int, shape: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jpeg = photograph(progressive=progressive)
    whole = read_still(written(tmp_path, jpeg)).pixels
    monkeypatch.setattr(still, "MOST_PIXELS", most)
    read = read_still(written(tmp_path, jpeg))
    assert (read.reduced, read.pixels.shape) == (reduced, (*shape, 3))
    assert np.abs(cv2.resize(whole, shape[::-1], interpolation=cv2.INTER_AREA).astype(int) - read.pixels).mean() < 4
    (remark,) = read.remarks
    assert remark.why == f"a still.bin has 128 × 160 px, and was decoded at 1/{reduced} of these."
    cut_off = read_still(written(tmp_path, jpeg[:-2]))
    assert cut_off.pixels.shape == read.pixels.shape and len(cut_off.remarks) == 2


# --- HEIC


def heic(pixels: NDArray[np.uint8], orientation: int = 1, **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = pillow_heif.from_pillow(Image.fromarray(pixels))
    file[0].info["exif"] = exif.tobytes()  # from which the encoder also makes `irot` and `imir`
    data = io.BytesIO()
    file.save(data, quality=95, chroma=444, **options)
    return data.getvalue()


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1"])
def test_heic_is_read_by_its_brand(brand: bytes, tmp_path: Path) -> None:
    data = patched(heic(quarters()), 8, brand)
    read = read_still(written(tmp_path, data, "a still.jpg"))
    assert close(read.pixels, quarters()) and read.pixels.flags.writeable
    assert read.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("orientation", [3, 6])
def test_heic_stands_upright_once(orientation: int, tmp_path: Path) -> None:
    read = read_still(written(tmp_path, heic(quarters(), orientation)))
    assert close(corners(read.pixels), np.array(UPRIGHT[orientation], np.uint8))


def test_of_several_heic_pictures_the_primary_one_is_read(tmp_path: Path) -> None:
    file = pillow_heif.from_pillow(Image.new("RGB", (32, 32), RED))
    file.add_from_pillow(Image.fromarray(quarters()))
    data = io.BytesIO()
    file.save(data, quality=95, chroma=444, primary_index=1)
    assert close(read_still(written(tmp_path, data.getvalue())).pixels, quarters())


def test_transparent_heic_is_laid_on_white(tmp_path: Path) -> None:
    cutout = np.dstack([quarters(), np.full((96, 64), 255, np.uint8)])
    cutout[:48, :32, 3] = 0
    read = read_still(written(tmp_path, heic(cutout))).pixels
    assert (read[8, 8] > 250).all() and close(read[56:], quarters()[56:])


def test_a_heic_that_is_too_large_is_not_decoded(tmp_path: Path) -> None:
    data = heic(quarters())
    wide = patched(data, data.index(b"ispe") + 8, struct.pack(">II", 12000, 9000))
    with pytest.raises(StillError, match="is 12,000 × 9,000 px, more than the 50 megapixels"):
        read_still(written(tmp_path, wide))


def test_a_heic_whose_decoder_dies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, stream = written(tmp_path, heic(quarters())), Worker.stream
    monkeypatch.setattr(Worker, "stream", lambda self, path, size, *_: stream(self, path, size, os.abort))
    with pytest.raises(StillError, match="is damaged or not whole, or a HEIC that can't be read here"):
        read_still(path)


def test_without_its_library_a_heic_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModuleNotFoundError, match="pillow_heif"):
        read_still(written(tmp_path, heic(quarters())))


def test_damage_never_comes_out_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000", "HEIC"):
        data = heic(quarters()) if kind == "HEIC" else encoded(kind)
        for _ in range(4 if kind == "HEIC" else 15):
            damaged = bytearray(data)
            for at in rng.integers(0, min(len(data), 400), 3):
                damaged[at] = rng.integers(256)
            with suppress(StillError):
                read = read_still(written(tmp_path, bytes(damaged)))
                assert read.pixels.ndim == 3 and read.pixels.shape[2] == 3


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"not a picture", "is no picture that can be read here"),
        (b"%PDF-1.7\n", "is no picture.* but a PDF: save one of its pictures as JPEG or PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture.* but a page or a drawing"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is damaged.* save it as JPEG or PNG"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "is no picture.* but a film: save one of its pictures"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "but a camera's raw picture"),
        (b"RIFF\0\0\0\0AVI LIST", "but a film"),
        (b"\x1aE\xdf\xa3matroska", "but a film"),
        ((b"G" + bytes(187)) * 3, "but a film"),
        (tiff([(254, 1), (256, 8), (257, 8), (258, 8), (262, 1), (273, -1), (279, 64)], bytes(64)), "raw picture"),
        (b"\xff\xd8\xff", "is damaged"),
        (b"\xff\xd8\xff\xd9", "is damaged"),
        (b"\x89PNG\r\n\x1a\n", "is damaged"),
        (b"RIFF\0\0\0\0WEBP", "is damaged"),
        (b"RIFF\0\0\0\0WAVE", "is no picture"),
        (png(0, 0, b""), "is damaged"),
        (bytes(1000), "is no picture"),
    ],
)
def test_what_is_no_picture_says_so(data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(StillError, match=sentence):
        read_still(written(tmp_path, data))


def test_pillows_open_is_not_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ultralytics replaces it by one that installs a package when it meets an unknown file."""
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("PIL.Image.open was called"))
    for data in (encoded("PNG"), encoded("GIF"), encoded("TIFF"), exif_jpeg(6)):
        read_still(written(tmp_path, data))
    with pytest.raises(StillError):
        read_still(written(tmp_path, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"))


def test_what_is_not_a_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StillError, match=r"gone\.jpg does not exist"):
        read_still(tmp_path / "gone.jpg")
    with pytest.raises(StillError, match="is a folder: name one picture in it"):
        read_still(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(StillError, match="is no regular file"):  # and does not wait for it
        read_still(tmp_path / "pipe")
    with pytest.raises(StillError, match="can't be read"):
        read_still("a\0b.png")
    with pytest.raises(StillError, match="can't be read"):
        read_still(tmp_path / ("x" * 300))
    (tmp_path / "round").symlink_to(tmp_path / "round")
    with pytest.raises(StillError, match="can't be read"):
        read_still(tmp_path / "round")
    heavy = tmp_path / "heavy.png"
    with heavy.open("wb") as file:
        file.truncate(still.MOST_BYTES + 1)  # sparse
    with pytest.raises(StillError, match="has 100 MB, more than the 100"):
        read_still(heavy)

    path = written(tmp_path, b"x")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(StillError, match=r"can't be read \(Permission denied\)"):
        read_still(path)


def test_what_is_being_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, encoded("PNG"))
    status = path.stat()
    smaller = os.stat_result([*status[:6], 10, *status[7:]])
    monkeypatch.setattr(Path, "stat", lambda _: smaller)
    with pytest.raises(StillError, match="is being written"):
        read_still(path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_grey_is_known_from_colour(mode: str, tmp_path: Path) -> None:
    infrared = np.repeat(np.asarray(Image.fromarray(quarters()).convert("L"))[:, :, None], 3, axis=2)
    file = io.BytesIO()
    Image.fromarray(infrared).convert(mode).save(file, "JPEG", quality=60)
    assert is_grey(read_still(written(tmp_path, file.getvalue())).pixels)
    assert not is_grey(quarters())
    infrared[40:50, 20:50] = (110, 100, 96)  # a face, in an overcoat
    assert not is_grey(infrared)


def test_several_pictures_in_a_file(tmp_path: Path) -> None:
    """The first one is read, as every viewer shows it."""
    second = Image.new("RGB", (64, 96), RED)
    for kind in ("GIF", "WEBP", "TIFF", "PNG", "MPO", "AVIF"):
        file = io.BytesIO()
        Image.fromarray(quarters()).save(file, kind, save_all=True, append_images=[second], quality=95)
        first = read_still(written(tmp_path, file.getvalue())).pixels
        assert close(corners(first), corners(quarters()), 40), kind


# --- cutting


def test_cut_widens_to_whole_pixels_and_clips() -> None:
    pixels = np.arange(10 * 8 * 3, dtype=np.uint8).reshape(10, 8, 3)
    np.testing.assert_array_equal(cut(pixels, (1.2, 2.9, 3.1, 5)), pixels[2:5, 1:4])
    np.testing.assert_array_equal(cut(pixels, (-50, -1e30, 2, 1e30)), pixels[:, :2])
    np.testing.assert_array_equal(cut(pixels, np.array([0, 0, 8, 10], np.float32)), pixels)
    np.testing.assert_array_equal(cut(pixels, (7.5, 9.5, 20, 20)), pixels[9:, 7:])
    part = cut(pixels, (0, 0, 2, 2))
    part[:] = 0
    assert pixels[1, 1].any()  # a copy


@pytest.mark.parametrize(
    "box",
    [(8, 0, 12, 5), (0, 10, 4, 12), (-5, -5, 0, 0), (3, 3, 3, 6), (5, 3, 2, 6), (np.nan, 0, 1, 1), (0, 0, np.inf, 1)],
)
def test_cut_refuses_what_holds_nothing(box: tuple[float, ...]) -> None:
    with pytest.raises(StillError, match=r"holds nothing of the picture, which is 8 × 10 px|is no box"):
        cut(np.zeros((10, 8, 3), np.uint8), box)


def test_cut_refuses_what_is_no_box() -> None:
    with pytest.raises(StillError, match="1 2 3 is no box: give four numbers"):
        cut(np.zeros((10, 8, 3), np.uint8), (1, 2, 3))


# --- people


class Finds:
    """A detector that always finds the same."""

    name, sha256, batch, calls = "finds", None, 1, 1

    def __init__(self, *rows: tuple[float, ...]) -> None:
        self.rows = np.array(rows, np.float32).reshape(-1, 5)
        self.seen: list[Frame] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.seen += frames
        return [Detections(self.rows[:, :4], self.rows[:, 4]) for _ in frames]


def look(height: int, width: int, *rows: tuple[float, ...]) -> People:
    return people_in(Still(np.zeros((height, width, 3), np.uint8), "", Path("x")), Finds(*rows))


def test_people_come_largest_and_surest_first() -> None:
    people = look(
        480,
        640,
        (0, 0, 10, 20, 0.9),  # 200 px²
        (100, 100, 200, 300, 0.5),  # 20,000 · 0.5
        (300, 100, 380, 300, 0.9),  # 16,000 · 0.9: first
        (400, 100, 500, 400, 0.1),  # weak: only a tracker can use it
        (600, 400, 700, 500, 0.8),  # 40 × 80 px of it are inside
        (650, 0, 700, 90, 0.99),  # outside
    )
    np.testing.assert_array_equal(
        people.boxes, [[300, 100, 380, 300], [100, 100, 200, 300], [600, 400, 640, 480], [0, 0, 10, 20]]
    )
    np.testing.assert_allclose(people.scores, [0.9, 0.5, 0.8, 0.9])
    assert not people.whole and people.boxes.dtype == people.scores.dtype == np.float32
    assert len(people_in(Still(np.zeros((9, 9, 3), np.uint8), "", Path("x")), Finds((1, 1, 5, 9, 0.2)), least=0.1)[0])


def test_nobody() -> None:
    people = look(480, 640)
    assert people.boxes.shape == (0, 4) and people.scores.shape == (0,) and not people.whole


def test_the_detector_sees_the_picture() -> None:
    picture, finds = Still(quarters(), "", Path("x")), Finds()
    people_in(picture, finds)
    assert len(finds.seen) == 1 and finds.seen[0].image is picture.pixels


@pytest.mark.parametrize(
    ("height", "width", "rows", "whole"),
    [
        (256, 128, [], True),  # a crop in which the detector finds nobody
        (256, 128, [(10, 5, 120, 250, 0.8)], True),
        (203, 126, [(13, 62, 76, 201, 0.6), (30, 35, 96, 175, 0.5)], True),  # one person, found twice
        (73, 24, [(1, 24, 18, 72, 0.7), (0, 0, 20, 30, 0.5), (2, 39, 17, 72, 0.4)], True),  # pieces of a small one
        (256, 128, [(10, 5, 120, 250, 0.8), (90, 10, 128, 60, 0.7)], True),  # somebody small behind
        (300, 200, [(0, 10, 95, 290, 0.8), (105, 10, 200, 290, 0.8)], False),  # two side by side
        (700, 400, [(100, 300, 150, 420, 0.9)], False),  # a street, upright
        (1600, 900, [], False),  # a telephone's picture
        (1600, 900, [(50, 50, 850, 1550, 0.9)], False),
        (256, 200, [(10, 5, 190, 250, 0.8)], False),  # not tall
        (480, 640, [(0, 0, 640, 480, 0.9)], False),
        (500, 100, [], False),  # too tall
    ],
)
def test_a_crop_is_known_as_one(height: int, width: int, rows: list[tuple[float, ...]], whole: bool) -> None:
    people = look(height, width, *rows)
    assert people.whole is whole
    if whole:
        np.testing.assert_array_equal(people.boxes, [[0, 0, width, height]])
        assert people.scores.tolist() == pytest.approx([rows[0][4] if rows else 0.0])
    else:
        assert len(people.boxes) == len(rows)


def test_a_picture_with_a_comment_of_90_mb_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6\n#" + b"a" * 90_000_000 + b"\n8 8 255\n" + bytes(192))
    with pytest.raises(StillError, match="no picture that can be read here"):
        read_still(path)
    path.write_bytes(b"P6\n# a comment\n#\n8 # another\r\n8 255\n" + bytes(192))
    assert read_still(path).pixels.shape == (8, 8, 3)
