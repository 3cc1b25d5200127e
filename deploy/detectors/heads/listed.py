"""Heads that end in few boxes, with scores and class numbers in outputs of their own.

| network                                 | outputs                                             | numbers from |
|-----------------------------------------|-----------------------------------------------------|--------------|
| RT-DETR, D-FINE, DEIM with their sizes  | labels, boxes, scores `(B, N…)`                     | 0            |
| batched NMS (EfficientNMS, YOLO-NAS)    | number `(B, 1)`, boxes, scores, classes `(B, N…)`   | 0            |
| MMDeploy                                | `dets` `(B, N, 5)` with scores, `labels`            | 0            |
| Torchvision, the model zoo              | boxes `(N, 4)`, labels, scores                      | 1            |
| TensorFlow's SSD                        | `detection_boxes` `y1 x1 y2 x2` 0..1, classes, …    | 1            |

Outputs stand in any order and have any name. Integers are classes, as are floats that are whole. Names decide only
where values don't, as before the first box is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from deploy.detectors.boxes import BoxForm, Contradiction, best_first, check_boxes, check_classes, check_scores
from deploy.detectors.heads import Answer, Classes, Probed
from deploy.detectors.heads.rows import row_counts
from deploy.detectors.metadata import LEAST_STRIDE
from deploy.detectors.picture import AROUND_0, IMAGENET, RGB_1, Colours, Fit
from trackers.detections import Detections

LABELS = ("label", "class", "cls", "categor")  # in names of outputs with class numbers
SCORES = ("score", "conf", "prob")
BOXES = ("box", "det", "loc")
TENSORFLOW = "detection_boxes"


@dataclass(frozen=True, slots=True)
class ListedHead:
    """Boxes, scores and classes apart. See `deploy.detectors.heads.Head`."""

    boxes: int
    scores: int | None  # None where they are the boxes' fifth column
    labels: int | None  # None where there is one class
    counts: int | None
    classes: Classes
    form: BoxForm
    fit: Fit
    colours: Colours
    stride: int
    batched: bool
    kind: str = "listed"

    @property
    def outputs(self) -> tuple[int, ...]:
        """See `Head`."""
        return tuple(k for k in (self.boxes, self.scores, self.labels, self.counts) if k is not None)

    def split(self, answer: Answer, pictures: int) -> list[Answer]:
        """See `Head`. A picture's parts are boxes, scores and labels."""
        parts = list(answer)
        boxes = parts.pop(0)
        boxes = boxes[None] if boxes.ndim == 2 else boxes
        scores = parts.pop(0) if self.scores is not None else boxes[:, :, 4]
        labels = parts.pop(0) if self.labels is not None else np.zeros(scores.size)
        shape = boxes.shape[:2]
        if scores.size != shape[0] * shape[1] or labels.size != scores.size:
            raise Contradiction(
                f"there are {shape[0]}x{shape[1]} boxes, {scores.size} scores and {labels.size} classes"
            )
        scores, labels = scores.reshape(shape), labels.reshape(shape)
        counts = [int(n) for n in parts[0].reshape(-1)] if self.counts is not None else [shape[1]] * shape[0]
        if min(counts, default=0) < 0 or max(counts, default=0) > shape[1] or len(counts) < min(pictures, shape[0]):
            raise Contradiction(f"{counts} boxes are counted, and there are {shape[1]}")
        return [(boxes[k, :n, :4], scores[k, :n], labels[k, :n]) for k, n in zip(range(pictures), counts)]

    def people(self, answer: Answer, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
        """See `Head`."""
        boxes, scores, labels = (part.astype(np.float32) for part in answer)
        if not np.isfinite(boxes).all() or not np.isfinite(labels).all():
            raise Contradiction("a box or a class is no number")
        filled = (boxes != boxes[:, :1]).any(axis=1)  # padding is 0 or -1 all over
        boxes, scores, labels = self.form.in_pixels(boxes[filled], size), scores[filled], labels[filled]
        check_scores(scores)
        if len(scores) and not scores.any():
            raise Contradiction("there are boxes and no score is above 0")
        check_classes(labels, self.classes.first, self.classes.highest)
        kept = scores >= lowest_score
        check_boxes(boxes[kept], self.form, size)
        kept &= np.round(labels) == self.classes.person
        return best_first(boxes[kept], scores[kept])

    def describe(self) -> str:
        """See `Head`."""
        numbered = "" if self.counts is None else ", counted"
        return f"a list of boxes as {self.form} with scores{'' if self.labels is None else ' and classes'}{numbered}"


def listed_heads(probed: Probed) -> Iterator[ListedHead]:
    """The heads that answer as the graph did, likelier ones first."""
    outputs = range(len(probed.outputs))
    found = []
    for boxes in outputs:
        shapes = probed.shapes(boxes)
        if "int" in probed.outputs[boxes].dtype or any(len(s) not in (2, 3) or s[-1] not in (4, 5) for s in shapes):
            continue
        beside = [k for k in outputs if k != boxes and _one_each(probed, k, boxes)]
        if all(shape[-1] == 5 for shape in shapes):
            choices: list[tuple[int | None, int | None]] = [(None, label) for label in beside]
        else:
            choices = [pair for pair in permutations(beside, 2) if not _crossed(probed, *pair)]
            if len(beside) == 1:
                choices = [(beside[0], None)]
        for scores, labels in choices:
            if scores is not None and "int" in probed.outputs[scores].dtype:
                continue
            found.append((boxes, scores, labels))
    for boxes, scores, labels in sorted(found, key=lambda parts: _unlikely(probed, *parts)):
        counts = row_counts(probed, boxes)
        yield from _of_outputs(probed, boxes, scores, labels, None if counts in (scores, labels) else counts)


def _named(probed: Probed, output: int, words: tuple[str, ...]) -> bool:
    """Whether an output's name has one of the words."""
    return any(word in probed.outputs[output].name.lower() for word in words)


def _crossed(probed: Probed, scores: int, labels: int) -> bool:
    """Whether the outputs are named as if they were scores and labels the other way around."""
    return _named(probed, scores, LABELS) and _named(probed, labels, SCORES)


def _one_each(probed: Probed, output: int, boxes: int) -> bool:
    """Whether an output has one value a box."""
    pairs = zip(probed.shapes(output), probed.shapes(boxes))
    return all(shape in (of_boxes[:-1], (*of_boxes[:-1], 1)) for shape, of_boxes in pairs)


def _unlikely(probed: Probed, boxes: int, scores: int | None, labels: int | None) -> tuple[bool, ...]:
    """Sorts outputs that are named after what they may hold, and integers as labels, first."""
    integers = labels is None or "int" in probed.outputs[labels].dtype
    raw = "raw" in probed.outputs[boxes].name.lower()
    unnamed_labels = labels is not None and not _named(probed, labels, LABELS)
    unnamed_scores = scores is not None and not _named(probed, scores, SCORES)
    return raw, not _named(probed, boxes, BOXES), not integers, unnamed_labels, unnamed_scores


def _of_outputs(
    probed: Probed, boxes: int, scores: int | None, labels: int | None, counts: int | None
) -> Iterator[ListedHead]:
    names = [output.name.lower() for output in probed.outputs]
    y_first = TENSORFLOW in names[boxes] or probed.inputs.channels_last
    whole = len(probed.shapes(boxes)[0]) == 2  # of one picture, as torchvision's
    mmdeploy = scores is None
    open_sides = None in probed.inputs.sides
    forms = [BoxForm(), BoxForm(fractions=True, y_first=y_first), BoxForm(corners=False, fractions=True)]
    for form in (forms[1], forms[0]) if y_first else forms:
        fit: Fit = "centre"
        if form.fractions or probed.names_sizes:
            fit = "corner" if open_sides and not probed.names_sizes else "stretch"
        elif whole or mmdeploy:
            fit = "corner"
        colours = RGB_1
        if mmdeploy or (form.fractions and not probed.inputs.channels_last):
            colours = IMAGENET
        elif form.fractions:
            colours = AROUND_0
        # Networks that resize inside take a picture of any size: no padding is needed.
        stride = 0 if fit == "stretch" else 1 if whole or form.fractions else LEAST_STRIDE
        zoo = form.fractions and (counts is None or y_first) and not probed.names_sizes
        from_one = labels is not None and not mmdeploy and (whole or zoo) and "tflite" not in names[boxes]
        for first in (1, 0) if from_one else (0,):  # a 0 that is seen tells that they count from there
            yield ListedHead(
                boxes=boxes,
                scores=scores,
                labels=labels,
                counts=counts,
                classes=Classes(None if labels is not None else 1, first=first),
                form=form,
                fit=fit,
                colours=colours,
                stride=stride,
                batched=not whole,
            )
