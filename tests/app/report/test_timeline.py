"""The timeline: a lane a camera, bars inside the drawing, few round times."""

from __future__ import annotations

import pytest

from app.report.timeline import lay_out, round_times
from tests.app.query_views import MATCHES, NOON, match


def test_lanes_are_by_first_sight_and_the_most_probable_bar_is_on_top() -> None:
    timeline = lay_out(MATCHES)
    assert (timeline.start, timeline.end) == (NOON, NOON + 310)
    lanes = {lane.camera: [bar.match.tracklet for bar in lane.bars] for lane in timeline.lanes}
    assert list(lanes.items()) == [("hall", [4, 3, 1]), ("street", [2]), ("plaza", [5])]


def test_bars_lie_where_their_times_are() -> None:
    (lane,) = lay_out([match(1, 0.9, lasts=25), match(2, 0.8, at=75, lasts=25)]).lanes
    # 100 s and a margin of 4 s on each side are 108 s.
    bars = {bar.match.tracklet: (bar.left, bar.width) for bar in lane.bars}
    assert bars[1] == pytest.approx((100 * 4 / 108, 100 * 25 / 108))
    assert bars[2] == pytest.approx((100 * 79 / 108, 100 * 25 / 108))


@pytest.mark.parametrize("seconds", [0, 0.4, 7, 60, 1000, 86400, 864000, 3e7, 3e8])
def test_round_times_are_few(seconds: float) -> None:
    ticks = round_times(NOON + 3.3, NOON + 4.3 + seconds)
    assert len(ticks) <= 5 and (len(ticks) >= 2 or seconds < 7)
    assert len({label for _, label in ticks}) == len(ticks)
