"""The one clock of a run: its learning rates, its stages and its end follow how far it is."""

from __future__ import annotations

from dataclasses import dataclass

from reid.training.ranks import number_of_first_rank


@dataclass(frozen=True)
class Clock:
    """How far a run is by its steps, or by its time where that is further.

    Without a time, all steps are done. With one, a machine that others slow down does fewer, and the rates still come
    to their end. Of several ranks the first one's time counts, so all ask at the same steps.
    """

    steps_an_epoch: int
    epochs: int
    restarts: frozenset[int] = frozenset()
    """Epochs at which a stage begins, the first one apart."""
    seconds: float | None = None
    """For the whole run."""

    def position(self, step: int, seconds: float) -> float:
        """Where a run is that has done so many steps in so many seconds, in epochs."""
        by_steps = step / self.steps_an_epoch
        if self.seconds is None:
            return by_steps
        return number_of_first_rank(min(self.epochs, max(by_steps, self.epochs * seconds / self.seconds)))

    def epoch(self, step: int, seconds: float) -> int:
        """The epoch that begins there. By time some are left out."""
        return min(int(self.position(step, seconds)), self.epochs - 1)

    def over(self, step: int, seconds: float) -> bool:
        """Whether the run is at its end."""
        return self.position(step, seconds) >= self.epochs

    def stage_progress(self, epoch: int, step: int, seconds: float) -> float:
        """How far a step is in its stage, 0 … 1.

        Args:
            epoch: That the method is in.
            step: Steps that are done.
            seconds: Since the run began.
        """
        edges = [0, *sorted(self.restarts), self.epochs]
        first = max(edge for edge in edges if edge <= epoch)
        last = min(edge for edge in edges if edge > epoch)
        return min(1.0, (self.position(step, seconds) - first) / (last - first))
