"""The file that is deployed: the trained network itself, smaller ones near it, and no word of who made it where."""

from __future__ import annotations

import dataclasses
import getpass
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import deploy.export
from deploy.encoder import open_encoder
from deploy.export import ExportError, check, drawn_crops, export_model, read_metadata, write_variant
from deploy.onnx_runtime import onnxruntime
from reid.encoder import Encoder, EncoderConfig, load_encoder, new_encoder

MODELS = Path(__file__).parents[2] / "deploy" / "models"
TINY = EncoderConfig(channels=(4, 8, 8, 8, 8), blocks=(1, 1, 1, 1), stripes=2, dimensions=16, height=64, width=32)
CARD = {
    "method": "eea",
    "epochs": 3,
    "start": Path("/srv/somebody/base.safetensors"),
    "data": ["site at /data/films/site-1", "C:\\Users\\jane\\crops", "/home/jane doe/videos"],
    "speed": "90 images/s",
    "note": 'stopped once\nTraceback (most recent call last):\n  File "/srv/x.py", line 3',
}


@pytest.fixture(scope="module")
def base() -> Encoder:
    return load_encoder(MODELS / "base.safetensors")


@pytest.fixture(scope="module")
def exported(base: Encoder, tmp_path_factory: pytest.TempPathFactory) -> deploy.export.Exported:
    return export_model(base, tmp_path_factory.mktemp("model"), CARD)


def test_what_is_exported_is_what_was_trained(base: Encoder, exported: deploy.export.Exported) -> None:
    data = exported.path.read_bytes()
    assert (exported.path.name, exported.bytes) == ("model.onnx", len(data))
    assert exported.sha256 == hashlib.sha256(data).hexdigest()
    assert exported.checked is not None
    assert exported.checked.crops == 32 and exported.checked.max_difference < 1e-4 and exported.checked.same_ranking
    assert [path.name for path in exported.path.parent.iterdir()] == ["model.onnx"]
    session = onnxruntime.InferenceSession(exported.path, providers=["CPUExecutionProvider"])
    (crops_input,), (embedding,) = session.get_inputs(), session.get_outputs()
    assert (crops_input.name, crops_input.type, crops_input.shape[1:]) == ("crops", "tensor(uint8)", [128, 64, 3])
    assert (embedding.name, embedding.type, embedding.shape[1]) == ("embedding", "tensor(float)", 512)
    for count in (1, 2, 5):
        crops = drawn_crops(128, 64, count)
        (rows,) = session.run(None, {"crops": crops})
        assert np.abs(rows - base.embed(torch.from_numpy(crops)).numpy()).max() < 1e-4
        assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_it_says_how_it_was_trained_but_not_where(exported: deploy.export.Exported, tmp_path: Path) -> None:
    metadata = read_metadata(exported.path)
    assert set(metadata) == {"sightline.version", "sightline.training", "sightline.opset"}
    assert int(metadata["sightline.opset"]) == exported.opset >= 18
    assert json.loads(metadata["sightline.training"]) == {
        "method": "eea",
        "epochs": 3,
        "start": "base.safetensors",
        "data": ["site at site-1", "crops", "videos"],
        "speed": "90 images/s",
        "note": "stopped once",
    }
    small = write_variant(exported.path, tmp_path / "small.onnx", "fp16").path
    assert read_metadata(small) == metadata | {"sightline.variant": "fp16"}
    for path in (exported.path, small):
        data = path.read_bytes()
        for trace in (b"/srv", b"/data", b"/tmp", b"/home", b"jane", b'File "', b"Traceback", b"site-packages"):
            assert trace not in data
        assert getpass.getuser() == "root" or getpass.getuser().encode() not in data


def test_the_same_network_is_the_same_file(base: Encoder, exported: deploy.export.Exported, tmp_path: Path) -> None:
    assert export_model(base, tmp_path, CARD).sha256 == exported.sha256
    crops = drawn_crops(128, 64)
    for kind in ("fp16", "int8"):
        first, second = (
            write_variant(exported.path, tmp_path / f"{kind}-{k}.onnx", kind, crops).sha256 for k in (0, 1)
        )  # type: ignore[arg-type]
        assert first == second


@pytest.mark.parametrize(("kind", "share", "least"), [("fp16", 0.55, 0.999), ("int8", 0.60, 0.97)])
def test_variants_are_smaller_and_near(
    kind: deploy.export.Kind,
    share: float,
    least: float,
    base: Encoder,
    exported: deploy.export.Exported,
    tmp_path: Path,
) -> None:
    small = write_variant(exported.path, tmp_path / "small.onnx", kind, drawn_crops(128, 64, 64))
    assert small.bytes < share * exported.bytes
    opened = open_encoder(small.path)
    assert opened.size == (128, 64)
    for count in (1, 9):
        crops = drawn_crops(128, 64, count, seed=1)
        cosine = (opened.embed(crops) * base.embed(torch.from_numpy(crops)).numpy()).sum(1)
        assert float(cosine.min()) > least
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


def test_other_weights_are_noticed(base: Encoder, exported: deploy.export.Exported, tmp_path: Path) -> None:
    crops = drawn_crops(128, 64, 4)
    model = onnx.load(exported.path)
    entry = next(value for value in model.graph.initializer if len(value.dims) == 4)
    weights = numpy_helper.to_array(entry).copy()
    weights[0] *= 1.5
    entry.CopyFrom(numpy_helper.from_array(weights, entry.name))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(ExportError, match=r"other.onnx differs from the trained network by .* not deployed"):
        check(base, tmp_path / "other.onnx", crops)
    weights[:] = np.nan
    entry.CopyFrom(numpy_helper.from_array(weights, entry.name))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(ExportError, match="what is no number"):
        check(base, tmp_path / "nan.onnx", crops)
    (tmp_path / "cut.onnx").write_bytes(exported.path.read_bytes()[:100_000])
    with pytest.raises(ExportError, match=r"cut.onnx can't be checked: .*can't be opened as ONNX"):
        check(base, tmp_path / "cut.onnx", crops)
    with pytest.raises(ExportError, match=r"model.onnx fails on crops of \(128, 64\)"):
        check(base, exported.path, crops[:, :64])
    with pytest.raises(ExportError, match="too few"):
        check(base, exported.path, crops[:1])


def test_another_order_of_neighbours_is_noticed() -> None:
    angles = np.array([0.0, 0.5, 0.6, 2.0], np.float32)
    rows = np.stack([np.cos(angles), np.sin(angles)], 1)
    swapped = rows[[0, 2, 1, 3]]
    assert deploy.export._same_ranking(rows, rows.copy(), 1e-3)
    assert not deploy.export._same_ranking(rows, swapped, 1e-3)
    assert deploy.export._same_ranking(rows, swapped, 0.2)  # so alike that their order says nothing


def test_what_fails_leaves_the_old_file(base: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(b"old")

    def others_weights(_: Encoder, path: Path) -> None:
        path.write_bytes((MODELS / "base.onnx").read_bytes())

    def killed(_: Encoder, path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("reid.encoder.export_onnx", others_weights)
    with pytest.raises(ExportError, match="differs from the trained network"):
        export_model(new_encoder(base.config, seed=1), tmp_path, {})
    monkeypatch.setattr("reid.encoder.export_onnx", killed)
    with pytest.raises(KeyboardInterrupt):
        export_model(base, tmp_path, {})
    for wrong in ({"loss": float("nan")}, {"weights": torch.zeros(1)}):
        with pytest.raises(ExportError, match="can't be written as JSON"):
            export_model(base, tmp_path, wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"old"


def test_variants_that_can_not_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="int8 needs crops to calibrate with"):
        write_variant(MODELS / "base.onnx", tmp_path / "small.onnx", "int8")
    with pytest.raises(ExportError, match="no variant 'int4': it is one of fp16, int8"):
        write_variant(MODELS / "base.onnx", tmp_path / "small.onnx", "int4")  # type: ignore[arg-type]
    with pytest.raises(ExportError, match="can't be read as ONNX"):
        write_variant(tmp_path / "none.onnx", tmp_path / "small.onnx", "fp16")
    assert not list(tmp_path.iterdir())


def test_a_head_that_does_not_normalise_exports_too(tmp_path: Path) -> None:
    encoder = new_encoder(dataclasses.replace(TINY, head="fc", dimensions=0), seed=0)
    exported = export_model(encoder, tmp_path, {"seed": 0})
    crops = drawn_crops(64, 32)
    rows = open_encoder(exported.path).embed(crops)
    for kind, least in (("fp16", 0.999), ("int8", 0.9)):
        small = write_variant(exported.path, tmp_path / f"{kind}.onnx", kind, crops)  # type: ignore[arg-type]
        assert float((open_encoder(small.path).embed(crops) * rows).sum(1).mean()) > least
