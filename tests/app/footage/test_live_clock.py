"""Times of live pictures, from stamps and clocks that stall, drift, wrap and jump."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from random import Random

import pytest

from app.footage.live_clock import DRIFTED, SLEW, LiveClock, Moment

BASE = Fraction(1, 90_000)
NOON = 1_800_000_000.0
RATE = 25


def ticks(seconds: float) -> int:
    return round(seconds * 90_000)


def timed(clock: LiveClock, pictures: Iterable[tuple[float, float]]) -> list[Moment]:
    """Pictures as stamp and arrival, both in seconds."""
    return [clock.moment(ticks(stamp), NOON + arrival, 50 + arrival) for stamp, arrival in pictures]


def every(seconds: float, begin: float = 0.0) -> list[float]:
    return [begin + k / RATE for k in range(round(seconds * RATE))]


def test_distances_are_those_of_the_stamps_whatever_the_network_does() -> None:
    rng = Random(1)
    clock = LiveClock(BASE)
    moments = timed(clock, [(7 + t, t + 0.05 + rng.uniform(0, 0.1)) for t in every(20)])
    times = [moment.time - NOON for moment in moments if moment.settled]
    assert len(times) > 450
    assert all(b - a == pytest.approx(0.04, abs=0.005) for a, b in pairwise(times))
    assert times[-1] == pytest.approx(20 - 0.04 + 0.05, abs=0.03)


def test_pictures_that_waited_settle_nothing() -> None:
    clock = LiveClock(BASE)
    waited = [(t, 3.0 + 0.001 * k) for k, t in enumerate(every(3.0))]
    now = [(t, t + 0.02) for t in every(2.0, 3.0)]
    moments = timed(clock, waited + now)
    settled = [moment.settled for moment in moments]
    assert not any(settled[: len(waited)]) and all(settled[len(waited) + 5 :])
    assert moments[-1].time - NOON == pytest.approx(now[-1][1], abs=0.01)


def test_a_slow_camera_settles_in_time() -> None:
    clock = LiveClock(BASE)
    moments = timed(clock, [(t, t) for t in (0.0, 1.0, 2.5, 4.0)])
    assert [moment.settled for moment in moments] == [False, False, True, True]


def test_pictures_that_the_network_held_back_keep_their_times() -> None:
    clock = LiveClock(BASE)
    before = [(t, t + 0.02) for t in every(5)]
    held = [(t, 10.0 + 0.001 * k) for k, t in enumerate(every(5, 5))]
    after = [(t, t + 0.02) for t in every(5, 10.0)]
    moments = timed(clock, before + held + after)
    assert all(moment.time - NOON == pytest.approx(k / RATE + 0.02, abs=0.01) for k, moment in enumerate(moments))
    assert clock.jumps == 0


def test_a_camera_that_was_silent_is_believed() -> None:
    clock = LiveClock(BASE)
    moments = timed(clock, [(t, t) for t in [*every(3), *every(3, 9)]])
    assert clock.jumps == 0 and moments[-1].time - NOON == pytest.approx(12 - 0.04, abs=0.01)


@pytest.mark.parametrize("fast", [0.001, -0.001])  # ten times what a bad quartz does
def test_clocks_that_drift(fast: float) -> None:
    clock = LiveClock(BASE)
    moments = timed(clock, [(t * (1 + fast), t) for t in every(1500)])
    times = [moment.time - NOON for moment in moments]
    assert max(abs(time - t) for time, t in zip(times, every(1500))) < DRIFTED + 0.1
    steps = [b - a for a, b in pairwise(times)]
    assert all(abs(step - 0.04) < 0.04 * (SLEW + 0.01) for step in steps)
    assert clock.drift == pytest.approx(fast * 86_400, rel=0.05) and clock.jumps == 0


def test_drift_is_not_told_early() -> None:
    clock = LiveClock(BASE)
    timed(clock, [(t, t) for t in every(300)])
    assert clock.drift is None


@pytest.mark.parametrize("bits", [32, 33])
def test_stamps_that_start_again(bits: int) -> None:
    clock = LiveClock(BASE)
    first = 2**bits / 90_000 - 5
    moments = [
        clock.moment((ticks(first) + ticks(t)) % 2**bits, NOON + t, t) for t in [*every(5), 5.08, 4.96, 5.0, 5.04]
    ]
    moments += [clock.moment((ticks(first) + ticks(t)) % 2**bits, NOON + t, t) for t in every(5, 5.12)]
    assert clock.jumps == 0 and clock.wraps >= 1
    assert moments[-1].time - NOON == pytest.approx(10.08, abs=0.1)


@pytest.mark.parametrize(("by", "said"), [(-100.0, "went back by 100.0 s"), (30.0, "jumped ahead by 30.0 s")])
def test_stamps_that_jump(by: float, said: str) -> None:
    clock = LiveClock(BASE)
    before, after = every(5), every(5, 5)
    moments = timed(clock, [*((t, t + 0.02) for t in before), *((t + by, t + 0.02) for t in after)])
    (jump,) = [moment.jump for moment in moments if moment.jump]
    assert said in jump and clock.jumps == 1
    assert moments[-1].time - NOON == pytest.approx(10 - 0.02, abs=0.05)


def test_small_steps_back_are_b_frames() -> None:
    clock = LiveClock(BASE)
    order = [k for group in range(0, 250, 4) for k in (group, group + 3, group + 1, group + 2)]
    moments = timed(clock, [(k / RATE, index / RATE) for index, k in enumerate(order)])
    assert clock.jumps == clock.wraps == 0
    shown = sorted(moment.time for moment in moments[8:])
    assert all(b - a == pytest.approx(0.04, abs=0.005) for a, b in pairwise(shown))


def test_a_stream_without_stamps() -> None:
    clock = LiveClock(None)
    assert clock.moment(None, NOON, 5) == Moment(NOON, True)
    assert clock.moment(None, NOON + 0.3, 5.3) == Moment(NOON + 0.3, True)


def test_single_pictures_without_stamps_move_nothing() -> None:
    clock = LiveClock(BASE)
    timed(clock, [(t, t) for t in every(3)])
    assert clock.moment(None, NOON + 3.1, 53.1).time == NOON + 3.1
    assert clock.moment(ticks(3.12), NOON + 3.12, 53.12).time - NOON == pytest.approx(3.12, abs=0.01)


@pytest.mark.parametrize("by", [-3600.0, 3600.0])
def test_this_machines_clock_is_set(by: float) -> None:
    clock = LiveClock(BASE)
    timed(clock, [(t, t) for t in every(3)])
    moment = clock.moment(ticks(3.0), NOON + 3 + by, 53)
    assert moment.set_back == (pytest.approx(3600) if by < 0 else 0) and moment.jump is None
    assert moment.time - NOON == pytest.approx(3 + by, abs=0.01)


def test_the_cameras_own_clock_is_compared_where_the_way_was_shortest() -> None:
    clock = LiveClock(BASE)
    assert clock.ahead is None
    for second, delay in enumerate([0.3, 0.05, 0.2, 0.4]):
        clock.camera_says(NOON + 2.0 + second - delay, NOON + second)
    assert clock.ahead == pytest.approx(1.95)
    clock.camera_says(NOON + 100 + 1.5, NOON + 100)  # what was before is forgotten
    assert clock.ahead == pytest.approx(1.5)
