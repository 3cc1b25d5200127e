"""Which pictures of a person are kept."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.crops import JPEG_QUALITY, MOMENT, MOST, CropChooser, crop_quality
from app.record.rows import Crop
from tests.app.scenes import segment

SHAPE = (120, 160, 3)
BOX = (30.0, 20.0, 60.0, 100.0)


def picture(number: int) -> NDArray[np.uint8]:
    """Smooth stripes that tell pictures apart, so that a JPEG of them is nearly exact."""
    row = np.linspace(0, 4 * np.pi, SHAPE[1])[None, :, None] + np.arange(3) + number * 0.7
    return np.broadcast_to(127 + 100 * np.sin(row), SHAPE).astype(np.uint8)


def offer(
    chooser: CropChooser,
    frame: int,
    *,
    fps: float = 25.0,
    box: tuple[float, float, float, float] = BOX,
    score: float = 0.9,
    overlap: float = 0.0,
    sharpness: float = 100.0,
    number: int = 1,
) -> None:
    chooser.update(
        picture(frame),
        frame,
        frame / fps,
        np.array([number]),
        np.array([box], np.float32),
        np.array([score], np.float32),
        np.array([overlap], np.float32),
        np.array([sharpness], np.float32),
    )


def crops_kept(
    chooser: CropChooser, frames: int, *, fps: float = 25.0, number: int = 1, keep: bool = True
) -> list[Crop]:
    return chooser.finish(segment(number, frames=range(frames), fps=fps, box=BOX), keep=keep)


@pytest.mark.parametrize("frames", [1, 5, 6, 24, 159, 160, 161, 166, 320, 321, 500, 1500])
def test_crops_are_spread_over_the_whole_time_and_at_most_32(frames: int) -> None:
    chooser = CropChooser()
    for frame in range(frames):
        offer(chooser, frame)
    crops = crops_kept(chooser, frames)
    times = np.array([crop.time for crop in crops])
    seconds = (frames - 1) / 25
    assert len(crops) <= MOST and (np.diff(times) > 0).all()
    assert len(crops) >= min(np.ceil(frames / 5), MOST / 2)
    longest = max(2 * MOMENT, 4 * seconds / MOST)  # a moment is at most 1/16 of the time. Two neighbours are two long
    assert np.diff(times, prepend=0.0, append=seconds).max() < longest + 1e-9


def test_each_is_the_best_of_its_moment() -> None:
    rng = np.random.default_rng(4)
    scores = rng.uniform(0.2, 0.95, 100)
    overlap, sharpness = rng.uniform(0, 0.4, 100), rng.uniform(5, 400, 100)
    chooser = CropChooser()
    for frame in range(100):  # 4 s, so no moments are joined. No frame lies on the border of two
        offer(chooser, frame, fps=23.976, score=scores[frame], overlap=overlap[frame], sharpness=sharpness[frame])
    quality = scores * (1 - overlap) * (0.5 + 0.5 * sharpness / (sharpness + 100))
    moments = (np.arange(100) / 23.976 // MOMENT).astype(int)
    expected = [int(np.flatnonzero(moments == k)[np.argmax(quality[moments == k])]) for k in range(moments[-1] + 1)]
    assert [crop.frame for crop in crops_kept(chooser, 100)] == expected


def test_joined_moments_keep_the_better_of_two() -> None:
    chooser = CropChooser()
    for frame in range(200):  # 8 s: forty moments of 0.2 s become twenty
        offer(chooser, frame, score=0.9 if frame in (3, 17, 133) else 0.5)
    frames = [crop.frame for crop in crops_kept(chooser, 200)]
    assert len(frames) == 20
    assert {3, 17, 133} <= set(frames)


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"score": 0.5}, {"score": 0.9}),
        ({"overlap": 0.6}, {"overlap": 0.0}),
        ({"sharpness": 1.0}, {"sharpness": 300.0}),
        ({"box": (0.0, 20.0, 30.0, 100.0)}, {"box": BOX}),  # cut off by the edge of the picture
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_sure_uncovered_sharp_and_whole_people_are_preferred(worse: dict, better: dict, swapped: bool) -> None:
    chooser = CropChooser()
    for frame, how in enumerate((better, worse) if swapped else (worse, better)):
        offer(chooser, frame, **how)
    (crop,) = crops_kept(chooser, 2)
    assert crop.frame == (0 if swapped else 1)


def test_a_crop_is_a_jpeg_of_quality_95_at_native_size() -> None:
    chooser = CropChooser()
    offer(chooser, 3, box=(30.4, 20.7, 60.2, 99.1))
    (crop,) = crops_kept(chooser, 4)
    pixels = picture(3)[20:100, 30:61]
    assert crop.box == pytest.approx((30.4, 20.7, 60.2, 99.1), abs=1e-4)
    decoded = np.asarray(cv2.imdecode(np.frombuffer(crop.jpeg, np.uint8), cv2.IMREAD_COLOR_RGB))
    assert decoded.shape == pixels.shape
    assert np.abs(decoded.astype(int) - pixels).mean() < 2
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
    assert JPEG_QUALITY == 95 and crop.jpeg == encoded.tobytes()


def test_what_reaches_over_the_edge_is_clipped() -> None:
    chooser = CropChooser()
    offer(chooser, 0, box=(-20.0, 40.0, 25.0, 190.0))
    (crop,) = crops_kept(chooser, 1)
    decoded = np.asarray(cv2.imdecode(np.frombuffer(crop.jpeg, np.uint8), cv2.IMREAD_COLOR))
    assert decoded.shape == (80, 25, 3)
    assert crop.border == 1.0


def test_height_ratio_is_against_the_median_of_the_tracklet() -> None:
    chooser = CropChooser()
    offer(chooser, 0, box=(30.0, 20.0, 60.0, 60.0))
    (crop,) = crops_kept(chooser, 9)  # the others are 80 px high
    assert crop.height_ratio == pytest.approx(0.5)
    assert crop_quality(crop) == pytest.approx(crop_quality(replace(crop, height_ratio=1.0)) / 2)


def test_segments_do_not_mix_and_are_forgotten_when_finished() -> None:
    chooser = CropChooser()
    for frame in range(20):
        numbers = np.array([9, 4] if frame % 2 else [4])
        chooser.update(
            picture(frame),
            frame,
            frame / 25,
            numbers,
            np.array([BOX, (80, 20, 110, 90)], np.float32)[: len(numbers)],
            np.full(len(numbers), 0.9, np.float32),
            np.zeros(len(numbers), np.float32),
            np.full(len(numbers), 50.0, np.float32),
        )
    nine, four = crops_kept(chooser, 20, number=9), crops_kept(chooser, 20, number=4)
    assert {crop.frame % 2 for crop in nine} == {1}
    assert len(nine) == len(four) == 4
    assert crops_kept(chooser, 20, number=9) == []
    assert all(not len(part) for part in chooser.state().values())


def test_a_segment_that_is_no_tracklet_leaves_nothing() -> None:
    chooser = CropChooser()
    for frame in range(20):
        offer(chooser, frame)
    assert crops_kept(chooser, 20, keep=False) == []
    assert all(not len(part) for part in chooser.state().values())


def test_memory_does_not_grow_with_the_length() -> None:
    chooser = CropChooser()
    sizes = []
    for frame in range(3000):
        offer(chooser, frame)
        if frame % 50 == 0:
            sizes.append(len(chooser.state()["rows"]))
    assert MOST < max(sizes) <= 2 * MOST


@pytest.mark.parametrize("fps", [25.0, 4.0])
def test_restored_at_every_frame_it_goes_on_identically(fps: float) -> None:
    rng = np.random.default_rng(8)
    frames = 200
    scores, sharpness = rng.uniform(0.3, 0.95, frames), rng.uniform(5, 300, frames)

    def go(chooser: CropChooser, frame: int) -> None:
        offer(chooser, frame, fps=fps, score=scores[frame], sharpness=sharpness[frame])

    whole = CropChooser()
    states = []
    for frame in range(frames):
        go(whole, frame)
        states.append(whole.state())
    expected = crops_kept(whole, frames, fps=fps)
    plain = CropChooser()  # one that is never asked for its state
    for frame in range(frames):
        go(plain, frame)
    assert crops_kept(plain, frames, fps=fps) == expected
    for cut in range(frames):
        chooser = CropChooser()
        chooser.restore(states[cut])
        for frame in range(cut + 1, min(cut + 8, frames)):  # long enough to pass into the next moment
            go(chooser, frame)
        after = chooser.state()
        reference = states[min(cut + 7, frames - 1)]
        assert after.keys() == reference.keys()
        assert all(np.array_equal(after[key], reference[key]) for key in after), cut
    for cut in range(0, frames, 40):
        chooser = CropChooser()
        chooser.restore(states[cut])
        for frame in range(cut + 1, frames):
            go(chooser, frame)
        assert crops_kept(chooser, frames, fps=fps) == expected


def test_stamps_that_repeat_or_step_back_do_no_harm() -> None:
    chooser = CropChooser()
    for frame, time in enumerate([0.0, 0.0, 0.3, 0.1, 0.3, 0.9, 0.2, 1.0]):
        chooser.update(
            picture(frame),
            frame,
            time,
            np.array([1]),
            np.array([BOX], np.float32),
            np.array([0.9], np.float32),
            np.zeros(1, np.float32),
            np.array([50.0], np.float32),
        )
    crops = crops_kept(chooser, 8)
    assert crops[0].frame == 0
    assert 3 <= len(crops) <= 6
    assert all(crop.jpeg.startswith(b"\xff\xd8") for crop in crops)
