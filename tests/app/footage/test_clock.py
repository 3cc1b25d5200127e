"""Clocks inside files: stamps are believed until they can't be, and time goes on sensibly after that."""

from __future__ import annotations

from fractions import Fraction

import pytest

from app.footage.clock import Clock
from app.footage.picture import Resume

TICKS = 100  # a second
HOUR = 3600 * TICKS


def clock(start: Resume | None = None, rate: int = 25) -> Clock:
    return Clock(Fraction(1, TICKS), Fraction(0), Fraction(rate), start)


def seconds_of(stamps: list[int | None], rate: int = 25) -> list[float]:
    its = clock(rate=rate)
    return [float(its.seconds(stamp)) for stamp in stamps]


@pytest.mark.parametrize(
    ("stamps", "expected", "told"),
    [
        ([0, 4, 8, 12], [0, 0.04, 0.08, 0.12], (0, 0, 0)),
        ([4, 12, 8, 20, 16, 16], [0.04, 0.12, 0.08, 0.2, 0.16, 0.16], (0, 0, 0)),  # AVI with B-frames
        ([0, 4, 8 - 3 * HOUR, 12 - 3 * HOUR], [0, 0.04, 0.08, 0.12], (1, 0, 0)),
        ([0, 4, 8 + 26 * HOUR, 12 + 26 * HOUR], [0, 0.04, 0.08, 0.12], (1, 0, 0)),
        ([0, 4, 8 + HOUR, 12 + HOUR], [0, 0.04, 0.08, 0.12], (1, 0, 0)),  # daylight saving
        ([0, 4, 2000, 2004], [0, 0.04, 20, 20.04], (0, 0, 0)),  # a recorder on motion
        ([0, 4, HOUR // 6, HOUR // 6 + 4], [0, 0.04, 600, 600.04], (0, 1, 0)),
        ([0, 4, 2**60, 12, 16], [0, 0.04, 0.08, 0.12, 0.16], (1, 0, 0)),  # one absurd stamp moves nothing else
        ([-(2**60), 4 - 2**60], [0, 0.04], (1, 0, 0)),
        ([0, 4, 0, 4, 0, 4], [0, 0.04, 0, 0.04, 0, 0.04], (0, 0, 0)),
        ([0, 4, None, None, 16], [0, 0.04, 0.08, 0.12, 0.16], (0, 0, 2)),
        ([None, None], [0, 0.04], (0, 0, 2)),
        ([7, 7, 7, 7, 7], [0.07, 0.07, 0.11, 0.15, 0.19], (0, 0, 3)),  # a clock that stands still
        ([0, 4, 4, 4, 16, 20], [0, 0.04, 0.04, 0.08, 0.16, 0.2], (0, 0, 1)),  # frames that came in a burst
    ],
)
def test_seconds(stamps: list[int | None], expected: list[float], told: tuple[int, int, int]) -> None:
    its = clock()
    assert [float(its.seconds(stamp)) for stamp in stamps] == pytest.approx(expected)
    assert (its.jumps, its.gaps, its.unstamped) == told
    assert [remark.count for remark in its.remarks] == [count for count in told if count]


def test_a_last_frame_that_lasts_hours_is_a_jump() -> None:
    its = clock()
    its.seconds(0)
    its.ends(4)
    assert its.jumps == 0
    its.ends(2 * HOUR)
    assert (its.jumps, its.end) == (1, Fraction(1, 25))


def test_slow_footage_has_long_distances() -> None:
    day = 86_400 * TICKS
    assert seconds_of([0, day, 3 * day], rate=Fraction(1, 86_400)) == [0, 86_400, 3 * 86_400]  # type: ignore[arg-type]


def test_an_average_rate_that_a_jump_has_spoilt_is_no_distance() -> None:
    assert seconds_of([0, 4, 8, 2 * HOUR, 2 * HOUR + 4], rate=Fraction(5, 7200)) == pytest.approx(  # type: ignore[arg-type]
        [0, 0.04, 0.08, 0.12, 0.16]
    )


def test_time_never_runs_backwards_step_by_step() -> None:
    seconds = seconds_of([1000 - 4 * index for index in range(200)])
    assert max(max(seconds[:index]) - seconds[index] for index in range(1, 200)) <= 1


def test_a_clock_goes_on_from_any_frame() -> None:
    stamps = [0, 4, 12, 8, 16 - HOUR, 20 - HOUR, 5 * HOUR, 5 * HOUR + 4, 20, 24, 6000, 15_000, 4, 8]
    whole = clock()
    seconds, states = [], []
    for stamp in stamps:
        seconds.append(whole.seconds(stamp))
        states.append(whole.state)
    for at, state in enumerate(states):
        rest = clock(Resume(at, stamps[at], None, *state))
        assert rest.seconds(stamps[at]) == seconds[at]
        before = rest.jumps, rest.gaps
        assert before == (0, 0)
        assert [rest.seconds(stamp) for stamp in stamps[at + 1 :]] == seconds[at + 1 :]
        assert rest.state == states[-1]
