"""Heads that give every query or anchor a box and a score of each class, in two outputs or side by side in one.

| network                              | boxes                    | scores                                       |
|--------------------------------------|--------------------------|----------------------------------------------|
| RT-DETR, RF-DETR, D-FINE, Deformable | `x y w h` 0..1           | logits of a sigmoid, a class each            |
| DETR, YOLOS                          | `x y w h` 0..1           | logits of a softmax, the last is "no object" |
| Ultralytics' RT-DETR                 | `x y w h` 0..1           | probabilities behind the box                 |
| YOLO-NAS                             | corners in pixels        | probabilities `(B, A, C)`                    |
| PP-YOLOE without NMS                 | corners in pixels        | probabilities `(B, C, A)`                    |
| YOLOv4, SSD without NMS              | corners 0..1             | probabilities, SSD's first is background     |

Boxes are told by their values over all anchors: nearly all must be boxes in the picture. Scores within 0..1 are
probabilities. Where on a grey picture the last logit is above 0 and above all others in most queries, it stands for "no
object". Else logits are those of a sigmoid, and nearly all must say no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deploy.detectors.boxes import BoxForm, Contradiction, best_first, check_boxes, check_scores, suppress
from deploy.detectors.heads import Answer, Classes, Probed
from deploy.detectors.heads.anchors import anchor_layout
from deploy.detectors.metadata import LEAST_STRIDE
from deploy.detectors.picture import AROUND_0, IMAGENET, RGB_1, Colours, Fit
from trackers.detections import Detections

Activation = Literal["probabilities", "sigmoid", "softmax"]
FORMS = (
    BoxForm(corners=False, fractions=True),
    BoxForm(corners=True, fractions=False),
    BoxForm(corners=True, fractions=True),
    BoxForm(corners=False, fractions=False),
)
MOST = 0.95  # of all anchors must have a box in the picture
MOST_YES = 0.1  # of all logits may say that a class is there
SCORES = ("logit", "score", "class", "cls", "label", "conf", "prob")  # in names of outputs with scores
BOXES = ("box", "det", "loc", "reg")
HIDDEN = 2000  # columns, beyond which no output holds scores of classes
COCO_IDS = 91  # classes of networks that count as COCO's files do, from 1 with gaps


@dataclass(frozen=True, slots=True)
class DenseHead:
    """A box and scores of all classes a query or anchor. See `deploy.detectors.heads.Head`."""

    outputs: tuple[int, ...]  # of boxes and of scores, or the one of both
    form: BoxForm
    activation: Activation
    classes: Classes
    background: int | None  # the column of scores that means nobody
    fit: Fit
    colours: Colours
    stride: int
    suppresses: bool  # by itself, as queries do
    boxes_transposed: bool = False
    scores_transposed: bool = False
    batched: bool = True
    kind: str = "dense"

    def split(self, answer: Answer, pictures: int) -> list[Answer]:
        """See `Head`."""
        return [tuple(part[k] for part in answer) for k in range(pictures)]

    def people(self, answer: Answer, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
        """See `Head`."""
        boxes, scores = self._parts(answer)
        person = self.classes.person
        if self.activation == "softmax":
            of_person = softmax(scores)[:, person]
        else:
            of_person = scores[:, person].astype(np.float32)
            of_person = sigmoid(of_person) if self.activation == "sigmoid" else of_person
        check_scores(of_person)
        kept = np.flatnonzero(of_person >= lowest_score)
        best = scores[kept].astype(np.float32)
        if self.background is not None:
            best[:, self.background] = -np.inf
        kept = kept[best.argmax(axis=1) == person]
        pixels = self.form.in_pixels(boxes[kept], size)
        check_boxes(pixels, self.form, size)
        return best_first(pixels, of_person[kept]) if self.suppresses else suppress(pixels, of_person[kept], iou)

    def examine(self, answer: Answer, size: tuple[int, int]) -> None:
        """Raises Contradiction where one picture's boxes, of all anchors, can't be boxes of this form."""
        boxes, scores = self._parts(answer)
        told = boxes[(boxes != boxes[:, :1]).any(axis=1)].astype(np.float32)
        if not len(told):
            raise Contradiction("no anchor has a box")
        if not np.isfinite(told).all() or not np.isfinite(scores).all():
            raise Contradiction("an anchor has a value that is no number")
        boxes = self.form.in_pixels(told, size)
        check_boxes(boxes[:0], self.form, size)
        sides = np.array([size[1], size[0]], np.float32)
        inside = (boxes[:, 2:] > boxes[:, :2]) & (boxes[:, :2] > -sides / 2) & (boxes[:, 2:] < 1.5 * sides)
        if self.form.fractions and not self.form.corners:  # queries end at the border, but for a few
            inside &= (boxes[:, :2] > -0.15 * sides) & (boxes[:, 2:] < 1.15 * sides)
        if inside.all(axis=1).mean() < MOST:
            raise Contradiction(f"only {inside.all(axis=1).mean():.0%} of the boxes are {self.form}")
        if not self.form.fractions and np.abs(boxes).max() <= 2:
            raise Contradiction("all boxes in pixels lie in the first two")
        if self.activation == "probabilities":
            check_scores(scores.reshape(-1))
        if self.activation == "sigmoid" and (scores > 0).mean() > MOST_YES:
            raise Contradiction("too many logits are above 0 to be scores of classes")

    def _parts(self, answer: Answer) -> tuple[NDArray[Any], NDArray[Any]]:
        """Boxes `(A, 4)` and scores `(A, C)`."""
        if len(answer) == 1:
            both = answer[0].T if self.boxes_transposed else answer[0]
            return both[:, :4], both[:, 4:]
        boxes, scores = answer
        return boxes.T if self.boxes_transposed else boxes, scores.T if self.scores_transposed else scores

    def describe(self) -> str:
        """See `Head`."""
        where = "in one output" if len(self.outputs) == 1 else "in two outputs"
        scores = self.activation if self.activation == "probabilities" else f"logits of a {self.activation}"
        return f"boxes and scores of all classes {where}, boxes as {self.form}, scores as {scores}"


def paired_heads(probed: Probed) -> Iterator[DenseHead]:
    """The heads of two outputs that answer as the graph did, likelier ones first."""
    for boxes, scores, boxes_transposed, scores_transposed in _pairs(probed):
        values = [np.swapaxes(a, 1, 2) if scores_transposed else a for a in probed.of(scores)]
        yield from _heads(probed, (boxes, scores), values, boxes_transposed, scores_transposed)


def joined_heads(probed: Probed) -> Iterator[DenseHead]:
    """The heads of one output that answer as the graph did, likelier ones first."""
    for output in range(len(probed.outputs)):
        for transposed in (False, True):
            answers = [np.swapaxes(a, 1, 2) if transposed else a for a in probed.of(output) if a.ndim == 3]
            if len(answers) < len(probed.answers) or not 5 <= answers[0].shape[2] < HIDDEN:
                continue
            if anchor_layout(answers[0].shape[1], probed.size) is None and answers[0].shape[1] > 1:
                yield from _heads(probed, (output,), [a[:, :, 4:] for a in answers], transposed, False)


def _pairs(probed: Probed) -> list[tuple[int, int, bool, bool]]:
    """Outputs that may be boxes and scores, and whether each is transposed, likelier ones first."""
    pairs = []
    for boxes in range(len(probed.outputs)):
        for scores in range(len(probed.outputs)):
            if boxes == scores or "int" in probed.outputs[boxes].dtype + probed.outputs[scores].dtype:
                continue
            shapes = list(zip(probed.shapes(boxes), probed.shapes(scores)))
            if any(len(b) != 3 or len(s) != 3 for b, s in shapes):
                continue
            for k in (2, 1):
                for j in (2, 1):
                    fits = all(b[k] == 4 and b[3 - k] == s[3 - j] for b, s in shapes)
                    if fits and 0 < shapes[0][1][j] < HIDDEN:
                        pairs.append((boxes, scores, k == 1, j == 1))

    def unlikely(pair: tuple[int, int, bool, bool]) -> tuple[bool, bool, int, bool, bool]:
        boxes, scores, boxes_transposed, scores_transposed = pair
        named_boxes = any(word in probed.outputs[boxes].name.lower() for word in BOXES)
        named_scores = any(word in probed.outputs[scores].name.lower() for word in SCORES)
        return not named_boxes, not named_scores, boxes, boxes_transposed, scores_transposed

    return sorted(pairs, key=unlikely)


def _heads(
    probed: Probed,
    outputs: tuple[int, ...],
    scores: Sequence[NDArray[Any]],
    boxes_transposed: bool,
    scores_transposed: bool,
) -> Iterator[DenseHead]:
    """A head for each form of boxes, of scores (B, A, C) to each picture."""
    activation, background = activation_of(scores)
    columns = scores[0].shape[2]
    count = columns - (background == columns - 1)
    corners_first = activation == "probabilities"
    if len(outputs) == 1 and activation != "probabilities":  # no export joins boxes and logits
        return
    forms = FORMS[:1] if len(outputs) == 1 else sorted(FORMS, key=lambda form: form.corners != corners_first)
    for form in forms:
        queries = form.fractions and not form.corners
        imagenet = queries and (activation == "softmax" or "mask" in probed.inputs.wants or is_rf_detr(probed, count))
        stretched = form.fractions or scores_transposed or probed.names_sizes
        yield DenseHead(
            outputs=outputs,
            form=form,
            activation=activation,
            classes=Classes(count, first=int(background == 0)),
            background=background,
            fit="stretch" if stretched else "centre",
            colours=IMAGENET if imagenet else AROUND_0 if background == 0 else RGB_1,
            stride=0 if stretched else max(LEAST_STRIDE, probed.metadata.stride),
            suppresses=queries,
            boxes_transposed=boxes_transposed,
            scores_transposed=scores_transposed,
        )


def is_rf_detr(probed: Probed, classes: int) -> bool:
    """Whether the outputs' names are RF-DETR's, or it counts classes as networks of its family do."""
    return {"dets", "labels"} <= {output.name for output in probed.outputs} or classes == COCO_IDS


def activation_of(scores: Sequence[NDArray[Any]]) -> tuple[Activation, int | None]:
    """What scores `(B, A, C)` of several pictures are, and which column means nobody. The first picture is grey."""
    lowest, highest = (float(how([how(answer) for answer in scores])) for how in (np.min, np.max))
    grey = scores[0].astype(np.float32).reshape(-1, scores[0].shape[2])
    columns = grey.shape[1]
    ends = (columns - 1, 0)
    if lowest >= 0 and highest <= 1.001:
        if columns > 1 and (np.abs(grey.sum(axis=1) - 1) < 0.01).all():
            return "probabilities", next((k for k in ends if np.median(grey[:, k]) > 0.5), None)
        return "probabilities", None
    if columns > 1:
        for k in ends:
            others = np.delete(grey, k, axis=1).max(axis=1)
            if ((grey[:, k] > others) & (grey[:, k] > 0)).mean() > 0.5:
                return "softmax", k
    return "sigmoid", None


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 / (1 + e^-x), without overflow."""
    return (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)


def softmax(logits: NDArray[Any]) -> NDArray[np.float32]:
    """Over the last axis."""
    powers = np.exp(logits.astype(np.float32) - logits.max(axis=-1, keepdims=True).astype(np.float32))
    return powers / powers.sum(axis=-1, keepdims=True)
