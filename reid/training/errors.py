"""The errors of a training that a person is told. Each message says what is wrong and what to do."""

from __future__ import annotations


class TrainingError(ValueError):
    """A run that can't start as it was asked for."""


class Diverged(ArithmeticError):
    """The loss, or a weight, is no number any more."""
