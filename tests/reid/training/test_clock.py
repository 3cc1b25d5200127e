"""Rates, stages and the end of a run follow its steps, or its time where that is further."""

from __future__ import annotations

import pytest

from reid.training.clock import Clock


def test_a_stage_begins_where_the_optimiser_does() -> None:
    clock = Clock(4, 5)
    assert [clock.stage_progress(step // 4, step, 0.0) for step in (0, 10, 19)] == [0.0, 0.5, 0.95]
    assert [clock.over(step, 1e9) for step in (0, 19, 20)] == [False, False, True]
    clock = Clock(4, 5, frozenset({2}))  # 2 epochs, then 3
    progress = [clock.stage_progress(step // 4, step, 0.0) for step in (0, 7, 8, 14)]
    assert progress == [0.0, 7 / 8, 0.0, 0.5]


def test_time_that_is_ahead_of_steps_leaves_epochs_out() -> None:
    clock = Clock(10, 4, frozenset({2}), seconds=100.0)
    assert clock.position(10, 20.0) == 1.0  # in time
    assert clock.position(10, 60.0) == pytest.approx(2.4)
    assert [clock.epoch(10, seconds) for seconds in (20.0, 60.0, 100.0)] == [1, 2, 3]
    assert clock.stage_progress(2, 10, 60.0) == pytest.approx(0.2)
    assert clock.stage_progress(1, 19, 60.0) == 1.0  # the stage's rates are at their end until the next one begins
    assert [clock.over(10, seconds) for seconds in (99.0, 100.0, 500.0)] == [False, True, True]
    assert clock.over(40, 1.0)
