"""The detector benchmark on drawn films, with detectors whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import FootageError
from bench.detector import films, measure_films, measure_real, pictures, together
from deploy.detectors import Frame
from trackers.detections import Detections


class SameBoxes:
    """A detector that answers the same boxes for every frame."""

    name, sha256, batch, calls = "same", None, 4, 1

    def __init__(self, *rows: tuple[float, float, float, float, float]) -> None:
        array = np.array(rows, np.float32).reshape(-1, 5)
        self.answer = Detections(array[:, :4], array[:, 4])

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self.answer for _ in frames]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    video = cv2.VideoWriter(str(tmp_path / "gate.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    for level in range(6):
        video.write(np.full((240, 320, 3), 30 * level, np.uint8))
    video.release()
    (tmp_path / "gate" / "gt").mkdir(parents=True)
    lines = []
    for frame in range(1, 7):
        lines.append(f"{frame},1,10,10,30,100,1,1,1.0")
        lines.append(f"{frame},2,100,10,30,100,1,1,0.3")  # mostly hidden
        lines.append(f"{frame},3,200,10,15,40,1,1,1.0")  # small
    (tmp_path / "gate" / "gt" / "gt.txt").write_text("\n".join(lines))
    return tmp_path


def test_only_large_and_visible_people_count(film: Path) -> None:
    detector = SameBoxes(
        (10, 10, 40, 110, 0.9), (100, 10, 130, 110, 0.8), (200, 10, 215, 50, 0.7), (260, 10, 300, 110, 0.6)
    )
    rows = measure_films({"same": detector}, film, 0.5, 2)
    assert [row.film for row in rows] == ["gate", "all"]
    for row in rows:
        assert row.people == 3  # one in each of three frames
        assert row.average_precision == pytest.approx(1.0)
        assert row.precision == pytest.approx(0.5)
        assert row.recall == pytest.approx(1.0)


def test_real_video_against_reference_and_public(film: Path) -> None:
    public = film / "det.txt"
    public.write_text("\n".join(f"{f},-1,10,10,30,100,0.9\n{f},-1,250,10,30,100,0.2" for f in range(1, 7)))
    reference = SameBoxes((100, 10, 130, 110, 0.9), (200, 10, 230, 110, 0.4))
    ours = SameBoxes(
        (10, 10, 40, 110, 0.9), (200, 10, 230, 110, 0.8), (280, 10, 310, 110, 0.7), (100, 10, 130, 110, 0.3)
    )
    row, _ = measure_real({"ours": ours, "reference": reference}, film / "gate.mp4", public, "reference", 0.5, 1)
    assert row.boxes == 18
    assert (row.among_reference, row.of_reference) == (0, 0)
    assert row.recall_of_public == pytest.approx(1.0)
    assert row.precision == pytest.approx(2 / 3)


def test_pictures_are_rgb_and_numbered(film: Path) -> None:
    frames = list(pictures(film / "gate.mp4", 2))
    assert [frame.index for frame in frames] == [0, 2, 4]
    assert abs(int(frames[1].image[0, 0, 0]) - 60) < 8


def test_folders_of_either_shape(film: Path, tmp_path: Path) -> None:
    assert films(film) == [(film / "gate.mp4", film / "gate" / "gt" / "gt.txt")]
    apart = tmp_path / "apart"
    (apart / "videos").mkdir(parents=True)
    (apart / "truth").mkdir()
    (film / "gate.mp4").rename(apart / "videos" / "gate.mp4")
    (film / "gate").rename(apart / "truth" / "gate")
    assert films(apart) == [(apart / "videos" / "gate.mp4", apart / "truth" / "gate" / "gt" / "gt.txt")]
    with pytest.raises(FootageError, match="no films"):
        films(film)


def test_boxes_of_both_once() -> None:
    first = np.array([[0, 0, 10, 20]], np.float32)
    second = np.array([[0, 0, 10, 19], [50, 0, 60, 20]], np.float32)
    np.testing.assert_array_equal(together(first, second), [[0, 0, 10, 20], [50, 0, 60, 20]])
    assert len(together(first[:0], second)) == 2
