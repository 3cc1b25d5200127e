"""Every layout of answers: a synthetic graph with one known person, and answers that can be none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from deploy.detectors import DetectorError, Frame
from deploy.detectors.onnx import OnnxDetector
from tests.deploy.detectors.test_onnx import answer_of

SIZE = (64, 96)  # (H, W) of the miniature networks
PICTURE = (120, 320)  # (H, W) of the picture. A letterbox resizes it by 0.3 to 36 x 96
PERSON = np.array([140, 45, 180, 75], np.float32)  # x1 y1 x2 y2 in it
CENTRED = np.array([42, 27.5, 54, 36.5])  # the same in a letterbox with 14 px above
CORNER = np.array([42, 13.5, 54, 22.5])  # in one at the top left
STRETCHED = np.array([42, 24, 54, 40])  # in a picture that is stretched to SIZE
FRACTIONS = STRETCHED / [96, 64, 96, 64]
SIDES = (("images", TensorProto.FLOAT, ["N", 3, *SIZE]),)


def network(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    *,
    inputs: Sequence[tuple[str, int, Sequence[int | str]]] = SIDES,
    metadata: Mapping[str, Any] | None = None,
    scaled: Mapping[str, tuple[str, str]] | None = None,
) -> Path:
    """A graph that answers `outputs` to anything. `scaled`: outputs times or by another input, as (operator, input)."""
    nodes, values, constants = [], [], []
    for name, answer in outputs.items():
        constants.append(numpy_helper.from_array(answer, f"{name}.is"))
        if name in (scaled or {}):
            operator, by = (scaled or {})[name]
            nodes.append(helper.make_node("Cast", [by], [f"{name}.float"], to=TensorProto.FLOAT))
            # (B, 2) w h of the picture -> (B, 1, 4) w h w h
            nodes.append(helper.make_node("Concat", [f"{name}.float"] * 2, [f"{name}.four"], axis=-1))
            constants.append(numpy_helper.from_array(np.array([1]), f"{name}.axis"))
            nodes.append(helper.make_node("Unsqueeze", [f"{name}.four", f"{name}.axis"], [f"{name}.by"]))
            nodes.append(helper.make_node(operator, [f"{name}.is", f"{name}.by"], [name]))
        else:
            nodes.append(helper.make_node("Identity", [f"{name}.is"], [name]))
        kind = helper.np_dtype_to_tensor_dtype(answer.dtype)
        values.append(helper.make_tensor_value_info(name, kind, [f"{name}{k}" for k in range(answer.ndim)]))
    graph = helper.make_graph(
        nodes, "layout", [helper.make_tensor_value_info(*spec) for spec in inputs], values, constants
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    onnx.save(model, path)
    return path


def f32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def i64(values: Any) -> NDArray[np.int64]:
    return np.asarray(values, np.int64)


def centred(corners: NDArray[Any]) -> NDArray[Any]:
    """x1 y1 x2 y2 as x y w h."""
    return np.concatenate([(corners[..., :2] + corners[..., 2:]) / 2, corners[..., 2:] - corners[..., :2]], axis=-1)


def queries(classes: int, person: int, on: float, off: float, nobody: float | None = None) -> NDArray[np.float32]:
    """(1, 20, C) scores where query 7 is the person. `nobody` is a last column's, for all others."""
    scores = np.full((1, 20, classes + (nobody is not None)), off, np.float32)
    if nobody is not None:
        scores[:, :, -1] = nobody
        scores[0, 7, -1] = off
    scores[0, 7, person] = on
    return scores


def boxes_of(person: NDArray[Any], count: int = 20, *, size: Sequence[float] = (1, 1)) -> NDArray[np.float32]:
    """(1, N, 4) corners, the person's the eighth. Others lie about in an input of `size` (H, W)."""
    chance = np.random.default_rng(0)
    starts, sides = chance.uniform(0, 0.6, (count, 2)), chance.uniform(0.05, 0.3, (count, 2))
    boxes = np.concatenate([starts, starts + sides], axis=1) * np.array([size[1], size[0]] * 2)
    boxes[7] = person
    return f32(boxes[None])


def nothing(rows: int, columns: int) -> NDArray[np.float32]:
    return np.zeros((1, rows, columns), np.float32)


def listed(person: NDArray[Any], label: int, *, rows: int = 5) -> tuple[Any, Any, Any]:
    """Boxes (1, N, 4), scores (1, N) and labels (1, N): a dog, the person, and padding."""
    boxes, scores, labels = nothing(rows, 4), np.zeros((1, rows), np.float32), np.zeros((1, rows), np.float32)
    boxes[0, :2] = np.stack([person * 0.5, person])
    scores[0, :2], labels[0, :2] = (0.9, 0.8), (label + 16, label)
    return boxes, scores, labels


LOGIT = float(np.log(0.8 / 0.2))
D_FINE = (*SIDES, ("orig_target_sizes", TensorProto.INT64, ["N", 2]))
PADDLE = (("image", TensorProto.FLOAT, ["N", 3, *SIZE]), ("scale_factor", TensorProto.FLOAT, ["N", 2]))
HF_DETR = (("pixel_values", TensorProto.FLOAT, ["N", 3, *SIZE]), ("pixel_mask", TensorProto.INT64, ["N", 64, 64]))
NHWC = (("inputs:0", TensorProto.UINT8, ["N", *SIZE, 3]),)
CHW = (("image", TensorProto.FLOAT, [3, *SIZE]),)


def layouts() -> dict[str, dict[str, Any]]:
    """The arguments of `network` by the layout's name, each with one person at PERSON, score 0.8."""
    fractions, stretched = boxes_of(FRACTIONS), boxes_of(STRETCHED, size=SIZE)
    letterboxed = boxes_of(CENTRED, size=SIZE)
    probabilities = queries(80, 0, 0.8, 0.01)
    boxes, scores, labels = listed(CENTRED, 0)
    row = np.concatenate([CENTRED, [0.8, 0]])
    queried = [centred(FRACTIONS), *(centred(fractions[0, k]) for k in range(3))]
    rows = nothing(300, 6)
    rows[0, 0], rows[0, 1] = row, [3, 3, 9, 9, 0.7, 16]
    dog = [3, 3, 9, 9]
    transposed_v8, yolox = (
        answer_of("yolov8", [(48, 32, 12, 9, 0.8)], 80),
        answer_of("yolox", [(48, 18, 12, 9, 0.8)], 80),
    )
    one_class = answer_of("yolov8", [(48, 32, 12, 9, 0.8)], 1)
    v5 = answer_of("yolov5", [(48, 32, 12, 9, 0.8)], 80)
    chw = listed(CORNER, 1)
    tf = listed(FRACTIONS, 1)
    y_first = tf[0][:, :, [1, 0, 3, 2]]
    flat7 = f32([[0, *CENTRED, 0.8, 0], [0, *dog, 0.7, 16]])
    return {
        "RT-DETR of optimum": {"outputs": {"logits": queries(80, 0, LOGIT, -5), "pred_boxes": centred(fractions)}},
        "RF-DETR": {"outputs": {"dets": centred(fractions), "labels": queries(91, 1, LOGIT, -5)}},
        "RF-DETR, its own classes": {
            "outputs": {"labels": queries(4, 2, LOGIT, -5), "dets": centred(fractions)},
            "metadata": {"names": {0: "dog", 1: "cat", 2: "person"}},
        },
        "DETR with a mask": {
            "outputs": {
                "logits": queries(91, 1, float(np.log(4 * 91) - 3), -3, nobody=8.0),
                "pred_boxes": centred(fractions),
            },
            "inputs": HF_DETR,
        },
        "hidden states beside": {
            "outputs": {
                "last_hidden_state": f32(np.random.default_rng(1).normal(0, 1, (1, 20, 256))),
                "logits": queries(80, 0, LOGIT, -5),
                "pred_boxes": centred(fractions),
            }
        },
        "any names": {"outputs": {"a": queries(80, 0, LOGIT, -5), "b": centred(fractions)}},
        "D-FINE with sizes": {
            "outputs": {
                "labels": i64([[16, 0, 3]]),
                "boxes": f32([[dog, dog, dog]]),
                "scores": f32([[0.9, 0.8, 0.02]]),
            },
            "inputs": D_FINE,
        },
        "Ultralytics' RT-DETR": {"outputs": {"output0": np.concatenate([centred(fractions), probabilities], axis=2)}},
        "YOLO-NAS": {"outputs": {"graph2_pred_boxes": letterboxed, "graph2_pred_scores": probabilities}},
        "PP-YOLOE without NMS": {
            "outputs": {"boxes": stretched, "scores": np.swapaxes(probabilities, 1, 2).copy()},
            "inputs": PADDLE,
        },
        "PP-YOLOE with NMS": {
            "outputs": {
                "multiclass_nms3_0.tmp_0": f32([[16, 0.9, *dog], [0, 0.8, *STRETCHED]]),
                "multiclass_nms3_0.tmp_2": np.array([2], np.int32),
            },
            "inputs": PADDLE,
        },
        "rows": {"outputs": {"output0": rows}},
        "rows in columns": {"outputs": {"output0": np.swapaxes(rows, 1, 2).copy()}},
        "rows, class before score": {"outputs": {"output0": rows[:, :, [0, 1, 2, 3, 5, 4]]}},
        "rows, class first": {"outputs": {"output0": rows[:, :, [5, 4, 0, 1, 2, 3]]}},
        "rows of x y w h in fractions": {
            "outputs": {
                "output0": f32([[[*fraction, 0.8 - 0.3 * (k > 0), 16 * (k > 0)] for k, fraction in enumerate(queried)]])
            }
        },
        "rows without a class": {"outputs": {"output0": rows[:, :1, :5]}},
        "rows of Caffe's SSD": {
            "outputs": {"detection_out": f32([[[[0, 16, 0.9, *FRACTIONS / 2], [0, 1, 0.8, *FRACTIONS]]]])}
        },
        "rows of one picture": {"outputs": {"output0": rows[0, :2]}},
        "YOLOv7 with NMS": {"outputs": {"output": flat7[:, [0, 1, 2, 3, 4, 6, 5]]}},
        "YOLO-NAS, flat": {"outputs": {"graph2_flat_predictions": flat7}},
        "batched NMS": {
            "outputs": {
                "num_dets": np.array([[2]], np.int32),
                "det_boxes": boxes,
                "det_scores": scores,
                "det_classes": labels.astype(np.int32),
            }
        },
        "batched NMS without names": {"outputs": {"a": labels, "b": i64([[2]]), "c": boxes, "d": scores}},
        "MMDeploy": {
            "outputs": {
                "dets": f32([[[*CORNER, 0.8], [*dog, 0.7], [0, 0, 0, 0, 0]]]),
                "labels": i64([[0, 16, -1]]),
            }
        },
        "TensorFlow's SSD": {
            "outputs": {
                "detection_anchor_indices": f32([[4, 7, 3, 2, 1]]),
                "detection_boxes": y_first,
                "detection_classes": tf[2],
                "detection_scores": tf[1],
                "num_detections": f32([2]),
                "raw_detection_boxes": boxes_of(FRACTIONS, 50),
                "raw_detection_scores": f32(np.full((1, 50, 91), 0.4)),
            },
            "inputs": NHWC,
        },
        "the model zoo's SSD": {"outputs": {"bboxes": tf[0], "labels": i64(tf[2]), "scores": tf[1]}},
        "torchvision": {
            "outputs": {"boxes": chw[0][0, :2], "labels": i64(chw[2][0, :2]), "scores": chw[1][0, :2]},
            "inputs": CHW,
        },
        "YOLOv4": {
            "outputs": {"boxes": fractions[:, :, None], "confs": probabilities},
        },
        "YOLOv8 transposed": {"outputs": {"output0": f32(transposed_v8.T[None])}},
        "YOLOv8 of one class": {"outputs": {"output0": f32(one_class[None])}},
        "YOLOv8 of one class transposed": {"outputs": {"output0": f32(one_class.T[None])}},
        "YOLOX transposed": {"outputs": {"output": f32(yolox.T[None])}},
        "YOLOv5 transposed": {"outputs": {"output": f32(v5.T[None])}},
        "YOLOv8 in fractions": {
            "outputs": {"output0": f32((transposed_v8 / np.r_[[96, 64] * 2, [1] * 80][:, None])[None])}
        },
        "PP-YOLOE in one output": {
            "outputs": {
                "concat": f32(
                    np.concatenate(
                        [
                            transposed_v8.T[:, :2] - transposed_v8.T[:, 2:4] / 2,
                            transposed_v8.T[:, :2] + transposed_v8.T[:, 2:4] / 2,
                            transposed_v8.T[:, 4:],
                        ],
                        axis=1,
                    )[None]
                )
            }
        },
    }


@pytest.mark.parametrize("name", layouts())
def test_each_layout_shows_its_person(tmp_path: Path, name: str) -> None:
    arguments = layouts()[name]
    if name == "D-FINE with sizes":  # a fraction of the size that it is told
        arguments["outputs"]["boxes"] = f32([[FRACTIONS * 0.5, FRACTIONS, FRACTIONS * 0.7]])
        arguments["scaled"] = {"boxes": ("Mul", "orig_target_sizes")}
    detector = OnnxDetector(network(tmp_path / "a.onnx", **arguments), device="cpu", threads=1)
    pictures = [Frame("gate", k, 0.0, np.zeros((*PICTURE, 3), np.uint8)) for k in range(2)]
    for detections in [detector.detect(pictures[:1])[0], detector.detect(pictures)[1]]:
        assert len(detections) == 1, detector.head.describe()
        np.testing.assert_allclose(detections.boxes, [PERSON], atol=0.1)
        np.testing.assert_allclose(detections.scores, [0.8], atol=2e-3)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "scores beyond 1": ({"output0": f32([[[*CENTRED, 7.5, 0]]])}, "output0 float32 1x1x6|output0 float 1x1x6"),
    "scores in percent": ({"output0": f32([[[*CENTRED, 80, 0], [1, 2, 9, 8, 70, 1]]])}, "scores go from 70 to 80"),
    "classes that are not whole": ({"output0": f32([[[*CENTRED, 0.8, 0.4]]])}, "class numbers are not whole"),
    "boxes that end before they begin": ({"output0": f32([[[54, 36, 42, 27, 0.8, 0]]])}, "ends before it begins"),
    "boxes without sides": ({"output0": f32([[[54, 36, 54, 39, 0.8, 0], [20, 10, 30, 10, 0.8, 0]]])}, "no sides"),
    "no numbers": ({"output0": f32([[[np.nan, 27, 54, 36, 0.8, 0]]])}, "no number"),
    "boxes without end": ({"output0": f32([[[42, 27, np.inf, 36, 0.8, 0]]])}, "no number"),
    "boxes far outside": ({"output0": f32([[[42, 27, 5400, 3600, 0.8, 0]]])}, "far outside"),
    "anchors with scores beyond 1": ({"output0": f32(answer_of("yolov8", [(48, 32, 12, 9, 5)], 80)[None])}, "to 5"),
    "anchors without a number": ({"output0": f32(answer_of("yolov8", [(48, 32, 12, 9, np.nan)], 80)[None])}, "nan"),
    "YOLOv5 without its decoding": ({"output": np.full((1, 378, 85), 0.3, np.float32)}, "output float 1x378x85"),
    "boxes and hidden states": (
        {"boxes": centred(boxes_of(FRACTIONS)), "states": f32(np.random.default_rng(0).normal(0, 1, (1, 20, 80)))},
        "too many logits are above 0",
    ),
    "features": (
        {"features": f32(np.random.default_rng(0).normal(0, 1, (1, 256, 8, 12)))},
        "features float 1x256x8x12",
    ),
    "a class": ({"logits": f32([[0.2, 3, -4]])}, "logits float 1x3 to a 64x96 picture"),
    "masks alone": ({"masks": np.full((1, 32, 16, 24), 0.5, np.float32)}, "masks float 1x32x16x24"),
    "scores that are none": (
        {"boxes": listed(CENTRED, 0)[0], "scores": f32([[3.5, 4.5, 0, 0, 0]]), "labels": i64([[16, 0, 0, 0, 0]])},
        "boxes float 1x5x4, scores float 1x5, labels int64 1x5.*scores go from 3.5 to 4.5",
    ),
    "labels that are not whole": (
        {"boxes": listed(CENTRED, 0)[0], "scores": f32([[0.9] * 5]), "labels": f32([[0.3, 0.4, 0, 0, 0]])},
        "labels float 1x5",
    ),
    "a grid apart": (
        {"small": np.full((1, 255, 8, 12), 0.1, np.float32), "large": np.full((1, 255, 4, 6), 0.1, np.float32)},
        "small float 1x255x8x12, large float 1x255x4x6",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_answers_that_can_be_no_boxes_and_scores_are_refused(tmp_path: Path, name: str) -> None:
    outputs, said = WRONG[name]
    with pytest.raises(DetectorError, match=said) as refusal:
        OnnxDetector(network(tmp_path / "a.onnx", outputs), device="cpu", threads=1)
    assert "which is no head known here" in str(refusal.value)


def test_a_person_is_who_the_names_or_the_user_say(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sightline")

    def people(outputs: Mapping[str, Any], person_class: str | None = None, **more: Any) -> int:
        path = network(tmp_path / "a.onnx", outputs, **more)
        detector = OnnxDetector(path, device="cpu", threads=1, person_class=person_class)
        return len(detector.detect([Frame("gate", 0, 0.0, np.zeros((*PICTURE, 3), np.uint8))])[0])

    boxes = centred(boxes_of(FRACTIONS))
    twelve = {"pred_boxes": boxes, "logits": queries(12, 7, LOGIT, -5)}
    with pytest.raises(DetectorError, match=r"has 12 classes without names.*give its number with --person-class"):
        people(twelve)
    assert people(twelve, "7") == 1
    assert people(twelve, "6") == 0
    with pytest.raises(DetectorError, match="has no class 12: its numbers go from 0 to 11"):
        people(twelve, "12")
    with pytest.raises(DetectorError, match="has no class 'pedestrian' but no names of classes"):
        people(twelve, "pedestrian")
    names = {k: "rider" if k == 7 else f"thing {k}" for k in range(12)}
    for told in (names, list(names.values()), "[" + ", ".join(f'"{name}"' for name in names.values()) + "]"):
        assert people(twelve, "Rider", metadata={"names": told}) == 1
    assert people(twelve, metadata={"classes": ",".join(names.values()).replace("rider", "Person")}) == 1
    with pytest.raises(DetectorError, match="no class named person among its 12"):
        people(twelve, metadata={"names": names})
    assert "are taken for COCO's" not in caplog.text
    assert people({"dets": boxes, "labels": queries(91, 1, LOGIT, -5)}) == 1
    assert "its 91 classes have no names, so they are taken for COCO's, where 1 is a person" in caplog.text
    contiguous = {"names": ["person", *(f"thing {k}" for k in range(79))]}
    assert people({"dets": boxes, "labels": queries(91, 1, LOGIT, -5)}, metadata=contiguous) == 1
    named = listed(CORNER, 2)
    of_torchvision = {"boxes": named[0][0, :2], "labels": i64(named[2][0, :2]), "scores": named[1][0, :2]}
    assert people(of_torchvision, inputs=CHW) == 0
    assert people(of_torchvision, "2", inputs=CHW) == 1
    assert (
        people(
            of_torchvision, inputs=CHW, metadata={"names": ["__background__", "dog", "person", *"abcdefghijklmnopqr"]}
        )
        == 1
    )
    assert people(of_torchvision, inputs=CHW, metadata={"names": ["dog", "person", *"abcdefghijklmnopqr"]}) == 1


def seeing(path: Path, rows: NDArray[np.float32]) -> Path:
    """A graph that answers rows (1, N, 6) times the picture's brightness, so to black with nothing."""
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["images"], ["brightest"], keepdims=0),
            helper.make_node("Equal", ["brightest", "blue"], ["is"]),
            helper.make_node("Cast", ["is"], ["factor"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["rows", "factor"], ["output0"]),
        ],
        "seeing",
        [helper.make_tensor_value_info(*SIDES[0])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, list(rows.shape))],
        [
            numpy_helper.from_array(rows, "rows"),
            numpy_helper.from_array(f32(np.float32(200) * np.float32(1 / 255)), "blue"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


BRIGHT = Frame("gate", 0, 0.0, np.full((*PICTURE, 3), 200, np.uint8))
DARK = Frame("gate", 0, 0.0, np.zeros((*PICTURE, 3), np.uint8))


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ([*CENTRED, 0.8, 0], 1),
        ([*CENTRED, 0, 0.8], 1),  # class before score
        ([0, 0.8, *CENTRED], 1),
        ([*FRACTIONS, 0.8, 0], 1),  # in fractions, so the picture is stretched from here on
        ([*CENTRED, 0.8, 16], 0),
        ([*CENTRED, 7.5, 0], "scores go from 7.5 to 7.5, not from 0 to 1"),
        ([*CENTRED, 0.8, 0.5], "class numbers are not whole"),
        ([*CENTRED, 0.8, 85], "class numbers go from 85 to 85, not from 0 to 79"),
        ([*CENTRED[[2, 3, 0, 1]], 0.8, 0], "ends before it begins"),
    ],
)
def test_what_the_first_box_shows_is_checked_when_it_comes(tmp_path: Path, row: list[float], found: int | str) -> None:
    rows = nothing(4, 6)
    rows[0, 0] = row
    detector = OnnxDetector(seeing(tmp_path / "a.onnx", rows), device="cpu", threads=1)
    assert len(detector.detect([DARK])[0]) == 0
    if isinstance(found, str):
        with pytest.raises(DetectorError, match=f"can't be rows of box score class.*{found}.*output0 float 1x4x6"):
            detector.detect([BRIGHT])
        return
    (detections,) = detector.detect([BRIGHT])
    assert len(detections) == found
    if found:
        np.testing.assert_allclose(detections.boxes, [PERSON], atol=0.1)


def test_what_was_read_once_is_not_read_otherwise_later(tmp_path: Path) -> None:
    rows = nothing(4, 6)
    rows[0, 0] = [*CENTRED, 0.8, 0]
    detector = OnnxDetector(seeing(tmp_path / "a.onnx", rows), device="cpu", threads=1)
    assert len(detector.detect([BRIGHT])[0]) == 1
    rows[0, 0] = [*CENTRED, 0, 0.8]
    other = OnnxDetector(seeing(tmp_path / "b.onnx", rows), device="cpu", threads=1)
    detector._session = other._session
    with pytest.raises(DetectorError, match="can't be rows of box score class"):
        detector.detect([BRIGHT])


@pytest.mark.parametrize("kind", ["flat", "counted"])
def test_rows_of_several_pictures_are_told_apart(tmp_path: Path, kind: str) -> None:
    person = [*CENTRED, 0.8, 0]
    outputs: dict[str, Any] = {"output": f32([[1, *person], [3, *person], [3, *person[:4], 0.6, 0]])}
    if kind == "counted":
        outputs = {"rows": f32([person, person, [*person[:4], 0.6, 0]]), "number": np.array([0, 1, 0, 2], np.int32)}
    path = network(tmp_path / "a.onnx", outputs, inputs=[("images", TensorProto.FLOAT, [4, 3, *SIZE])])
    found = OnnxDetector(path, device="cpu", threads=1).detect([DARK] * 4)
    assert [len(detections) for detections in found] == [0, 1, 0, 2]


def test_answers_to_several_pictures_that_nothing_tells_apart_are_refused(tmp_path: Path) -> None:
    path = network(
        tmp_path / "a.onnx", {"rows": nothing(9, 6)[0]}, inputs=[("images", TensorProto.FLOAT, [4, 3, *SIZE])]
    )
    with pytest.raises(DetectorError, match="4 pictures at once without telling them apart"):
        OnnxDetector(path, device="cpu", threads=1)


def measuring(path: Path, first: list[onnx.NodeProto], *, shape: Sequence[int | str], dtype: int) -> Path:
    """A YOLO-NAS whose person's score is the first channel's mean after the nodes `first`, from images to `values`."""
    last = shape[-1] == 3
    graph = helper.make_graph(
        [
            *first,
            helper.make_node("ReduceMean", ["values"], ["means"], axes=[1, 2] if last else [2, 3], keepdims=0),
            helper.make_node("Gather", ["means", "zero"], ["red"], axis=1),
            helper.make_node("Mul", ["red", "pick"], ["scores"]),
            helper.make_node("Identity", ["all"], ["boxes"]),
        ],
        "measuring",
        [helper.make_tensor_value_info("images", dtype, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("boxes", "scores")],
        [
            numpy_helper.from_array(boxes_of(CENTRED, size=SIZE), "all"),
            numpy_helper.from_array(f32([[[k == 7] for k in range(20)]]), "pick"),
            numpy_helper.from_array(i64(0), "zero"),
            numpy_helper.from_array(f32(255), "255"),
            numpy_helper.from_array(f32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), "mean"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT, TensorProto.UINT8])
@pytest.mark.parametrize("shape", [[1, 3, *SIZE], [1, *SIZE, 3], ["b", 3, "h", "w"], ["b", "h", "w", 3]])
@pytest.mark.parametrize("inside", ["nothing", "divides", "subtracts"])
def test_numbers_mean_what_the_graph_takes_them_for(
    tmp_path: Path, inside: str, shape: list[int | str], dtype: int
) -> None:
    cast = [helper.make_node("Cast", ["images"], ["as float"], to=TensorProto.FLOAT)]
    if inside == "divides" or dtype == TensorProto.UINT8:
        nodes = [*cast, helper.make_node("Div", ["as float", "255"], ["values"])]
    elif inside == "subtracts":
        if shape[-1] == 3:
            pytest.skip("its mean is of channels first")
        shift = helper.make_node("Sub", ["as float", "mean"], ["shifted"])
        nodes = [*cast, shift, helper.make_node("Add", ["shifted", "mean"], ["values"])]
    else:
        nodes = [*cast, helper.make_node("Identity", ["as float"], ["values"])]
    path = measuring(tmp_path / "a.onnx", nodes, shape=shape, dtype=dtype)
    detector = OnnxDetector(path, device="cpu", threads=1)
    (detections,) = detector.detect([Frame("gate", 0, 0.0, np.full((96, 96, 3), (153, 50, 0), np.uint8))])
    np.testing.assert_allclose(detections.scores, [0.6], atol=0.1 if shape[0] == 1 else 5e-3)  # of grey padding


def test_inputs_of_unknown_meaning_are_refused(tmp_path: Path) -> None:
    for extra in [("conf", TensorProto.FLOAT, [1]), ("more", TensorProto.FLOAT, ["N", 3, 8, 8])]:
        path = network(tmp_path / "a.onnx", {"output0": nothing(4, 6)}, inputs=[*SIDES, extra])
        with pytest.raises(DetectorError, match=f"takes images float .x3x64x96, {extra[0]} float.*export it so"):
            OnnxDetector(path, device="cpu", threads=1)
