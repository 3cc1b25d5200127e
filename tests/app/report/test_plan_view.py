"""A way on the plan: places keep their shape, up is up, and what has no place is told."""

from __future__ import annotations

from app.report.plan_view import HEIGHT, MARGIN, WIDTH, plan_view
from app.search.matches import Match, Stop

POSITIONS = {"hall": (0.0, 0.0), "yard": (20.0, 0.0), "roof": (0.0, 10.0)}


def stop(camera: str, start: float) -> Stop:
    match = Match(1, False, camera, start, start + 1, 1.0, 1.0, None, None, ())
    return Stop(camera, start, start + 1, None, match)


def test_places_keep_their_shape() -> None:
    view = plan_view([stop("hall", 0), stop("roof", 5), stop("hall", 9), stop("attic", 12)], POSITIONS)
    assert view is not None
    place = {camera.name: (camera.x, camera.y) for camera in view.cameras}
    assert place["roof"][1] < place["hall"][1] and place["roof"][0] == place["hall"][0]
    right = place["yard"][0] - place["hall"][0]
    assert abs(right - 2 * (place["hall"][1] - place["roof"][1])) < 1e-6
    assert all(MARGIN - 1e-6 <= x <= WIDTH - MARGIN + 1e-6 for x, _ in place.values())
    assert all(MARGIN - 1e-6 <= y <= HEIGHT - MARGIN + 1e-6 for _, y in place.values())
    assert [camera.name for camera in view.cameras if camera.is_passed] == ["hall", "roof"]
    assert [step.number for step in view.steps] == [1, 2] and view.left_out == ["attic"]
    assert view.steps[0].path != view.steps[1].path and abs(view.steps[0].x - view.steps[1].x) > 1  # there and back


def test_few_places_are_no_plan() -> None:
    assert plan_view([stop("hall", 0)], {"hall": (1.0, 1.0)}) is None
    same = plan_view([stop("hall", 0), stop("yard", 1)], {"hall": (1.0, 1.0), "yard": (1.0, 1.0)})
    assert same is not None and same.steps == []
    line = plan_view([stop("hall", 0), stop("yard", 1)], {"hall": (0.0, 3.0), "yard": (9.0, 3.0)})
    assert line is not None and len(line.steps) == 1
