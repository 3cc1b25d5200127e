"""MOTChallenge text: one box a line, `frame,id,left,top,width,height,score|considered,class,visibility…`.

Frames count from 1. Rows are float64 arrays in the file's own column order. The constants below name the columns.

Other programs write much that is nearly this. What can mean one thing only is read: other separators, a header, a BOM,
frames from 0. What may mean two things is refused or told as a `Note`.
"""

from __future__ import annotations

import configparser
import io
import logging
import os
import re
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackers.bounded import bounded_number

log = logging.getLogger("sightline")

FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, CONFIDENCE, CLASS, VISIBILITY = range(9)
CONSIDERED = CONFIDENCE  # in truth files: 0 marks a row to ignore
BOX = slice(LEFT, HEIGHT + 1)
FEWEST_COLUMNS = CONFIDENCE + 1  # of results and detections, truth has more
FARTHEST = 1e9  # px, and frames, and ids. Beyond it float32 boxes overflow
FRAME_RATES = (Fraction(1, 86_400), Fraction(1_000_000))  # frames/s. One a day is the slowest
LONGEST_SEQUENCE = 10**9  # frames
INI_BYTES = 65_536  # of a seqinfo.ini
LONGEST_NAME = 255  # bytes, of a folder on most file systems

LARGEST_SHARE = 1.5  # of the picture, in a normalised box. People reach beyond it. In pixels nobody is so small
UPRIGHT = (1.2, 6.0)  # height / width of most boxes on people
FEW_ROWS = 10  # too few to tell a layout by

# What programs call the columns in a header, without `bb_` and the like before it.
_HEADS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        "frame frame_id frameid frame_number frame_no frame_idx frame_index",
        "id track_id trackid tid object_id identity target_id person_id",
        "left l x x1 xmin x_min tlx",
        "top t y y1 ymin y_min tly",
        "width w",
        "height h",
    )
)

Rows = NDArray[np.float64]


class MotFormatError(ValueError):
    """A file that is not MOTChallenge text. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What a `seqinfo.ini` says of its image sequence."""

    frame_rate: Fraction  # frames/s, above 0
    images: Path  # the folder of the pictures, inside the sequence's own
    length: int  # frames, 0 where it is not said


@dataclass(frozen=True, slots=True)
class Note:
    """What a file holds that was taken for something, or contradicts itself. It is told to who named the file."""

    what: str  # what was met, as "files whose frames count from 0"
    count: int  # how many of these
    why: str  # what it means and what to do, a sentence


Tell = Callable[[Note], object]


def read_rows(path: Path, tell: Tell | None = None, *, beside: Iterable[Path] = (), shares: bool = False) -> Rows:
    """All rows of a MOTChallenge file. Frames count from 1, also where the file has a frame 0.

    Args:
        path: The file.
        tell: Hears what was taken for something. Else it is logged.
        beside: Files of the same program. They tell where a file counts from that has neither frame 0 nor 1.
        shares: Boxes may be shares of the picture, see `in_shares`. Who asks scales them.

    Returns:
        `(N, C)` float64 with C ≥ 7, ordered by frame, and within a frame as in the file.

    Raises:
        MotFormatError: The text is not rows of numbers, or its boxes can't be pixels.
        OSError: The file can't be read.
    """
    tell = tell or (lambda note: log.warning("%s: %s", path, note.why))
    rows = _parsed(path)
    if not len(rows):
        return rows
    if in_shares(rows) and not shares:
        raise MotFormatError(
            f"{path} has boxes that are shares of the picture, 0 to 1: multiply them by its width and height in pixels."
        )
    first = rows[:, FRAME].min()
    if first == 0 or (first > 1 and _from_zero(other for other in beside if other != path)):
        rows[:, FRAME] += 1
        tell(
            Note(
                "files whose frames count from 0",
                1,
                "They have a frame 0, or the files beside them have, so 1 was added to each frame: number frames from "
                "1 where that is wrong.",
            )
        )
    if corners := _may_be_corners(rows):
        tell(
            Note(
                "boxes that may be x1, y1, x2, y2",
                corners,
                "They were taken as left, top, width, height, but are more like people as two corners: write them as "
                "left, top, width, height.",
            )
        )
    return rows[np.argsort(rows[:, FRAME], kind="stable")]


def in_shares(rows: Rows) -> bool:
    """Whether all boxes are shares of the picture's width and height, so-called normalised ones."""
    boxes = rows[:, BOX]
    return bool(len(rows) and np.abs(boxes).max() <= LARGEST_SHARE and (boxes % 1).any())


def _from_zero(files: Iterable[Path]) -> bool:
    """Whether of these files, which one program wrote, one has a frame 0, and none begins with frame 1."""
    firsts = set()
    for file in files:
        with suppress(MotFormatError, OSError):  # who needs it is told
            rows = _parsed(file)
            firsts.add(rows[:, FRAME].min() if len(rows) else None)
    return 0 in firsts and 1 not in firsts


def _may_be_corners(rows: Rows) -> int:
    """How many rows there are, where nearly all are upright people as corners, and few are as left, top and sides."""
    left, top, third, fourth = rows[:, BOX].T
    if len(rows) < FEW_ROWS or not ((third > left) & (fourth > top)).all():
        return 0
    as_corners = _upright(third - left, fourth - top)
    return len(rows) if as_corners > 0.9 and _upright(third, fourth) < 0.6 else 0


def _upright(width: NDArray[np.float64], height: NDArray[np.float64]) -> float:
    """The share of boxes that are as people stand."""
    return float(((height >= UPRIGHT[0] * width) & (height <= UPRIGHT[1] * width)).mean())


def _parsed(path: Path) -> Rows:
    """The numbers of a file `(N, C)` as they stand there. Raises as `read_rows` does."""
    text, delimiter = _separated(_text(path), path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # NumPy warns of an empty file, but no boxes is a fair answer
            rows = np.loadtxt(io.StringIO(text), delimiter=delimiter, dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise MotFormatError(f"{path} is not a MOTChallenge file ({error!s:.200}).") from error
    if rows.size == 0:
        return np.zeros((0, VISIBILITY + 1))
    if rows.shape[1] < FEWEST_COLUMNS:
        raise MotFormatError(
            f"{path} has {rows.shape[1]} columns where MOTChallenge has at least {FEWEST_COLUMNS} "
            "(frame, id, left, top, width, height, score)."
        )
    sound = (np.abs(rows[:, :FEWEST_COLUMNS]) <= FARTHEST).all(axis=1)  # a NaN is not
    if not sound.all():
        bad = int(np.flatnonzero(~sound)[0])
        raise MotFormatError(
            f"{path}, row {bad + 1}: a frame, id, box or score is not a finite number up to {FARTHEST:g}."
        )
    whole = (rows[:, FRAME] >= 0) & (rows[:, FRAME] % 1 == 0)
    if not whole.all():
        bad = int(np.flatnonzero(~whole)[0])
        raise MotFormatError(
            f"{path}, row {bad + 1}: {rows[bad, FRAME]:g} is no frame: frames are numbered 1, 2, 3 and so on."
        )
    return rows


def _text(path: Path) -> str:
    """A file's text. A BOM tells that it is UTF-16."""
    data = path.read_bytes()
    try:
        return data.decode("utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise MotFormatError(f"{path} is not text; a MOTChallenge file has one comma-separated box a line.") from error


def _separated(text: str, path: Path) -> tuple[str, str | None]:
    """Text without a header or commas behind its rows, and what separates its columns, None for blanks.

    Semicolons stand where a program writes `0,5` for a half.
    """
    lines = re.finditer(r"[^\r\n]+", text)
    first, begin = next(((line, k.start()) for k in lines if (line := k[0].partition("#")[0].strip())), ("", 0))
    delimiter = next((mark for mark in ";,\t" if mark in first), None)
    if (words := re.findall(r"[a-z_]\w*", first, re.IGNORECASE)) and words[0].lower() in _HEADS[FRAME]:
        _check_header([re.sub(r"^(bb|bbox|box)_?(?=.)", "", word.lower()) for word in words], first, path)
        text = text[begin:].partition("\n")[2]
        first = text.partition("\n")[0].partition("#")[0].strip()
    if delimiter == ";":
        text = text.replace(",", ".")
    if delimiter and first.endswith(delimiter):
        text = re.sub(rf"{delimiter}[ \t]*(?=\r?$)", "", text, flags=re.MULTILINE)
    return text, None if delimiter == "\t" else delimiter


def _check_header(words: list[str], header: str, path: Path) -> None:
    """Raises MotFormatError where a header names other columns."""
    if len(words) < len(_HEADS) or not all(word in names for word, names in zip(words, _HEADS)):
        raise MotFormatError(
            f"{path} has the columns {header[:200]} where MOTChallenge has frame, id, left, top, width, height, score: "
            "bring them into this order."
        )


def text_of(rows: Rows) -> bytes:
    """Result rows `(N, 7)` as lines `frame,id,left,top,width,height,score,-1,-1,-1`."""
    text = io.BytesIO()
    order = np.lexsort((rows[:, ID], rows[:, FRAME]))
    np.savetxt(text, rows[order][:, :FEWEST_COLUMNS], fmt="%d,%d,%.2f,%.2f,%.2f,%.2f,%.4f,-1,-1,-1")
    return text.getvalue()


def read_sequence_info(path: Path) -> SequenceInfo:
    """Reads a `seqinfo.ini`.

    Raises:
        MotFormatError: It is no such file, or it points out of its folder.
    """
    ini = configparser.ConfigParser(interpolation=None)
    try:
        with path.open("rb") as file:
            text = file.read(INI_BYTES + 1)
        if len(text) > INI_BYTES:
            raise ValueError(f"more than {INI_BYTES} bytes")
        ini.read_string(text.decode("utf-8-sig"))
        section = ini["Sequence"]
        rate = bounded_number(section["frameRate"], *FRAME_RATES)
        length = int(bounded_number(section.get("seqLength", "0"), 0, LONGEST_SEQUENCE))
        name = section.get("imDir", "img1")
        if len(os.fsencode(name)) > LONGEST_NAME:
            raise ValueError(f"imDir has more than {LONGEST_NAME} bytes")
        images = path.parent / name
        inside = images.resolve().is_relative_to(path.parent.resolve())
    except (OSError, configparser.Error, KeyError, ValueError) as error:
        raise MotFormatError(
            f"{path} is not a seqinfo.ini ({error!s:.200}): it needs [Sequence] with frameRate= and imDir="
        ) from error
    if not inside:
        raise MotFormatError(f"{path} says imDir={name}: it must be a folder inside {path.parent}")
    return SequenceInfo(rate, images, length)


def boxes_of(rows: Rows) -> NDArray[np.float32]:
    """`(N, 4)` float32 `x1 y1 x2 y2` of rows that hold left, top, width, height."""
    boxes = rows[:, BOX].astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def to_rows(frames: NDArray, ids: NDArray, boxes: NDArray, scores: NDArray) -> Rows:
    """Result rows `(N, 7)` from frame numbers (from 1), ids, `x1 y1 x2 y2` boxes and scores."""
    return np.column_stack([frames, ids, boxes[:, :2], boxes[:, 2:] - boxes[:, :2], scores]).astype(np.float64)
