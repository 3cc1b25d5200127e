"""The ONNX backend on miniature graphs whose answers are known, and on a real YOLOX where one is at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deploy.detectors import DetectorError, Frame
from deploy.detectors.boxes import BoxForm, suppress
from deploy.detectors.heads import Classes
from deploy.detectors.heads.anchors import AnchorHead, grid
from deploy.detectors.heads.rows import ORDERS, RowsHead
from deploy.detectors.metadata import ExportMetadata, read_metadata
from deploy.detectors.onnx import OnnxDetector
from deploy.detectors.picture import BGR_255, RGB_1, place, write_picture

SIZE = (64, 96)  # (H, W) of the miniature networks
STRIDES = (8, 16, 32)
ANCHORS = 126  # 12·8 + 6·4 + 3·2
PICTURE = (120, 320)  # resized by 0.3 to 36 x 96: 14 px of padding above in a centred letterbox


def graph(
    path: Path,
    answer: NDArray[np.floating],
    *,
    batch: int | str = "batch",
    size: tuple[int | str, int | str] = SIZE,
    gains: NDArray[np.floating] | None = None,
    dtype: int = TensorProto.FLOAT,
    metadata: dict[str, Any] | None = None,
) -> Path:
    """A network that answers `answer` (A, K) to every picture, plus `gains` (3, A, K) times its channels' means."""
    number = helper.tensor_dtype_to_np_dtype(dtype)
    gains = np.zeros((3, *answer.shape)) if gains is None else gains
    constants = [
        numpy_helper.from_array(gains.reshape(3, -1).astype(number), "gains"),
        numpy_helper.from_array(answer.reshape(1, -1).astype(number), "answer"),
        numpy_helper.from_array(np.array([-1, *answer.shape]), "shape"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "gains"], ["parts"]),
        helper.make_node("Add", ["parts", "answer"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["output"]),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "miniature",
            [helper.make_tensor_value_info("images", dtype, [batch, 3, *size])],
            [helper.make_tensor_value_info("output", dtype, [batch, *answer.shape])],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    onnx.save(model, path)
    return path


def answer_of(kind: str, people: Sequence[Sequence[float]], classes: int = 3) -> NDArray[np.float64]:
    """An answer of that head with `people`, each (x, y, w, h, score) in pixels of the input, and nothing else."""
    if kind == "rows":
        rows = np.zeros((7, 6))
        for row, (x, y, w, h, score) in zip(rows, people, strict=False):
            row[:] = x - w / 2, y - h / 2, x + w / 2, y + h / 2, score, 0
        return rows
    cells, steps = grid(*SIZE, STRIDES, 3 if kind == "yolov5" else 1)
    centres = (cells + 0.5) * steps
    rows = np.zeros((len(cells), (4 if kind == "yolov8" else 5) + classes))
    rows[:, :2], rows[:, 2:4] = centres, steps
    for x, y, w, h, score in people:
        nearest = np.abs(centres - [x, y]).sum(axis=1).argmin()
        rows[nearest, :5] = x, y, w, h, (score if kind == "yolov8" else 0.8)
        if kind != "yolov8":
            rows[nearest, 5] = score / 0.8
    if kind == "yolox":
        rows[:, :2] = rows[:, :2] / steps - cells
        rows[:, 2:4] = np.log(rows[:, 2:4] / steps)
    return rows.T if kind == "yolov8" else rows


def frame(height: int = PICTURE[0], width: int = PICTURE[1], colour: Sequence[int] = (0, 0, 0)) -> Frame:
    return Frame("gate", 0, 0.0, np.full((height, width, 3), colour, np.uint8))


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("classes", [1, 3, 80])
@pytest.mark.parametrize("kind", ["yolox", "yolov5", "yolov8", "rows"])
def test_every_head_answers_in_the_pixels_of_the_picture(tmp_path: Path, kind: str, classes: int, dtype: int) -> None:
    # The person covers x 140..180, y 45..75 of the picture: 42..54 x 13.5..22.5 after the resize by 0.3.
    y = 18 if kind == "yolox" else 18 + 14
    path = graph(tmp_path / "a.onnx", answer_of(kind, [(48, y, 12, 9, 0.5)], classes), dtype=dtype)
    detector = OnnxDetector(path, person_class="0" if classes == 3 else None)
    assert detector.head.kind == kind
    (detections,) = detector.detect([frame()])
    np.testing.assert_allclose(
        detections.boxes, [[140, 45, 180, 75]], atol=0.2 if dtype == TensorProto.FLOAT16 else 1e-3
    )
    np.testing.assert_allclose(detections.scores, [0.5], atol=1e-3)
    assert detections.boxes.dtype == detections.scores.dtype == np.float32


@pytest.mark.parametrize("batch", [1, 2, 4, "batch"])
@pytest.mark.parametrize("kind", ["yolox", "rows"])
def test_batches_of_any_make_answer_frame_by_frame(tmp_path: Path, kind: str, batch: int | str) -> None:
    answer = answer_of(kind, [(48, 18, 12, 9, 0.2)])
    gains = np.zeros((3, *answer.shape))
    person = (0, 4) if kind == "rows" else (np.flatnonzero(answer[:, 4])[0], 5)
    gains[(0, *person)] = 1 / 510 if kind == "yolox" else 0.5  # the first channel's mean is added to the score
    detector = OnnxDetector(graph(tmp_path / "a.onnx", answer, batch=batch, gains=gains), threads=2, person_class="0")
    frames = [frame(64, 96, (level, 0, level)) for level in (0, 51, 102, 153, 204)]
    detections = detector.detect([*frames, frame(32, 48), *frames])
    factor = 0.8 if kind == "yolox" else 1.0
    levels = [0.2 + 0.5 * factor * level for level in (0, 0.2, 0.4, 0.6, 0.8)]
    np.testing.assert_allclose(np.concatenate([d.scores for d in detections]), [*levels, 0.2, *levels], atol=1e-5)
    np.testing.assert_allclose(detections[5].boxes, [[21, 6.75, 27, 11.25]], atol=1e-3)  # half the size of the others
    np.testing.assert_allclose(detections[0].boxes, [[42, 13.5, 54, 22.5]], atol=1e-3)
    assert detector.detect([]) == []
    assert detector.batch >= (batch if isinstance(batch, int) else 1)


@pytest.mark.parametrize(("kind", "channels"), [("yolox", (50, 100, 200)), ("rows", (200 / 255, 100 / 255, 50 / 255))])
def test_colours_reach_the_network_in_its_order_and_range(tmp_path: Path, kind: str, channels: Sequence[float]) -> None:
    answer = answer_of(kind, [(48, 32, 40, 40, 0.7)])
    row = 0 if kind == "rows" else int(np.flatnonzero(answer[:, 4])[0])
    scale = 0.01 if kind == "yolox" else 10.0
    if kind == "yolox":
        answer[row, 2:4] = 0.0  # log sizes: the first channel becomes the width
    for channel, mean in enumerate(channels):
        gains = np.zeros((3, *answer.shape))
        gains[channel, row, 2] = scale
        detector = OnnxDetector(graph(tmp_path / f"{channel}.onnx", answer, gains=gains), person_class="0")
        (detections,) = detector.detect([frame(*SIZE, (200, 100, 50))])
        width = np.ptp(detections.boxes[0, [0, 2]])
        stride = grid(*SIZE, STRIDES)[1][row, 0] if kind == "yolox" else 0
        expected = np.exp(scale * mean) * stride if kind == "yolox" else 40 + scale * mean
        np.testing.assert_allclose(width, expected, rtol=1e-3)


@pytest.mark.parametrize("fit", ["corner", "centre"])
@pytest.mark.parametrize("picture", [(120, 320), (64, 96), (301, 77), (10, 13)])
def test_letterbox_is_grey_around_the_whole_picture(picture: tuple[int, int], fit: Literal["corner", "centre"]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*picture, 3), np.uint8)
    at = place(picture, SIZE, fit)
    assert (at.width == SIZE[1]) or (at.height == SIZE[0])
    target = np.full((3, *SIZE), 114, np.float32)
    write_picture(image, at, target, BGR_255)
    expected = np.full((*SIZE, 3), 114, np.uint8)
    resized = cv2.resize(image, (at.width, at.height), interpolation=cv2.INTER_LINEAR)
    expected[at.top : at.top + at.height, at.left : at.left + at.width] = resized
    np.testing.assert_array_equal(target, expected[:, :, ::-1].transpose(2, 0, 1))
    below = SIZE[0] - at.height - at.top
    assert 0 <= below - at.top <= 1 if fit == "centre" else (at.left, at.top) == (0, 0)


def test_yolox_decoding_is_that_of_the_paper_anchor_by_anchor() -> None:
    rng = np.random.default_rng(1)
    answer = np.concatenate([rng.normal(0.5, 0.5, (ANCHORS, 4)), rng.random((ANCHORS, 1 + 3))], axis=1)
    answer = answer.astype(np.float32)
    answer[:, 4:] = answer[:, 4:].clip(0, 1)
    head = AnchorHead("yolox", 0, Classes(3, person=1), STRIDES, raw=True)
    detections = head.people([answer], SIZE, lowest_score=0.2, iou=1.0)
    rows, anchor = [], 0
    for stride in STRIDES:
        for row in range(SIZE[0] // stride):
            for column in range(SIZE[1] // stride):
                x, y, w, h, objectness, *classes = answer[anchor]
                anchor += 1
                if objectness * classes[1] < 0.2 or max(classes) > classes[1]:
                    continue
                x, y = (x + column) * stride, (y + row) * stride
                w, h = np.exp(w) * stride, np.exp(h) * stride
                rows.append([objectness * classes[1], x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    assert anchor == ANCHORS
    expected = np.array(sorted(rows, reverse=True))
    assert len(expected) > 10
    np.testing.assert_allclose(np.column_stack([detections.scores, detections.boxes]), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["yolox", "yolov5", "yolov8"])
def test_only_people_stay(tmp_path: Path, kind: str) -> None:
    """A dog, a person with a more likely dog, and a person. Persons are the second class here."""
    answer = answer_of(kind, [])
    rows = answer.T if kind == "yolov8" else answer
    first = 4 if kind == "yolov8" else 5
    cells = [0, 40, 80]
    if kind != "yolov8":
        rows[cells, 4] = 1
    rows[cells, first : first + 2] = [[0.9, 0.05], [0.8, 0.4], [0.1, 0.6]]
    names = {0: "dog", 1: "Person", 2: "cat"}
    (detections,) = OnnxDetector(graph(tmp_path / "a.onnx", answer, metadata={"names": names})).detect([frame(*SIZE)])
    np.testing.assert_allclose(detections.scores, [0.6], atol=1e-6)
    with pytest.raises(DetectorError, match="no class named person among its 3"):
        OnnxDetector(graph(tmp_path / "b.onnx", answer, metadata={"names": {0: "dog", 1: "cow", 2: "cat"}}))


def test_weak_boxes_and_doubles_go_and_neighbours_stay() -> None:
    boxes = np.array([[0, 0, 10, 20], [1, 0, 11, 20], [4, 0, 14, 20], [50, 0, 60, 20]], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.1], np.float32)
    detections = suppress(boxes, scores, 0.65)  # overlaps with the best: 0.82 and 0.54
    np.testing.assert_array_equal(detections.scores, scores[[1, 2, 3]])
    answer = np.column_stack([boxes, scores, np.zeros(4)])
    rows = RowsHead((0,), ORDERS[6][0], True, Classes(80), BoxForm(), "centre", RGB_1, batched=True)
    assert len(rows.people([answer], SIZE, lowest_score=0.3, iou=0.65)) == 3


def test_boxes_end_at_the_picture_and_none_lies_in_the_padding(tmp_path: Path) -> None:
    answer = answer_of("rows", [(90, 32, 20, 30, 0.9), (48, 5, 10, 8, 0.8)])  # the second is above the picture
    (detections,) = OnnxDetector(graph(tmp_path / "a.onnx", answer)).detect([frame()])
    np.testing.assert_allclose(detections.boxes, [[80 / 0.3, 3 / 0.3, 320, 33 / 0.3]], atol=1e-3)


def test_a_network_of_any_size_gets_no_more_padding_than_its_stride_asks(tmp_path: Path) -> None:
    answer = answer_of("rows", [(320, 192, 64, 64, 0.9)])
    path = graph(tmp_path / "a.onnx", answer, size=("height", "width"), metadata={"imgsz": [640, 640]})
    detector = OnnxDetector(path)
    assert detector._input_size(np.zeros((1080, 1920, 3), np.uint8)) == (384, 640)
    assert detector._input_size(np.zeros((1920, 1080, 3), np.uint8)) == (640, 384)
    detections = detector.detect([frame(1080, 1920), frame(640, 640), frame(1080, 1920)])
    # 1920 x 1080 is resized by 1/3 to 640 x 360 with 12 px above
    np.testing.assert_allclose(detections[0].boxes, [[864, (160 - 12) * 3, 1056, (224 - 12) * 3]], atol=1e-3)
    np.testing.assert_allclose(detections[1].boxes, [[288, 160, 352, 224]], atol=1e-3)
    np.testing.assert_array_equal(detections[2].boxes, detections[0].boxes)


def heads() -> dict[str, tuple[NDArray[np.floating], dict[str, Any], str]]:
    """Answers (A, K) that are easily taken for others, their metadata, and the head they are."""
    raw, decoded = answer_of("yolox", []), answer_of("yolox", [])
    cells, steps = grid(*SIZE, STRIDES)
    decoded[:, :2] = (cells + 0.5) * steps
    v6 = decoded.copy()
    v6[:, 4] = 1
    far = raw.copy()
    far[:, :4] += 1.4
    return {
        "YOLOX decoded inside": (decoded, {}, "yolox"),
        "YOLOX far off its cells": (far, {}, "yolox"),
        "YOLOX of one class": (answer_of("yolox", [], 1), {}, "yolox"),
        "YOLOv5 of one class": (answer_of("yolov5", [], 1), {}, "yolov5"),
        "YOLOv6": (v6, {}, "yolov5"),
        "YOLOv8 with masks": (np.zeros((4 + 2 + 32, ANCHORS)), {"names": {0: "person", 1: "dog"}}, "yolov8"),
        "NMS inside, with masks": (np.zeros((300, 6 + 32)), {"end2end": True}, "rows"),
        "NMS inside, as many as anchors": (np.zeros((ANCHORS, 6)), {"args": {"nms": True}}, "rows"),
        "end to end": (np.zeros((300, 6)), {"end2end": True, "names": ["person"], "task": "detect"}, "rows"),
    }


@pytest.mark.parametrize("name", heads())
def test_heads_are_told_apart_by_what_they_answer(tmp_path: Path, name: str) -> None:
    answer, metadata, kind = heads()[name]
    head = OnnxDetector(graph(tmp_path / "a.onnx", answer, metadata=metadata), person_class="0").head
    raw = isinstance(head, AnchorHead) and head.raw
    assert (head.kind, raw) == (kind, kind == "yolox" and name != "YOLOX decoded inside")


def test_a_model_that_is_made_for_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="is made to obb, not to detect"):
        OnnxDetector(graph(tmp_path / "a.onnx", np.full((84, ANCHORS), 0.3), metadata={"task": "obb"}))


def test_metadata_is_read_as_python_and_anything_odd_counts_as_left_out() -> None:
    said = {
        "task": "segment",
        "names": "['dog', 'person']",
        "imgsz": "[384, 640]",
        "stride": "64",
        "batch": "4",
        "args": "{'nms': True, 'conf': 0.25}",
    }
    assert read_metadata(said) == ExportMetadata("segment", {0: "dog", 1: "person"}, (384, 640), 64, 4, True, 0.25)
    assert read_metadata({"imgsz": "320", "end2end": "True"}) == ExportMetadata(size=(320, 320), ends_in_nms=True)
    odd = {"names": "3", "imgsz": "[1, 2, 3]", "stride": "wide", "batch": "(", "args": "None", "author": "somebody"}
    assert read_metadata(odd) == read_metadata({}) == ExportMetadata()


def external(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """The tensor, its values said to lie in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../secret"
    return tensor


@pytest.mark.parametrize("position", ["initializer", "attribute", "subgraph", "sparse", "function"])
def test_files_that_refer_to_other_files_are_refused(tmp_path: Path, position: str) -> None:
    path = graph(tmp_path / "a.onnx", answer_of("yolox", []))
    model = onnx.load(path)
    tensor = external(numpy_helper.from_array(np.zeros(4, np.float32), "outside"))
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    if position == "initializer":
        model.graph.initializer.append(tensor)
    elif position == "attribute":
        model.graph.node.append(constant)
    elif position == "subgraph":
        branch = helper.make_graph([helper.make_node("Identity", ["outside"], ["c"])], "branch", [], [], [tensor])
        model.graph.node.append(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))
    elif position == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    else:
        model.functions.add(name="f", domain="d").node.append(constant)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DetectorError, match=r"a\.onnx keeps tensor 'outside' in another file"):
        OnnxDetector(path)


@pytest.mark.parametrize("content", [b"", b"not a network", b"PK\x03\x04" + bytes(100), bytes(range(256))])
def test_garbage_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=r"a\.onnx is not an ONNX file"):
        OnnxDetector(path)


def test_missing_files_folders_and_devices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"There is no detector file .*b\.onnx"):
        OnnxDetector(tmp_path / "b.onnx")
    with pytest.raises(DetectorError, match="can't be read"):
        OnnxDetector(tmp_path)
    path = graph(tmp_path / "a.onnx", answer_of("yolox", []))
    with pytest.raises(DetectorError, match="No device is called 'tpu'"):
        OnnxDetector(path, device="tpu")
    model = onnx.load(path)
    model.graph.node[0].op_type = "NoSuchThing"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(DetectorError, match=r"can't load .*a\.onnx"):
        OnnxDetector(path)


def test_a_network_that_takes_no_picture_is_refused(tmp_path: Path) -> None:
    model = onnx.load(graph(tmp_path / "a.onnx", answer_of("yolox", [])))
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(DetectorError, match="a detector takes one picture"):
        OnnxDetector(tmp_path / "a.onnx")


def test_yolox_finds_the_people_of_a_real_frame(shared: Path) -> None:
    weights, footage = shared / "weights" / "yolox_nano.onnx", shared / "data" / "video" / "vtest.avi"
    if not (weights.is_file() and footage.is_file()):
        pytest.skip("no yolox_nano or no vtest.avi")
    capture = cv2.VideoCapture(str(footage))
    pictures = [np.asarray(cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB), np.uint8) for _ in range(3)]
    frames = [Frame("vtest", i, i / 10, picture) for i, picture in enumerate(pictures)]
    detector = OnnxDetector(weights, threads=2, device="cpu")
    assert detector.head == AnchorHead("yolox", 0, Classes(80), (8, 16, 32), raw=True)
    detections = detector.detect(frames)
    for frame_detections in detections:
        sure = frame_detections.boxes[frame_detections.scores > 0.6]
        assert len(sure) == 3
        sides = sure[:, 2:] - sure[:, :2]
        assert ((sides[:, 1] > 1.5 * sides[:, 0]) & (sides[:, 1] > 60) & (sides[:, 1] < 100)).all()  # upright people
    alone = detector.detect(frames[1:2])[0]
    np.testing.assert_allclose(alone.boxes, detections[1].boxes, atol=1e-3)
