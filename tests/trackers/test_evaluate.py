"""Figures equal those of MOTChallenge's own evaluator, and purity means what it says."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from trackers.evaluate import combine, combine_purity, evaluate_purity, evaluate_sequence, people_of
from trackers.motchallenge import Rows, read_rows

PEDESTRIAN, CAR, STATIC = 1, 3, 7


def rows(*people: tuple[int, float, range], considered: int = 1, kind: int = PEDESTRIAN) -> Rows:
    """Rows of boxes 10 × 20 px: id, left edge, frames."""
    listed = [(frame, id, x, 0, 10, 20, considered, kind, 1) for id, x, frames in people for frame in frames]
    return np.array(sorted(listed), float).reshape(-1, 9)


@pytest.mark.parametrize("tracker", ["BoostTrack", "BoostTrackPlus_post_gbi"])
def test_figures_are_those_of_the_reference_evaluator(shared: Path, tracker: str) -> None:
    """Two published trackers on four MOT17 sequences, distractors and ignored rows included."""
    oracle = shared / "data" / "mot" / "metric-oracle"
    with (oracle / tracker / "pedestrian_detailed.csv").open() as file:
        expected = {line["seq"]: line for line in csv.DictReader(file)}
    checked = 0
    for path in sorted((oracle / tracker / "data").glob("*.txt")):
        line = expected[path.stem]
        metrics = evaluate_sequence(read_rows(oracle / "gt" / path.stem / "gt" / "gt.txt"), read_rows(path))
        assert metrics.hota == pytest.approx(float(line["HOTA___AUC"]), abs=1e-6)
        assert metrics.deta == pytest.approx(float(line["DetA___AUC"]), abs=1e-6)
        assert metrics.assa == pytest.approx(float(line["AssA___AUC"]), abs=1e-6)
        assert metrics.mota == pytest.approx(float(line["MOTA"]), abs=1e-12)
        assert metrics.idf1 == pytest.approx(float(line["IDF1"]), abs=1e-12)
        assert metrics.idsw == int(line["IDSW"])
        assert (metrics.truth_boxes, metrics.result_boxes) == (int(line["GT_Dets"]), int(line["Dets"]))
        checked += 1
    assert checked == 4


def test_perfect_results_are_perfect_and_nothing_is_nothing() -> None:
    truth = rows((1, 0, range(1, 20)), (2, 100, range(1, 20)))
    assert evaluate_sequence(truth, truth).hota == pytest.approx(1)
    nothing = evaluate_sequence(truth, np.zeros((0, 7)))
    assert (nothing.hota, nothing.mota, nothing.idf1, nothing.truth_boxes) == (0, 0, 0, 38)
    assert evaluate_purity(truth, np.zeros((0, 7))).tracklets == 0
    assert evaluate_sequence(np.zeros((0, 9)), np.zeros((0, 7))).truth_boxes == 0


def test_distractors_neither_help_nor_hurt() -> None:
    person, figure = rows((1, 0, range(1, 20))), rows((2, 100, range(1, 20)), considered=0, kind=STATIC)
    car = rows((3, 200, range(1, 20)), considered=0, kind=CAR)
    truth = np.concatenate([person, figure, car])
    truth = truth[np.argsort(truth[:, 0], kind="stable")]
    on_all = rows((1, 0, range(1, 20)), (2, 100, range(1, 20)), (3, 200, range(1, 20)))
    metrics = evaluate_sequence(truth, on_all)
    assert (metrics.truth_boxes, metrics.result_boxes) == (
        19,
        38,
    )  # the box on the figure is dropped, that on the car is not
    assert metrics.mota == pytest.approx(0)  # 19 found, 19 false


def test_purity_counts_whose_boxes_a_tracklet_holds() -> None:
    truth = rows((1, 0, range(1, 11)), (2, 100, range(1, 11)))
    tracklets = np.concatenate(
        [
            rows((5, 0, range(1, 7))),  # six boxes of person 1…
            rows((5, 100, range(7, 9))),  # …then two of person 2
            rows((6, 100, range(1, 5))),  # pure
            rows((7, 500, range(1, 5))),  # on nobody
        ]
    )
    metrics = evaluate_purity(truth, tracklets[np.argsort(tracklets[:, 0], kind="stable")])
    assert (metrics.tracklets, metrics.people) == (2, 2)
    assert metrics.purity == pytest.approx(10 / 12)
    assert metrics.mixed == pytest.approx(1 / 2)
    assert metrics.tracklets_a_person == pytest.approx(3 / 2)
    assert metrics.unmatched == pytest.approx(4 / 16)


def test_a_passer_by_does_not_make_a_tracklet_mixed() -> None:
    """A person walks by, closer to the tracklet's box for a moment than its own person: matched as CLEAR-MOT does."""
    truth = rows((1, 0, range(1, 11)))
    passing = np.array([(frame, 2, 3, 0, 10, 20, 1, 1, 1) for frame in (5, 6)], float)
    tracklet = rows((9, 0, range(1, 11)))
    tracklet[4:6, 2] = 2  # IoU 0.67 with its own person, 0.82 with the other
    both = np.concatenate([truth, passing])
    metrics = evaluate_purity(both[np.argsort(both[:, 0], kind="stable")], tracklet)
    assert (metrics.purity, metrics.mixed) == (1, 0)
    strict = evaluate_purity(both[np.argsort(both[:, 0], kind="stable")], tracklet, each_frame=True)
    assert (strict.purity, strict.mixed) == (8 / 10, 1)


def test_cameras_are_combined_by_counts() -> None:
    long, short = rows((1, 0, range(1, 101))), rows((1, 0, range(1, 11)))
    good, bad = evaluate_sequence(long, long), evaluate_sequence(short, rows((1, 400, range(1, 11))))
    assert combine([good, bad]).mota == pytest.approx((100 - 10) / 110)
    pure, mixed = (
        evaluate_purity(long, long),
        evaluate_purity(rows((1, 0, range(1, 6)), (2, 0, range(6, 11))), rows((1, 0, range(1, 11)))),
    )
    both = combine_purity([pure, mixed])
    assert both.purity == pytest.approx(105 / 110)
    assert both.mixed == pytest.approx(1 / 2)
    assert both.tracklets == 2


def test_people_of_tracklets_by_their_own_numbers() -> None:
    box = [10.0, 10.0, 20.0, 60.0]
    other_box = [200.0, 10.0, 20.0, 60.0]
    truth = np.array([[f, 40 + k, *b, 1] for f in range(1, 6) for k, b in enumerate((box, other_box))], float)
    rows = [[f, 7, *box, 1] for f in (1, 2, 3)] + [[f, 7, *other_box, 1] for f in (4, 5)]
    rows += [[1, 3, 500, 500, 20, 60, 1], [2, 90, *other_box, 1]]
    assert people_of(truth, np.array(sorted(rows), float)) == {7: 40, 90: 41}
    assert people_of(truth, np.zeros((0, 7))) == {}


def test_a_tracklet_is_of_who_is_seen_not_of_who_hides_behind() -> None:
    front, behind = [10.0, 10.0, 20.0, 60.0], [12.0, 10.0, 20.0, 60.0]
    tracklet = np.array([[f, 7, *behind, 1] for f in (1, 2, 3)], float)
    truth = np.array(
        [[f, *who, 1, 1, v] for f in (1, 2, 3) for who, v in (((40, *front), 1.0), ((41, *behind), 0.2))], float
    )
    assert people_of(truth, tracklet) == {7: 40}
    assert people_of(truth[:, :7], tracklet) == {7: 41}, "where truth does not say who is seen, the better fit"
    unseen = truth.copy()
    unseen[:, 7:] = -1  # as MOT15 has it
    assert people_of(unseen, tracklet) == {7: 41}
    unseen[:, 7] = 1  # classes, but nobody said who is seen
    assert people_of(unseen, tracklet) == {7: 41}
    truth[truth[:, 1] == 40, 6] = 0  # marked to be ignored
    assert people_of(truth, tracklet) == {7: 41}
