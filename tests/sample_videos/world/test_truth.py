import csv
import json
from datetime import UTC, datetime

import numpy as np
import pytest

from sample_videos.world.cameras import Camera
from sample_videos.world.renderer import Shot
from sample_videos.world.truth import (
    FilmTimes,
    box_rows,
    read_boxes,
    write_boxes,
    write_calibration,
    write_presence,
)
from trackers.motchallenge import read_rows

START = datetime(2026, 11, 20, 14, 30, 2, tzinfo=UTC)
TIMES = FilmTimes(START, 10, 100)


def shot(boxes, visibility):
    boxes = np.array(boxes, float).reshape(-1, 4)
    return Shot(np.zeros((9, 16, 3), np.uint8), boxes, np.array(visibility, float), boxes)


def test_rows_are_motchallenges_and_leave_out_who_cannot_be_seen():
    taken = shot([(10, 20, 40, 90), (0, 0, 16, 9), (5, 5, 25, 45.5)], [0.5, 0.02, 1.0])
    assert box_rows(3, [9, 4, 2], taken) == [(3, 2, 5, 5, 20, 40.5, 1, 1, 1.0), (3, 9, 10, 20, 30, 70, 1, 1, 0.5)]


def test_boxes_are_read_back_by_us_and_by_the_house(tmp_path):
    rows = box_rows(1, [7], shot([(1.04, 2, 3, 4)], [0.3333])) + box_rows(2, [7], shot([(1, 2, 3, 4)], [1]))
    write_boxes(tmp_path, "hall", rows)
    assert (tmp_path / "hall" / "gt" / "gt.txt").read_text().splitlines()[0] == "1,7,1.0,2.0,2.0,2.0,1,1,0.333"
    expected = np.array([(1, 7, 1.0, 2, 2.0, 2, 1, 1, 0.333), (2, 7, 1, 2, 2, 2, 1, 1, 1)])
    np.testing.assert_array_equal(read_boxes(tmp_path, "hall"), expected)
    np.testing.assert_array_equal(read_rows(tmp_path / "hall" / "gt" / "gt.txt"), expected)
    write_boxes(tmp_path, "empty", [])
    assert read_boxes(tmp_path, "empty").shape == (0, 9)


def test_calibration_projects_and_tells_the_time(tmp_path):
    write_calibration(tmp_path, "hall", Camera((0, 3, 0), (0, 1, -5), 60, 640, 360, -0.1), TIMES)
    written = json.loads((tmp_path / "hall" / "calibration.json").read_text())
    point = np.array(written["R"]) @ (0, 1, -5) + written["t"]
    pixel = np.array(written["K"]) @ point
    assert pixel[:2] / pixel[2] == pytest.approx((320, 180))
    assert (written["k1"], written["width"], written["height"]) == (-0.1, 640, 360)
    assert (written["fps"], written["frames"], written["start"]) == (10, 100, "2026-11-20T14:30:02+00:00")


def test_presence_tells_who_was_where_when(tmp_path):
    person = [(f, 5, 0, 0, 9, 9, 1, 1, v) for f, v in ((11, 0.1), (12, 0.3), (13, 0.2), (14, 0.9))]
    write_boxes(tmp_path, "hall", [*person, (20, 6, 0, 0, 9, 9, 1, 1, 0.25)])
    write_boxes(tmp_path, "yard", [(1, 5, 0, 0, 9, 9, 1, 1, 1.0), (1, 2, 0, 0, 9, 9, 1, 1, 1.0)])
    write_presence(tmp_path, {"yard": FilmTimes(START, 10, 100), "hall": TIMES})
    with (tmp_path / "presence.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["person", "camera", "first", "last", "frames"],
            ["2", "yard", "2026-11-20T14:30:02.000Z", "2026-11-20T14:30:02.000Z", "1"],
            ["5", "hall", "2026-11-20T14:30:03.100Z", "2026-11-20T14:30:03.300Z", "2"],
            ["5", "yard", "2026-11-20T14:30:02.000Z", "2026-11-20T14:30:02.000Z", "1"],
        ]
