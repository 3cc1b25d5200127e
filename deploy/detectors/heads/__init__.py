"""What a network's answer can be: a layout a file, and what all of them need.

`deploy.detectors.heads.read` tries them in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from deploy.detectors.inputs import GraphInputs, GraphTensor
from deploy.detectors.metadata import ExportMetadata
from deploy.detectors.picture import Colours, Fit
from trackers.detections import Detections

HIGHEST_CLASS = 9999  # where nothing says how many classes there are

Answer = Sequence[NDArray[Any]]  # a head's outputs, of a run or of one of its pictures


@dataclass(frozen=True, slots=True)
class Classes:
    """Which numbers an answer gives to classes."""

    count: int | None  # how many numbers there are, None where the answer does not tell
    first: int = 0  # the first that is a class: 1 where 0 is background
    person: int = 0

    @property
    def highest(self) -> int:
        """The highest number that a class may have."""
        return HIGHEST_CLASS if self.count is None else self.count - 1


class Head(Protocol):
    """How a network's answer reads and what picture it wants."""

    @property
    def kind(self) -> str:
        """The layout's name."""

    @property
    def outputs(self) -> tuple[int, ...]:
        """Which of the graph's outputs it reads, in the order in which it takes them."""

    @property
    def classes(self) -> Classes:
        """How it numbers classes."""

    @property
    def fit(self) -> Fit:
        """How a picture fills its input."""

    @property
    def colours(self) -> Colours:
        """What its input's numbers mean."""

    @property
    def stride(self) -> int:
        """Open sides are multiples of it, px. 0 leaves them as the metadata say, whatever the picture."""

    @property
    def batched(self) -> bool:
        """Whether an answer to several pictures can be taken apart."""

    def split(self, answer: Answer, pictures: int) -> list[Answer]:
        """A run's answer, a picture each."""

    def people(self, answer: Answer, size: tuple[int, int], lowest_score: float, iou: float) -> Detections:
        """People in one picture's answer, in pixels of the input, best first.

        A box counts when its score is at least `lowest_score` and no other class beats the person's.

        Args:
            answer: One picture's part of the head's outputs.
            size: (H, W) of the input.
            lowest_score: The lowest score kept.
            iou: Of two boxes, from which on the weaker one goes, where the network did not do so itself.

        Raises:
            Contradiction: The answer can't be of this layout.
        """

    def describe(self) -> str:
        """The layout in words."""


@dataclass(frozen=True, slots=True)
class Probed:
    """A graph, and what it answered to a few pictures."""

    inputs: GraphInputs
    outputs: tuple[GraphTensor, ...]
    answers: tuple[Answer, ...]  # of each probe picture, all outputs. The first picture is grey all over
    size: tuple[int, int]  # (H, W) of these pictures
    metadata: ExportMetadata

    def of(self, output: int) -> list[NDArray[Any]]:
        """One output's answers to the pictures, without needless axes of 1."""
        return [narrow(answer[output]) for answer in self.answers]

    def shapes(self, output: int) -> list[tuple[int, ...]]:
        """Their shapes."""
        return [answer.shape for answer in self.of(output)]

    @property
    def names_sizes(self) -> bool:
        """Whether it asks for the original picture's size or scale."""
        return bool(self.inputs.wants & {"width height", "height width", "factor"})

    @property
    def is_paddle(self) -> bool:
        """Whether its inputs are those of PaddleDetection."""
        return "factor" in self.inputs.wants


def narrow(answer: NDArray[Any]) -> NDArray[Any]:
    """`(B, 1, N, K)` or `(B, N, 1, K)` without the axis of 1."""
    while answer.ndim > 3 and 1 in answer.shape[1:3]:
        answer = answer.squeeze(1 + answer.shape[1:3].index(1))
    return answer
