from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest

from trackers.timing import Clock, Timing


def steps(stamps: Iterable[float]) -> tuple[list[float], Clock]:
    clock = Clock(Timing())
    return [clock.step(float(stamp)) for stamp in stamps], clock


def test_exact_stamps_give_their_differences() -> None:
    stamps = 1.7e9 + np.cumsum([0, 0.04, 0.04, 0.2, 0.01, 0.5])
    taken, clock = steps(stamps)
    np.testing.assert_allclose(taken[1:], np.diff(stamps))
    assert clock.now == pytest.approx(stamps[-1] - stamps[0])


@pytest.mark.parametrize(("rate", "grain"), [(30, 0.1), (25, 1.0), (20, 0.1), (60, 0.1)])
def test_rounded_stamps_become_even_steps(rate: float, grain: float) -> None:
    true = np.arange(int(20 * rate)) / rate
    taken, clock = steps(np.floor(true / grain + 1e-6) * grain)
    assert clock.interval == pytest.approx(1 / rate, rel=0.05)
    late = np.array(taken[len(taken) // 2 :])
    assert late.min() > 0.4 / rate
    assert late.max() < 1.6 / rate
    assert abs(clock.now - true[-1]) < grain + 2 / rate


def test_stamps_rounded_to_about_the_interval_stay_within_their_rounding() -> None:
    taken, clock = steps(np.floor(np.arange(250) / 12.5 / 0.1 + 1e-6) * 0.1)
    assert min(taken) > 0
    assert max(taken) < 0.11
    assert clock.now == pytest.approx(249 / 12.5, abs=0.11)


def test_a_stamp_that_goes_back_is_one_nominal_step() -> None:
    taken, clock = steps([*np.arange(10) / 10, 0.2, 0.3, 0.4])
    np.testing.assert_allclose(taken[1:], 0.1)
    assert clock.now == pytest.approx(1.2)


def test_steps_are_always_positive() -> None:
    rng = np.random.default_rng(0)
    taken, clock = steps(rng.choice([0.0, 0.1, 0.1001, 5.0, -3.0, 1e9], 500))
    assert min(taken) > 0
    assert np.isfinite(clock.now)


def test_a_stuck_clock_does_not_shrink_the_nominal_interval() -> None:
    _, clock = steps([*np.arange(60) / 30, *[59 / 30] * 300])
    assert clock.interval == pytest.approx(1 / 30)
    clock.step(359 / 30)
    assert clock.interval == pytest.approx(1 / 30, rel=0.01)


def test_a_pause_hardly_moves_the_nominal_interval() -> None:
    _, clock = steps([*np.arange(200) / 30, 3600.0])
    assert clock.interval < 1.5 / 30


def test_the_buffer_is_in_seconds_but_never_too_few_frames() -> None:
    timing = Timing(lost_seconds=1.0, lost_frames=10)
    assert timing.lost_after(1 / 30) == pytest.approx(1 + 1 / 60)
    assert timing.lost_after(1 / 5) == pytest.approx(2 + 1 / 10)


@pytest.mark.parametrize("timing", [{"lost_seconds": 0}, {"lost_seconds": math.inf}, {"lost_frames": 0}])
def test_nonsense_is_refused(timing: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Timing(**timing)


def test_a_stamp_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="finite number of seconds"):
        Clock(Timing()).step(math.nan)


def test_state_goes_on_identically() -> None:
    stamps = np.floor(np.arange(100) / 3) / 10
    _, clock = steps(stamps[:50])
    restored = Clock(Timing())
    restored.restore(clock.state())
    assert [clock.step(s) for s in stamps[50:]] == [restored.step(s) for s in stamps[50:]]
