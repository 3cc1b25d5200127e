"""MOTChallenge text: one box a line, `frame,id,left,top,width,height,score|considered,class,visibility…`.

Frames count from 1. Rows are float64 arrays in the file's own column order. The constants below name the columns.
"""

from __future__ import annotations

import configparser
import io
import os
import warnings
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackers.bounded import bounded_number

FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, CONFIDENCE, CLASS, VISIBILITY = range(9)
CONSIDERED = CONFIDENCE  # in truth files: 0 marks a row to ignore
BOX = slice(LEFT, HEIGHT + 1)
FEWEST_COLUMNS = CONFIDENCE + 1  # of results and detections, truth has more
FARTHEST = 1e9  # px, and frames, and ids. Beyond it float32 boxes overflow
FRAME_RATES = (Fraction(1, 86_400), Fraction(1_000_000))  # frames/s. One a day is the slowest
LONGEST_SEQUENCE = 10**9  # frames
INI_BYTES = 65_536  # of a seqinfo.ini
LONGEST_NAME = 255  # bytes, of a folder on most file systems

Rows = NDArray[np.float64]


class MotFormatError(ValueError):
    """A file that is not MOTChallenge text. The message names the file and the line."""


@dataclass(frozen=True, slots=True)
class SequenceInfo:
    """What a `seqinfo.ini` says of its image sequence."""

    frame_rate: Fraction  # frames/s, above 0
    images: Path  # the folder of the pictures, inside the sequence's own
    length: int  # frames, 0 where it is not said


def read_rows(path: Path) -> Rows:
    """All rows of a MOTChallenge file.

    Returns:
        `(N, C)` float64 with C ≥ 7, ordered by frame, and within a frame as in the file.

    Raises:
        MotFormatError: The text is not rows of numbers.
        OSError: The file can't be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # NumPy warns of an empty file, but no boxes is a fair answer
            with path.open(encoding="utf-8") as file:  # given a path, NumPy would unpack .gz
                rows = np.loadtxt(file, delimiter=",", dtype=np.float64, ndmin=2)
    except UnicodeDecodeError as error:
        raise MotFormatError(f"{path} is not text; a MOTChallenge file has one comma-separated box a line.") from error
    except ValueError as error:
        raise MotFormatError(f"{path} is not a MOTChallenge file ({error!s:.200}).") from error
    if rows.size == 0:
        return np.zeros((0, VISIBILITY + 1))
    if rows.shape[1] < FEWEST_COLUMNS:
        raise MotFormatError(
            f"{path} has {rows.shape[1]} columns where MOTChallenge has at least {FEWEST_COLUMNS} "
            "(frame, id, left, top, width, height, score)."
        )
    sound = (np.abs(rows[:, : HEIGHT + 1]) <= FARTHEST).all(axis=1)  # a NaN is not
    if not sound.all():
        bad = int(np.flatnonzero(~sound)[0])
        raise MotFormatError(f"{path}, row {bad + 1}: a frame, id or box is not a finite number up to {FARTHEST:g}.")
    return rows[np.argsort(rows[:, FRAME], kind="stable")]


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
