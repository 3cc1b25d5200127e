"""Foreign models that loop, swell, crash or lie: each is one sentence, and soon."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deploy import probe
from deploy.detectors import DetectorError
from deploy.detectors.load import load_detector
from deploy.encoder import OnnxError, open_encoder


def saved(path: Path, graph: onnx.GraphProto, metadata: dict[str, str] | None = None) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def endless(path: Path) -> Path:
    """A detector that never answers: a loop of 2**62 turns, whose body does nothing."""
    turns, going = (numpy_helper.from_array(np.array(v), n) for v, n in ((2**62, "turns"), (True, "going")))
    body = helper.make_graph(
        [helper.make_node("Identity", ["cond_in"], ["cond"]), helper.make_node("Identity", ["state_in"], ["state"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("cond_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state_in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("cond", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["turns", "going", "images"], ["output"], body=body)],
        "endless",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)],
        [turns, going],
    )
    return saved(path, graph)


def detector_of(path: Path, side: int | str = 64, batch: int = 1, metadata: dict[str, str] | None = None) -> Path:
    """A detector that finds nobody."""
    nothing = numpy_helper.from_array(np.zeros((1, 10, 6), np.float32), "nothing")
    graph = helper.make_graph(
        [helper.make_node("Identity", ["nothing"], ["output"])],
        "empty",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 10, 6])],
        [nothing],
    )
    return saved(path, graph, metadata)


def test_an_endless_model_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = endless(tmp_path / "endless.onnx")
    monkeypatch.setattr(probe, "SECONDS", 4.0)
    began = time.monotonic()
    with pytest.raises(DetectorError, match="does not come to an end within 4 s"):
        load_detector(str(path), device="cpu")
    with pytest.raises(OnnxError, match=r"does not come to an end|an encoder takes"):
        open_encoder(path)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("side", "batch", "metadata", "said"),
    [
        (40_000, 1, {}, "wants 1 pictures of 40000x40000"),
        ("side", 1, {"imgsz": "40000"}, "wants 1 pictures of 40000x40000"),
        ("side", 1, {"imgsz": "[-640, 640]"}, "pictures of -640x640"),
        ("side", 1, {"stride": "1000000"}, "in steps of 1000000"),
        (640, 1_000_000, {}, "wants 1000000 pictures"),
        (64, 1, {"names": "[" * 5000}, ""),
        (64, 1, {"names": "{'a': 1, None: []}", "batch": "-1", "args": "{'conf': 10**9}"}, ""),
        (64, 1, {"imgsz": "9" * 5000}, ""),
    ],
)
def test_what_a_model_says_of_itself_is_not_believed(
    tmp_path: Path, side: int | str, batch: int, metadata: dict[str, str], said: str
) -> None:
    path = detector_of(tmp_path / "m.onnx", side, batch, metadata)
    if not said:
        assert load_detector(str(path), device="cpu").batch >= 1
        return
    with pytest.raises(DetectorError, match=said):
        load_detector(str(path), device="cpu")


def test_a_process_that_swells_crashes_or_raises_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.touch()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(probe, "BYTES", 300_000_000)
    for function, said in (
        ("crash", "crashes the library that runs it [(]SIGSEGV[)]"),
        ("swell", "takes more than 0.3 GB of memory"),
        ("refuse", "can't be used [(]LookupError: no such thing[)]"),
    ):
        with pytest.raises(probe.ProbeError, match=said):
            probe.probe(path, f"tests.deploy.test_probe:{function}")


def crash(path: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def swell(path: str) -> None:
    held = []
    while True:
        held.append(np.ones(10_000_000))
        time.sleep(0.02)


def refuse(path: str) -> None:
    raise LookupError("no such thing")
