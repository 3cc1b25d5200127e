"""Foreign encoders: what they take and give is read off, and they become files of our convention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from deploy import foreign
from deploy.encoder import OnnxEncoder, OnnxError
from deploy.export import drawn_crops, read_metadata
from deploy.foreign import convert, read_foreign
from deploy.models import shipped
from deploy.onnx_runtime import onnxruntime
from deploy.preprocessing import ALL, Preprocessing, Told
from reid.normalised import normalised
from tests.deploy.encoders import binned_colours, prepared

CROPS = drawn_crops(64, 32, count=5)
DIMENSIONS = 12 * 2 * 8 * 2


def converted(path: Path, wants: Preprocessing, output: str = "feature") -> OnnxEncoder:
    out = path.with_name("converted.onnx")
    convert(read_foreign(path), out, wants, output, {"file": path.name, "from": "/home/somebody/x.onnx"})
    return OnnxEncoder(out)


@pytest.mark.parametrize("wants", ALL, ids=str)
def test_pictures_are_prepared_as_the_encoder_wants_them(tmp_path: Path, wants: Preprocessing) -> None:
    path = binned_colours(tmp_path / "a.onnx", wants)
    rows = converted(path, wants).embed(CROPS)
    theirs = onnxruntime.InferenceSession(path).run(None, {"pixels": prepared(CROPS, wants)})[0]
    assert np.allclose(rows, normalised(theirs), atol=1e-5)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    "form",
    [
        {"channels_last": True},
        {"type": "float16"},
        {"batch": 1},
        {"batch": 4},
        {"size": ("h", "w"), "batch": "n"},
        {"map_output": True},
        {"opset": 11},
        {"channels_last": True, "batch": 2, "map_output": True},
    ],
    ids=str,
)
def test_an_encoder_of_any_form_embeds_the_same(tmp_path: Path, form: dict[str, Any]) -> None:
    wants = Preprocessing("bgr", "imagenet")
    encoder = converted(binned_colours(tmp_path / "a.onnx", wants, **form), wants)
    crops = CROPS
    if "size" in form:
        assert encoder.size == (256, 128)
        return
    plain = converted(binned_colours(tmp_path / "b.onnx", wants), wants).embed(crops)
    assert encoder.size == (64, 32)
    assert np.allclose(encoder.embed(crops), plain, atol=2e-2 if form.get("type") == "float16" else 1e-5)


@pytest.mark.parametrize("channels_last", [True, False])
def test_bytes_are_taken_as_they_are(tmp_path: Path, channels_last: bool) -> None:
    wants = Preprocessing("bgr", "255")
    path = binned_colours(tmp_path / "a.onnx", wants, type="uint8", channels_last=channels_last)
    assert [str(choice) for choice in read_foreign(path).choices] == ["rgb 255", "bgr 255"]
    plain = converted(binned_colours(tmp_path / "b.onnx", wants), wants).embed(CROPS)
    assert np.allclose(converted(path, wants).embed(CROPS), plain, atol=1e-5)


def test_a_file_of_ours_stays_as_it_is(tmp_path: Path) -> None:
    base = shipped("base.onnx")
    ours = read_foreign(base)
    # The base's file says nothing of its making. One that was converted does.
    encoder = converted(binned_colours(tmp_path / "a.onnx"), Preprocessing("rgb", "imagenet"))
    again = read_foreign(tmp_path / "converted.onnx")
    assert (again.ours, again.choices) == (True, (Preprocessing("rgb", "255"),))
    convert(again, tmp_path / "again.onnx", *again.choices, "embedding", {})
    assert np.array_equal(OnnxEncoder(tmp_path / "again.onnx").embed(CROPS), encoder.embed(CROPS))
    assert (ours.size, ours.outputs) == ((128, 64), {"embedding": 512})


def test_a_converted_file_tells_nothing_of_a_machine(tmp_path: Path) -> None:
    converted(binned_colours(tmp_path / "a.onnx"), Preprocessing("rgb", "imagenet"))
    told = read_metadata(tmp_path / "converted.onnx")
    assert told["sightline.training"] == '{"file": "a.onnx", "from": "x.onnx"}'
    assert b"somebody" not in (tmp_path / "converted.onnx").read_bytes()


def test_names_of_the_network_may_be_ours(tmp_path: Path) -> None:
    """As where somebody exports a network with an input called `crops`, or brings a file of ours without metadata."""
    path = binned_colours(
        tmp_path / "a.onnx",
        head=[
            helper.make_node("Identity", ["rows"], ["crops"]),
            helper.make_node("Identity", ["crops"], ["embedding"]),
            helper.make_node("Identity", ["embedding"], ["feature"]),
        ],
    )
    rows = converted(path, Preprocessing("rgb", "imagenet")).embed(CROPS)
    plain = converted(binned_colours(tmp_path / "b.onnx"), Preprocessing("rgb", "imagenet")).embed(CROPS)
    assert np.allclose(rows, plain, atol=1e-6)


def test_of_several_outputs_those_that_can_be_embeddings_are_named(tmp_path: Path) -> None:
    head = [
        helper.make_node("Identity", ["rows"], ["feature"]),
        helper.make_node("Identity", ["cells"], ["map"]),
        helper.make_node("ReduceMax", ["rows"], ["best"], axes=[1], keepdims=0),
    ]
    path = binned_colours(tmp_path / "a.onnx", head=head, outputs=("map", "feature", "best"))
    assert read_foreign(path).outputs == {"feature": DIMENSIONS}


def test_a_file_that_takes_only_one_crop_in_truth_gets_one_at_a_time(tmp_path: Path) -> None:
    path = binned_colours(tmp_path / "a.onnx")
    model = onnx.load(path)
    shape = next(value for value in model.graph.initializer if value.name == "shape")
    shape.CopyFrom(onnx.numpy_helper.from_array(np.array([1, -1], np.int64), "shape"))  # as exporters fix it
    onnx.save(model, path)
    assert read_foreign(path).batch == 1
    plain = converted(binned_colours(tmp_path / "b.onnx"), Preprocessing("rgb", "imagenet")).embed(CROPS)
    assert np.allclose(converted(path, Preprocessing("rgb", "imagenet")).embed(CROPS), plain, atol=1e-6)


def of_nodes(path: Path, nodes: list[onnx.NodeProto], shape: list[Any], type: int = TensorProto.FLOAT) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", type, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def pooled(*then: onnx.NodeProto) -> list[onnx.NodeProto]:
    return [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        *(then or [helper.make_node("Identity", ["f"], ["y"])]),
    ]


@pytest.mark.parametrize(
    ("nodes", "shape", "why"),
    [
        (pooled(), ["n", 4, 8, 4], "an encoder takes one picture"),
        ([helper.make_node("Flatten", ["x"], ["y"])], ["n", 3], "an encoder takes one picture"),
        ([helper.make_node("Identity", ["x"], ["y"])], ["n", 3, 8, 4], r"gives y \(\d, 3, 8, 4\) for \d crops"),
        (pooled(helper.make_node("ReduceMean", ["f"], ["y"], axes=[1])), ["n", 3, 8, 4], "a row of numbers for each"),
        (
            pooled(helper.make_node("Log", ["f"], ["l"]), helper.make_node("Sqrt", ["l"], ["y"])),
            ["n", 3, 8, 4],
            "what is no number",
        ),
        (
            pooled(helper.make_node("RandomNormalLike", ["f"], ["y"])),
            ["n", 3, 8, 4],
            r"not answer a crop the same each time.*model\.eval",
        ),
        (
            pooled(
                helper.make_node("ReduceMean", ["f"], ["m"], axes=[0]),  # as batch normalisation in training
                helper.make_node("Sub", ["f", "m"], ["y"]),
            ),
            ["n", 3, 8, 4],
            r"alone and beside others: export it for evaluation",
        ),
        (pooled(), ["n", 3, 2**14, 2**14], "values are given at once; export it smaller"),
        (pooled(), [0, 3, 2**20, 2**20], "values are given at once"),
    ],
)
def test_what_is_no_encoder_is_told(tmp_path: Path, nodes: list[onnx.NodeProto], shape: list[Any], why: str) -> None:
    path = of_nodes(tmp_path / "m.onnx", nodes, shape)
    with pytest.raises(OnnxError, match=rf"m\.onnx .*{why}"):
        read_foreign(path)


def test_files_that_are_none_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(OnnxError, match=r"m\.onnx can't be read \(No such file or directory\)"):
        read_foreign(path)
    path.write_bytes(b"no model")
    with pytest.raises(OnnxError, match="is not an ONNX file"):
        read_foreign(path)
    of_nodes(path, [helper.make_node("NoSuchThing", ["x"], ["y"])], ["n", 3, 8, 4])
    with pytest.raises(OnnxError, match="can't be opened as ONNX"):
        read_foreign(path)
    model = onnx.load(binned_colours(path))
    model.opset_import[0].version = 6
    onnx.save(model, path)
    with pytest.raises(OnnxError, match="is of opset 6, and 7 is the least"):
        read_foreign(path)
    monkeypatch.setattr(foreign, "MOST_BYTES", 100)
    with pytest.raises(OnnxError, match="an encoder at most 100: name another file"):
        read_foreign(path)


def test_a_scale_that_makes_no_numbers_is_told(tmp_path: Path) -> None:
    nodes = pooled(helper.make_node("Exp", ["f"], ["y"]))
    path = of_nodes(tmp_path / "m.onnx", nodes, ["n", 3, 8, 4])
    with pytest.raises(OnnxError, match="what is no number"):
        convert(read_foreign(path), tmp_path / "out.onnx", Preprocessing("rgb", "255"), "y", {})


def test_what_was_told_leaves_the_rest_to_be_found() -> None:
    assert sum(Told().allows(way) for way in ALL) == len(ALL) == 8
    assert [str(way) for way in ALL if Told("bgr").allows(way)] == ["bgr imagenet", "bgr half", "bgr 1", "bgr 255"]
    assert [str(way) for way in ALL if Told("rgb", "half").allows(way)] == ["rgb half"]
