"""Heads that end in few rows, a box each, all of it in one output.

`(B, N, 5…)`, `(B, 5…, N)` or `(N, 5…)`, as of YOLOv10 and later, exports with NMS inside, PaddleDetection
(`class score x1 y1 x2 y2` and a second output with each picture's number of rows), YOLOv7 (`picture x1 y1 x2 y2 class
score`), YOLO-NAS (`picture x1 y1 x2 y2 score class`) and Caffe's or OpenVINO's SSD (`picture class score x1 y1 x2 y2`).

The order of columns is read off the values: class numbers are whole, scores lie in 0..1, boxes end behind where they
begin. Rows of padding, which all exports fill with 0 or -1, tell nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.detectors.boxes import BoxForm, Contradiction, best_first, check_boxes, check_classes, check_scores
from deploy.detectors.heads import Answer, Classes, Probed
from deploy.detectors.metadata import LEAST_STRIDE
from deploy.detectors.picture import AROUND_0, RGB_1, Colours, Fit
from trackers.detections import Detections


class Columns(NamedTuple):
    """Where a row holds what."""

    box: int  # the first of four
    score: int
    label: int | None = None
    picture: int | None = None

    def __str__(self) -> str:
        named = {self.box: "box", self.score: "score", self.label: "class", self.picture: "picture"}
        return " ".join(named[column] for column in sorted(k for k in named if k is not None))


# Ultralytics' RT-DETR ends in x y w h of 0..1.
FORMS = (BoxForm(), BoxForm(fractions=True), BoxForm(corners=False, fractions=True))
# By the number of columns, likelier ones first.
ORDERS: dict[int, tuple[Columns, ...]] = {
    5: (Columns(0, 4), Columns(1, 0)),
    6: (
        Columns(0, 4, 5),
        Columns(2, 1, 0),
        Columns(0, 5, 4),
        Columns(1, 5, 0),
        Columns(2, 0, 1),
        Columns(1, 0, 5),
    ),
    7: (Columns(1, 6, 5, 0), Columns(1, 5, 6, 0), Columns(3, 2, 1, 0)),
}


@dataclass(frozen=True, slots=True)
class RowsHead:
    """Rows of a box, a score and mostly a class. See `deploy.detectors.heads.Head`."""

    outputs: tuple[int, ...]  # the rows, and each picture's number of them where the graph says it
    columns: Columns
    usual: bool  # it is the order that most exports have. Others must show that their scores are none of classes
    classes: Classes
    form: BoxForm
    fit: Fit
    colours: Colours
    batched: bool
    transposed: bool = False
    stride: int = LEAST_STRIDE
    kind: str = "rows"

    def split(self, answer: Answer, pictures: int) -> list[Answer]:
        """See `Head`."""
        rows = self._rows(answer[0])
        if self.columns.picture is not None:
            flat = rows.reshape(-1, rows.shape[-1])
            numbers = np.round(flat[:, self.columns.picture])
            if len(numbers) and numbers.max() >= max(pictures, 1) and not (numbers == numbers[0]).all():
                raise Contradiction(f"rows are of picture {numbers.max():g}, of {pictures}")
            if pictures == 1:
                return [(flat,)]
            return [(flat[numbers == k],) for k in range(pictures)]
        if len(answer) == 1:
            return [(picture,) for picture in rows[:pictures]] if rows.ndim == 3 else [(rows,)]
        counts = answer[1].reshape(-1).astype(np.int64)
        most = len(rows) - counts.sum() + counts.max(initial=0) if rows.ndim == 2 else rows.shape[1]
        if counts.min(initial=0) < 0 or counts.max(initial=0) > most:
            raise Contradiction(f"{counts} rows are counted, and there are {rows.shape[-2]}")
        if rows.ndim == 3:
            return [(picture[:count],) for picture, count in zip(rows[:pictures], counts)]
        ends = np.cumsum(counts)
        return [(rows[end - count : end],) for end, count in zip(ends[:pictures], counts)]

    def people(self, answer: Answer, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
        """See `Head`."""
        rows, columns = answer[0].astype(np.float32), self.columns
        boxes = rows[:, columns.box : columns.box + 4]
        if not np.isfinite(rows).all():
            raise Contradiction("a row holds what is no number")
        filled = (boxes != boxes[:, :1]).any(axis=1)  # padding is 0 or -1 all over
        rows, boxes = rows[filled], boxes[filled]
        scores = rows[:, columns.score]
        check_scores(scores)
        if len(scores) and not scores.any():
            raise Contradiction("there are boxes and no score is above 0")
        if len(scores) and not self.usual and (scores == np.round(scores)).all():
            raise Contradiction("all scores are whole, as class numbers are")
        kept = scores >= lowest_score
        if columns.label is not None:
            check_classes(rows[:, columns.label], self.classes.first, self.classes.highest)
            kept &= np.round(rows[:, columns.label]) == self.classes.person
        boxes = self.form.in_pixels(boxes, size)
        check_boxes(boxes[scores >= lowest_score], self.form, size)
        return best_first(boxes[kept], scores[kept])

    def _rows(self, answer: NDArray[Any]) -> NDArray[Any]:
        return np.swapaxes(answer, -1, -2) if self.transposed else answer

    def describe(self) -> str:
        """See `Head`."""
        return f"rows of {self.columns}{' in columns' if self.transposed else ''}, boxes as {self.form}"


def rows_heads(probed: Probed) -> Iterator[RowsHead]:
    """The heads that answer as the graph did, likelier ones first."""
    for output, tensor in enumerate(probed.outputs):
        shapes = probed.shapes(output)
        if "int" in tensor.dtype or any(len(shape) not in (2, 3) for shape in shapes):
            continue
        for transposed in (False, True):
            axis = -2 if transposed else -1
            width = shapes[0][axis]
            if any(shape[axis] != width for shape in shapes):
                continue
            extras = probed.metadata.ends_in_nms and not transposed and width > 6  # masks or keypoints behind the six
            orders = ORDERS[6][:1] if extras else ORDERS.get(width, ())
            if width == 5 and len(probed.outputs) > 1:  # no class, and something else that may say it
                continue
            yield from _of_output(probed, output, orders, transposed)


def _of_output(probed: Probed, output: int, orders: tuple[Columns, ...], transposed: bool) -> Iterator[RowsHead]:
    ndim = len(probed.shapes(output)[0])
    counts = row_counts(probed, output)
    if probed.is_paddle or counts is not None:  # PaddleDetection's order comes first
        orders = tuple(sorted(orders, key=lambda columns: columns != Columns(2, 1, 0)))
    for columns in orders:
        for form in (*FORMS[1:], FORMS[0]) if columns == Columns(3, 2, 1, 0) else FORMS:
            fit: Fit = "stretch" if form.fractions or probed.names_sizes else "centre"
            yield RowsHead(
                outputs=(output,) if counts is None else (output, counts),
                columns=columns,
                usual=columns == orders[0],
                classes=Classes(1 if columns.label is None else None, first=int(columns.box == 3)),
                form=form,
                fit=fit,
                colours=AROUND_0 if columns.box == 3 else RGB_1,
                batched=ndim == 3 or counts is not None or columns.picture is not None,
                transposed=transposed,
                stride=max(LEAST_STRIDE, probed.metadata.stride),
            )


def row_counts(probed: Probed, rows: int) -> int | None:
    """Which other output says how many rows each picture has."""
    for output, tensor in enumerate(probed.outputs):
        answers = probed.of(output)
        if output == rows or ("float" in tensor.dtype and "num" not in tensor.name.lower()):
            continue
        if all(answer.size == (probed.inputs.batch or 1) and answer.ndim <= 2 for answer in answers):
            return output
    return None
