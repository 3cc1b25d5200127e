"""The encoder: first weights, its file, its ONNX, and encoders between two."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from deploy.onnx_runtime import onnxruntime
from reid.encoder import (
    EncoderConfig,
    EncoderError,
    between,
    export_onnx,
    load_encoder,
    new_encoder,
    save_encoder,
)
from tests.reid.encoder.encoders import TINY, lived_in, random_crops, tiny

OLD_FIELDS = ("channels", "blocks", "stripes", "dimensions", "height", "width")
FIRST_WEIGHTS = {  # of seed 0
    "backbone.layers.0.weight": [-0.06704519, 0.103636, 0.1341054],
    "backbone.layers.9.path.0.weight": [0.07152539, -0.03705223, -0.04080467],
    "head.project.weight": [-0.01231441, 0.02066651, 0.03082081],
}


def test_the_default_size_is_light() -> None:
    encoder = new_encoder(seed=0)
    assert encoder.parameter_count < 1_500_000  # 6 MB
    rows = encoder.embed(random_crops(3, encoder.config))
    assert rows.shape == (3, 512)
    assert torch.allclose(rows.norm(dim=1), torch.ones(3), atol=1e-5)


def test_batching_does_not_matter_and_none_is_fine() -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    crops = random_crops(7, TINY)
    assert torch.allclose(encoder.embed(crops, batch=2), encoder.embed(crops), atol=1e-5)
    assert encoder.embed(crops[:0]).shape == (0, 16)


def test_same_seed_same_weights() -> None:
    first, again, other = (new_encoder(TINY, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_file_keeps_weights_and_shape(tmp_path: Path) -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    save_encoder(encoder, tmp_path / "e.safetensors")
    loaded = load_encoder(tmp_path / "e.safetensors")
    assert loaded.config == TINY
    assert torch.equal(loaded.embed(random_crops(3, TINY)), encoder.embed(random_crops(3, TINY)))
    assert [path.name for path in tmp_path.iterdir()] == ["e.safetensors"]


def test_between_two_are_their_weights_and_statistics_and_nothing_else() -> None:
    first, other = (lived_in(new_encoder(TINY, seed=seed)) for seed in (0, 1))
    half, crops = between(first, other, 0.25).state_dict(), random_crops(3, TINY)
    for name, weight in half.items():
        first_weight, other_weight = first.state_dict()[name], other.state_dict()[name]
        assert torch.allclose(
            weight.double(),
            0.75 * first_weight.double() + 0.25 * other_weight.double()
            if weight.is_floating_point()
            else other_weight.double(),
        )
    assert torch.equal(between(first, other, 0.0).embed(crops), first.embed(crops))
    assert torch.equal(between(first, other, 1.0).embed(crops), other.embed(crops))
    beyond = between(first, between(first, other, 0.5), 2.0)
    assert torch.allclose(beyond.embed(crops), other.embed(crops), atol=1e-5)
    larger = new_encoder(dataclasses.replace(TINY, height=96, width=48), seed=1)
    assert between(first, larger, 0.5).size == (96, 48)
    with pytest.raises(EncoderError, match="differ in shape"):
        between(first, new_encoder(dataclasses.replace(TINY, dimensions=8), seed=1), 0.5)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match="is no encoder"):
        load_encoder(tmp_path / "other")


@pytest.mark.parametrize(
    "written",
    [
        "null",
        "[]",
        "[" * 5000,
        "{}",
        '{"channels": [4, 4, 4, 4, 1000000000], "blocks": [1, 1, 1, 1]}',
        '{"channels": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1000000000]}',
        '{"channels": null, "blocks": 3}',
        '{"channels": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1], "dimensions": ' + "9" * 5000 + "}",
        '{"channels": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1], "head": ["x"]}',
        '{"channels": [4, 4, 4, 4, 4], "blocks": [1, 1, 1, 1], "stripes": 0}',
        '{"channels": [8000, 8000, 8000, 8000, 8000], "blocks": [50, 50, 50, 50]}',
    ],
)
def test_a_malformed_configuration_is_refused(tmp_path: Path, written: str) -> None:
    weights = {name: weight.contiguous() for name, weight in new_encoder(TINY, seed=0).state_dict().items()}
    safetensors.torch.save_file(weights, tmp_path / "e.safetensors", {"encoder": written})
    with pytest.raises(EncoderError, match="is no encoder of this version"):
        load_encoder(tmp_path / "e.safetensors")


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, wrong: float) -> None:
    encoder = new_encoder(TINY, seed=0)
    with torch.no_grad():
        next(encoder.parameters())[0, 0, 0, 0] = wrong
    save_encoder(encoder, tmp_path / "e.safetensors")
    with pytest.raises(EncoderError, match="weights that are no numbers"):
        load_encoder(tmp_path / "e.safetensors")


def test_onnx_takes_raw_crops_and_gives_the_same_rows(tmp_path: Path) -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    export_onnx(encoder, tmp_path / "e.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "e.onnx", providers=["CPUExecutionProvider"])
    assert [(given.name, given.type) for given in session.get_inputs()] == [("crops", "tensor(uint8)")]
    for count in (1, 5):
        crops = random_crops(count, TINY)
        (rows,) = session.run(["embedding"], {"crops": crops.numpy()})
        assert np.abs(rows - encoder.embed(crops).numpy()).max() < 1e-3
    assert [path.name for path in tmp_path.iterdir()] == ["e.onnx"]


def test_the_first_base_encoder_stays_as_it_was_trained(tmp_path: Path) -> None:
    """Its first weights, and a file of the time when there was no other encoder."""
    encoder = new_encoder(seed=0)
    weights = encoder.state_dict()
    assert FIRST_WEIGHTS.keys() <= weights.keys()
    for name, values in FIRST_WEIGHTS.items():
        assert weights[name].flatten()[:3].tolist() == pytest.approx(values, rel=1e-5), name
    lived_in(encoder)
    old = {name: dataclasses.asdict(encoder.config)[name] for name in OLD_FIELDS}
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    safetensors.torch.save_file(tensors, tmp_path / "old", {"encoder": json.dumps(old)})
    loaded = load_encoder(tmp_path / "old")
    assert loaded.config == EncoderConfig()
    assert torch.equal(loaded.embed(random_crops(3, loaded.config)), encoder.embed(random_crops(3, encoder.config)))


def test_features_are_embedding_pooled_map_and_stripes() -> None:
    for head in ("stripes", "embedding"):
        encoder = lived_in(new_encoder(tiny(head), seed=0))
        crops = random_crops(5, TINY)
        embedding, pooled, stripes = encoder.features(crops, 4)
        assert torch.equal(embedding, encoder(crops))
        mapped = encoder.backbone(crops.permute(0, 3, 1, 2).float())
        assert mapped.shape == (5, 8, 4, 2)
        assert torch.allclose(pooled, mapped.mean((2, 3)))
        assert stripes is not None
        assert torch.allclose(stripes, mapped.mean(3).transpose(1, 2))
        assert encoder.features(crops).stripes is None


def test_first_weights_of_a_file(tmp_path: Path) -> None:
    given = lived_in(new_encoder(TINY, seed=3))
    save_encoder(given, tmp_path / "e.safetensors")

    def equal(module: nn.Module, other: nn.Module) -> bool:
        return all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), other.state_dict().values()))

    same = new_encoder(TINY, seed=0, init=tmp_path / "e.safetensors")
    assert equal(same, given)
    other = new_encoder(tiny("fc"), seed=0, init=tmp_path / "e.safetensors")
    assert equal(other.backbone, given.backbone)
    assert equal(other.head, new_encoder(tiny("fc"), seed=0).head)
    with pytest.raises(EncoderError, match="has the backbone light"):
        new_encoder(EncoderConfig(backbone="osnet_x0_25"), seed=0, init=tmp_path / "e.safetensors")
    with pytest.raises(EncoderError, match="can't be read"):
        new_encoder(TINY, seed=0, init=tmp_path / "nothing")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"backbone": "resnet51"}, "no backbone 'resnet51': it is one of light, resnet50"),
        ({"head": "neck"}, "no head 'neck'"),
        ({"pooling": "max"}, "no pooling 'max': it is one of mean, gem"),
        ({"last_stride": 3}, "no last stride 3"),
        ({"ghost": 2}, "at least 4 images"),
        ({"head": "pooled", "dimensions": 512}, "gives 192 dimensions, not 512"),
    ],
)
def test_what_there_is_not_is_said(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        EncoderConfig(**wrong)  # type: ignore[arg-type]
