"""Which head a graph has, by what it answers to a few pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from deploy.detectors import DetectorError, person_class
from deploy.detectors.boxes import Contradiction
from deploy.detectors.heads import Classes, Head, Probed
from deploy.detectors.heads.anchors import AnchorHead, anchor_heads
from deploy.detectors.heads.dense import DenseHead, joined_heads, paired_heads
from deploy.detectors.heads.listed import listed_heads
from deploy.detectors.heads.rows import rows_heads

UNDERSTOOD = (
    "YOLOX or YOLOv5 (B, A, 5 + classes), YOLOv8 and later (B, 4 + classes, A), exports with NMS inside (B, N, 6) or "
    "(N, 7), boxes (B, N, 4) beside logits or scores (B, N, classes), and boxes, scores and classes apart (B, N); "
    "A is the number of anchors of the input"
)
ALL_SCORES = 0.0  # that of boxes which are looked at where a list holds only what was found
SURE_SCORE = 0.1  # that of boxes which are looked at among all anchors
BACKGROUND = ("background", "__background__", "n/a", "bg")
COCO = {1: 0, 80: 0, 91: 1}  # a person's number by the number of classes, where they have no names
COCO_BEHIND_BACKGROUND = {2: 1, 81: 1, 91: 1}


class Reading(NamedTuple):
    """A head that fits, and what was assumed."""

    head: Head
    assumed: str | None


def read_heads(probed: Probed, wanted: str | None, where: str) -> list[Reading]:
    """The heads that answer as a graph did, likelier ones first. Later answers may leave fewer.

    Args:
        probed: The graph and its answers.
        wanted: The class that is a person, by number or name, where the user says so.
        where: Names the file in errors.

    Raises:
        DetectorError: No head fits. It names the outputs and the layouts that are understood. Or none can tell which
            class is a person.
    """
    task = probed.metadata.task
    if task not in ("detect", "segment", "pose"):
        raise DetectorError(f"{where} is made to {task}, not to detect; name a detection model.")
    readings: list[Reading] = []
    reasons: list[str] = []
    for head in _heads(probed):
        reason = contradiction(head, probed)
        if reason is not None:
            reasons.append(f"as {head.describe()}, {reason}")
            continue
        if wanted is not None and wanted.isdecimal() and int(wanted) < head.classes.first:
            continue  # another head counts classes from 0
        try:
            person, assumed = person_of(head.classes, probed, wanted, where)
        except DetectorError:
            if not readings:
                raise
            continue
        readings.append(Reading(_with(head, person), assumed))
    if not readings:
        raise DetectorError(
            f"{where} answers {outputs_of(probed)} to a {probed.size[0]}x{probed.size[1]} picture, which is no head "
            f"known here{f' ({reasons[0]})' if reasons else ''}; understood are {UNDERSTOOD}."
        )
    return readings


def _heads(probed: Probed) -> Iterator[Head]:
    return chain(
        listed_heads(probed), paired_heads(probed), anchor_heads(probed), rows_heads(probed), joined_heads(probed)
    )


def _with(head: Head, classes: Classes) -> Head:
    return dataclasses.replace(head, classes=classes)  # type: ignore[type-var]


def outputs_of(probed: Probed) -> str:
    """The graph's outputs with the shapes of what they answered."""
    return ", ".join(
        f"{tensor.name} {tensor.dtype.removeprefix('tensor(').rstrip(')')} {'x'.join(map(str, answer.shape))}"
        for tensor, answer in zip(probed.outputs, probed.answers[0])
    )


def contradiction(head: Head, probed: Probed) -> str | None:
    """Why the answers can't be this head's. None where they can."""
    pictures = probed.inputs.batch or 1
    if pictures > 1 and not head.batched:
        return f"it answers {pictures} pictures at once without telling them apart"
    lowest = SURE_SCORE if isinstance(head, AnchorHead | DenseHead) else ALL_SCORES
    try:
        for output_answers in zip(*(probed.of(output) for output in head.outputs)):
            for answer in head.split(output_answers, pictures):
                if isinstance(head, AnchorHead | DenseHead):
                    head.examine(answer, probed.size)
                head.people(answer, probed.size, lowest, 1.0)
    except Contradiction as error:
        return str(error)
    return None


def person_of(classes: Classes, probed: Probed, wanted: str | None, where: str) -> tuple[Classes, str | None]:
    """The classes with the number of a person, and what was assumed for it.

    Raises:
        DetectorError: Nothing tells it, or what the user wants is not there.
    """
    names, count, first = probed.metadata.names, classes.count, classes.first
    highest = count if count is not None else max(names) + 1 + first if names else None
    if wanted is not None:
        person = person_class(names, where, wanted)
        if highest is not None and not first <= person < highest:
            raise DetectorError(
                f"{where} has no class {person}: its numbers go from {first} to {highest - 1}; change --person-class."
            )
        return dataclasses.replace(classes, count=highest, person=person), None
    if names:
        person = person_class(names, where)
        if len(names) == 1 and count == 1:
            return dataclasses.replace(classes, person=0), None
        shifted = first == 1 and min(names) == 0 and names[0].strip().lower() not in BACKGROUND
        if count == 91 and len(names) == 80 and person == 0:
            return dataclasses.replace(classes, person=1), "it counts classes as COCO does, so 1 is taken for a person"
        if shifted:
            assumed = f"its classes count from 1 and its names from 0, so {person + 1} is taken for a person"
            return dataclasses.replace(classes, count=highest, person=person + 1), assumed
        return dataclasses.replace(classes, count=highest, person=person), None
    if count is None:
        person, assumed_count = (1, 91) if first else (0, 80)
        return dataclasses.replace(classes, count=assumed_count, person=person), (
            f"its classes have no names, so they are taken for COCO's, counted from {first}, where {person} is a person"
        )
    known = COCO_BEHIND_BACKGROUND if first else COCO
    if count not in known:
        raise DetectorError(
            f"{where} has {count - first} classes without names, so nothing tells which is a person; "
            "give its number with --person-class."
        )
    if count == 1:
        return dataclasses.replace(classes, person=0), None
    return dataclasses.replace(classes, person=known[count]), (
        f"its {count - first} classes have no names, so they are taken for COCO's, where {known[count]} is a person"
    )
