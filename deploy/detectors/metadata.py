"""What an ONNX file says of itself, in the words of Ultralytics and of others."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

DYNAMIC_SIZE = 640  # longest side where neither the graph nor its metadata names one
LEAST_STRIDE = 32  # px, of the coarsest grid
NAMES = ("names", "class_names", "classes", "labels", "id2label")  # keys under which files name their classes


@dataclass(frozen=True, slots=True)
class ExportMetadata:
    """What an export says of itself. The defaults are for what it leaves out."""

    task: str = "detect"
    names: Mapping[int, str] = field(default_factory=dict)  # of the classes
    size: tuple[int, int] = (DYNAMIC_SIZE, DYNAMIC_SIZE)  # (H, W) of the input, where the graph leaves it open
    stride: int = LEAST_STRIDE  # px, sides of the input are multiples of it
    batch: int | None = None
    ends_in_nms: bool = False
    lowest_score: float | None = None  # below which it drops boxes itself


def read_metadata(entries: Mapping[str, str]) -> ExportMetadata:
    """What a file's metadata say, each value as Python or JSON writes it.

    A value of an unexpected kind counts as left out.
    """
    values = {key: read_value(text) for key, text in entries.items()}
    default = ExportMetadata()
    arguments, size = values.get("args"), values.get("imgsz")
    stride, batch = values.get("stride"), values.get("batch")
    if isinstance(size, int):
        size = (size, size)
    if not (isinstance(size, list | tuple) and len(size) == 2 and all(isinstance(side, int) for side in size)):
        size = default.size
    arguments = arguments if isinstance(arguments, dict) else {}
    lowest_score = arguments.get("conf")
    return ExportMetadata(
        task=str(values.get("task", default.task)),
        names=next((names for key in NAMES if (names := class_names(values.get(key)))), default.names),
        size=(size[0] or DYNAMIC_SIZE, size[1] or DYNAMIC_SIZE),
        stride=stride if isinstance(stride, int) else default.stride,
        batch=batch if isinstance(batch, int) and batch > 0 else default.batch,
        ends_in_nms=bool(values.get("end2end") or arguments.get("nms")),
        lowest_score=lowest_score if isinstance(lowest_score, float) else None,
    )


def read_value(text: str) -> object:
    """A value that Python or JSON wrote, else its text."""
    for read in (ast.literal_eval, json.loads):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def class_names(value: object) -> dict[int, str]:
    """Classes' names by number, from a list, a mapping of numbers, or text with commas. Empty where it is none."""
    if isinstance(value, str) and "," in value:
        value = [name.strip() for name in value.split(",")]
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {}
    numbered = {int(k) if isinstance(k, str) and k.isdecimal() and len(k) < 9 else k: v for k, v in value.items()}
    fits = all(isinstance(k, int) and k >= 0 and isinstance(v, str) for k, v in numbered.items())
    return numbered if fits else {}
