"""Heads that answer once or three times a grid cell, all in one output.

| head     | output          | boxes                                                    |
|----------|-----------------|----------------------------------------------------------|
| `yolox`  | `(B, A, 5 + C)` | offsets in grid cells and log sizes, or decoded          |
| `yolov5` | `(B, A, 5 + C)` | `x y w h`, decoded (YOLOv5, v6, v7)                      |
| `yolov8` | `(B, 4 + C, A)` | `x y w h` or corners, decoded (YOLOv8, 9, 11, 12)        |

Each may be transposed. `A` follows from the input size and the strides. A YOLOX, v6 or v8 head answers once a grid
cell, a YOLOv5 or v7 head three times. At 416 x 416 that is 3549 or 10647, which tells YOLOX from YOLOv5 exactly.

* Decoded centres lie within about a cell of their own cell's centre, whatever the picture and the weights. So they
  grow with the grid across the picture, while raw offsets stay near 0.5. The smaller median distance tells which.
* YOLOv6 answers an objectness of exactly 1 everywhere. A decoded YOLOX head never does.
* Whether there is an objectness follows from the number of classes, else from the orientation that the authors export.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deploy.detectors.boxes import LEAST_PIXELS, BoxForm, check_boxes, check_scores, suppress
from deploy.detectors.heads import Answer, Classes, Probed
from deploy.detectors.metadata import LEAST_STRIDE
from deploy.detectors.picture import BGR_255, RGB_1, Colours, Fit
from trackers.detections import Detections

STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
COCO_CLASSES = 80  # where a file names none
ENOUGH = 16  # anchors that tell how boxes are decoded
# Columns of an anchor's answer.
CENTRE, SIDES = slice(0, 2), slice(2, 4)
OBJECTNESS = 4  # of yolox and yolov5
CENTRED = BoxForm(corners=False)
FIRST_CLASS = {"yolox": 5, "yolov5": 5, "yolov8": 4}


@dataclass(frozen=True, slots=True)
class AnchorHead:
    """A head that answers for every cell of a grid. See `deploy.detectors.heads.Head`."""

    kind: Literal["yolox", "yolov5", "yolov8"]
    output: int
    classes: Classes
    strides: tuple[int, ...]
    raw: bool = False  # offsets that the grid and the strides must still turn into pixels
    transposed: bool = False  # (columns, A)
    form: BoxForm = CENTRED
    stride: int = LEAST_STRIDE

    @property
    def outputs(self) -> tuple[int, ...]:
        """See `Head`."""
        return (self.output,)

    @property
    def fit(self) -> Fit:
        """See `Head`."""
        return "corner" if self.kind == "yolox" else "centre"

    @property
    def colours(self) -> Colours:
        """See `Head`."""
        return BGR_255 if self.kind == "yolox" else RGB_1

    @property
    def batched(self) -> bool:
        """See `Head`."""
        return True

    def split(self, answer: Answer, pictures: int) -> list[Answer]:
        """See `Head`."""
        return [(one,) for one in answer[0][:pictures]]

    def people(self, answer: Answer, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
        """See `Head`."""
        columns = answer[0] if self.transposed else answer[0].T
        # The score's columns alone are read for all anchors, the rest only for the few that pass.
        first_class = FIRST_CLASS[self.kind]
        scores = columns[first_class + self.classes.person].astype(np.float32)
        if self.kind != "yolov8":
            scores = columns[OBJECTNESS].astype(np.float32) * scores
        check_scores(scores)
        kept = np.flatnonzero(scores >= lowest_score)
        if len(kept) == 0:
            return Detections.empty()
        rows = (answer[0][:, kept].T if self.transposed else answer[0][kept]).astype(np.float32)
        is_person = rows[:, first_class : first_class + (self.classes.count or 1)].argmax(axis=1) == self.classes.person
        kept, rows = kept[is_person], rows[is_person]
        if self.raw:
            cells, steps = grid(size[0], size[1], self.strides)
            centres = (rows[:, CENTRE] + cells[kept]) * steps[kept]
            rows = np.concatenate([centres, np.exp(rows[:, SIDES]) * steps[kept]], axis=1)
        boxes = self.form.in_pixels(rows[:, :4], size)
        check_boxes(boxes, self.form, size)
        return suppress(boxes, scores[kept], iou)

    def examine(self, answer: Answer, size: tuple[int, int]) -> None:
        """Raises Contradiction where one picture's answer, of all anchors, can't be this head's."""
        columns = answer[0] if self.transposed else answer[0].T
        first_class = FIRST_CLASS[self.kind]
        check_scores(columns[first_class : first_class + (self.classes.count or 1)].reshape(-1))
        if self.kind != "yolov8":
            check_scores(columns[OBJECTNESS])

    def describe(self) -> str:
        """See `Head`."""
        layout = "(B, columns, A)" if self.transposed else "(B, A, columns)"
        return f"{self.kind} {layout}, boxes as {'raw offsets' if self.raw else self.form}"


def anchor_heads(probed: Probed) -> Iterator[AnchorHead]:
    """The heads that answer as the graph did, likelier ones first."""
    if probed.metadata.ends_in_nms:
        return
    for output in range(len(probed.outputs)):
        if all(len(shape) == 3 for shape in probed.shapes(output)):
            for transposed in (True, False):
                yield from _of_output(probed, output, transposed)


def _of_output(probed: Probed, output: int, transposed: bool) -> Iterator[AnchorHead]:
    answer = probed.of(output)[0][0]
    rows = answer.T if transposed else answer  # (A, columns)
    layout, columns, names = anchor_layout(len(rows), probed.size), rows.shape[1], len(probed.metadata.names)
    if layout is None or columns >= len(rows):
        return
    per_cell, strides = layout
    if transposed:
        with_objectness = per_cell == 3 or columns - 5 == (names or COCO_CLASSES)
    else:
        with_objectness = per_cell == 3 or (columns >= 6 and columns - 4 != (names or COCO_CLASSES))
    first_class = 5 if with_objectness else 4
    if columns - first_class < max(1, names):
        return
    classes = Classes(names or columns - first_class)
    stride = max(LEAST_STRIDE, probed.metadata.stride)
    form = decoded_form(rows[:, :4].astype(np.float32), probed.size, strides, per_cell)
    if not with_objectness:
        if form is None:  # YOLOv8 has no raw offsets
            form = BoxForm(corners=False, fractions=0 < rows[:, :4].max() <= LEAST_PIXELS)
        yield AnchorHead("yolov8", output, classes, strides, False, transposed, form, stride)
        return
    if form is None:
        if per_cell == 1:
            yield AnchorHead("yolox", output, classes, strides, True, transposed, stride=stride)
        return
    always_object = bool((rows[:, OBJECTNESS] == 1).all())
    kind: Literal["yolox", "yolov5"] = "yolox" if per_cell == 1 and not always_object else "yolov5"
    yield AnchorHead(kind, output, classes, strides, False, transposed, form, stride)


def decoded_form(
    boxes: NDArray[np.float32], size: Sequence[int], strides: tuple[int, ...], per_cell: int
) -> BoxForm | None:
    """How the boxes `(A, 4)` of all anchors are decoded. None where they are raw offsets, or nothing at all."""
    told = np.flatnonzero(boxes.any(axis=1))
    if not len(told):
        return None
    cells, steps = (part[told] for part in grid(size[0], size[1], strides, per_cell))
    centres, middles = boxes[told, CENTRE], boxes[told, :2] / 2 + boxes[told, 2:] / 2

    def distance(points: NDArray[np.floating]) -> float:
        """The median from the cells' own centres, in cells."""
        return float(np.nanmedian(np.abs(points / steps - cells - 0.5)))

    if len(told) >= ENOUGH and distance(middles) < distance(centres) / 2:
        return BoxForm(corners=True)
    if distance(centres) < float(np.nanmedian(np.abs(centres - 0.5))):
        return BoxForm(corners=False)
    if len(told) >= ENOUGH and follows(centres, (cells + 0.5) * steps):
        return BoxForm(corners=False, fractions=True)
    return None


def follows(points: NDArray[np.float32], cell_centres: NDArray[np.float32]) -> bool:
    """Whether points `(A, 2)` go across the picture as the centres of their cells do."""
    if not np.isfinite(points).all() or (points.std(axis=0) < 1e-3).any():
        return False
    return bool(min(np.corrcoef(points[:, k], cell_centres[:, k])[0, 1] for k in (0, 1)) > 0.9)


def anchor_layout(anchors: int, size: Sequence[int]) -> tuple[int, tuple[int, ...]] | None:
    """Anchors a cell (1 or 3) and the strides that give so many anchors on an input of `size`. None where none do."""
    for strides in STRIDES:
        cells = sum((size[0] // s) * (size[1] // s) for s in strides)
        if anchors in (cells, 3 * cells):
            return anchors // cells, strides
    return None


@functools.lru_cache(maxsize=32)
def grid(
    height: int, width: int, strides: tuple[int, ...], per_cell: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cell indices `(A, 2)` x, y and strides `(A, 1)` in the heads' order.

    The order is stride, anchor of the cell, row, column.
    """
    cells, steps = [], []
    for stride in strides:
        ys, xs = np.mgrid[: height // stride, : width // stride]
        level = np.tile(np.stack([xs.ravel(), ys.ravel()], axis=1), (per_cell, 1))
        cells.append(level)
        steps.append(np.full((len(level), 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)
