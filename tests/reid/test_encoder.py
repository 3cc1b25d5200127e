from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from deploy.encoder import open_encoder
from reid.encoder import (
    Encoder,
    EncoderConfig,
    EncoderError,
    between,
    export_onnx,
    load_encoder,
    new_encoder,
    save_encoder,
)
from reid.encoder.heads import GeneralisedMean
from reid.encoder.osnet import OmniScaleBlock

TINY = EncoderConfig(channels=(4, 8, 8, 8, 8), blocks=(1, 1, 1, 1), stripes=2, dimensions=16, height=64, width=32)


OLD_FIELDS = ("channels", "blocks", "stripes", "dimensions", "height", "width")
FIRST_WEIGHTS = {  # of seed 0
    "backbone.layers.0.weight": [-0.06704519, 0.103636, 0.1341054],
    "backbone.layers.9.path.0.weight": [0.07152539, -0.03705223, -0.04080467],
    "head.project.weight": [-0.01231441, 0.02066651, 0.03082081],
}
PARAMETERS = {  # of the backbone alone
    "light": 890688,
    "resnet50": 23_508_032,
    "resnet18": 11_176_512,
    "densenet121": 6_953_856,
    "mobilenet_v3_small": 927_008,
    "osnet_x1_0": 2_169_508 - 263_680,  # the paper's 2.2 and 0.2 million have FC 512 and its normalisation
    "osnet_x0_25": 201_864 - 67_072,
}


def tiny(head: str, **others: Any) -> EncoderConfig:
    """TINY with another head, of the dimensions that this has by itself."""
    return dataclasses.replace(TINY, head=head, dimensions=0, **others)  # type: ignore[arg-type]


def random_crops(count: int, config: EncoderConfig) -> torch.Tensor:
    shape = (count, config.height, config.width, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def lived_in(encoder: Encoder) -> Encoder:
    """With other statistics than those of the start."""
    encoder.train()
    for _ in range(5):
        encoder(random_crops(8, encoder.config))
    return encoder.eval()


def test_the_shipped_size_is_light() -> None:
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
    one, again, other = (new_encoder(TINY, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_file_keeps_weights_and_shape(tmp_path: Path) -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    save_encoder(encoder, tmp_path / "e.safetensors")
    loaded = load_encoder(tmp_path / "e.safetensors")
    assert loaded.config == TINY
    assert torch.equal(loaded.embed(random_crops(3, TINY)), encoder.embed(random_crops(3, TINY)))
    assert [path.name for path in tmp_path.iterdir()] == ["e.safetensors"]


def test_between_two_are_their_weights_and_statistics_and_nothing_else() -> None:
    one, other = (lived_in(new_encoder(TINY, seed=seed)) for seed in (0, 1))
    half, crops = between(one, other, 0.25).state_dict(), random_crops(3, TINY)
    for name, weight in half.items():
        mine, its = one.state_dict()[name], other.state_dict()[name]
        assert torch.allclose(
            weight.double(), 0.75 * mine.double() + 0.25 * its.double() if weight.is_floating_point() else its.double()
        )
    assert torch.equal(between(one, other, 0.0).embed(crops), one.embed(crops))
    assert torch.equal(between(one, other, 1.0).embed(crops), other.embed(crops))
    beyond = between(one, between(one, other, 0.5), 2.0)
    assert torch.allclose(beyond.embed(crops), other.embed(crops), atol=1e-5)
    larger = new_encoder(dataclasses.replace(TINY, height=96, width=48), seed=1)
    assert between(one, larger, 0.5).size == (96, 48)
    with pytest.raises(EncoderError, match="differ in shape"):
        between(one, new_encoder(dataclasses.replace(TINY, dimensions=8), seed=1), 0.5)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"no weights")
    with pytest.raises(EncoderError, match="is no encoder"):
        load_encoder(tmp_path / "other")


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


def test_exposure_and_cast_matter_less_than_the_picture() -> None:
    encoder = lived_in(new_encoder(TINY, seed=0))
    one, other = random_crops(2, TINY).float().mul(0.5).add(20).unbind()
    cast = one * torch.tensor([1.2, 1.0, 0.9])
    rows = encoder.embed(torch.stack([one, cast, other]).to(torch.uint8))
    assert rows[0] @ rows[1] > rows[0] @ rows[2]


def test_the_base_encoder_stays_as_it_was_trained(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("backbone", PARAMETERS)
def test_backbones(backbone: str) -> None:
    config = EncoderConfig(backbone=backbone, head="pooled", height=64, width=32)  # type: ignore[arg-type]
    encoder = new_encoder(config, seed=0)
    assert encoder.parameter_count == PARAMETERS[backbone]
    rows = encoder.embed(random_crops(2, config))
    assert rows.shape == (2, config.dimensions) == (2, config.features)
    assert rows.isfinite().all()
    assert not torch.equal(rows[0], rows[1])


@pytest.mark.parametrize("backbone", ["resnet50", "resnet18"])
def test_last_stride(backbone: str) -> None:
    config = EncoderConfig(backbone=backbone, head="pooled", height=64, width=64)  # type: ignore[arg-type]
    coarse = new_encoder(config, seed=0).eval()
    fine = new_encoder(dataclasses.replace(config, last_stride=1), seed=0).eval()
    images = random_crops(1, config).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        assert (coarse.backbone(images).shape[2:], fine.backbone(images).shape[2:]) == ((2, 2), (4, 4))
    assert coarse.state_dict().keys() == fine.state_dict().keys()


def test_torchvision_gets_pictures_as_on_imagenet() -> None:
    config = EncoderConfig(backbone="mobilenet_v3_small", head="pooled", height=32, width=32)
    encoder, seen = new_encoder(config, seed=0).eval(), []
    next(encoder.backbone.layers.children()).register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # type: ignore[union-attr]
    crops = random_crops(1, config)
    encoder.embed(crops)
    wanted = (crops[0].double() / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    assert torch.allclose(seen[0][0].permute(1, 2, 0).double(), wanted, atol=1e-5)


def test_osnet_is_the_papers(shared: Path) -> None:
    """The convolutions of a trained OSNet x0.25, its normalisations folded into them, give what its ONNX file gives."""
    graph = onnx.load(shared / "weights" / "osnet_x0_25_msmt17.onnx").graph
    values = {entry.name: torch.from_numpy(numpy_helper.to_array(entry).copy()) for entry in graph.initializer}
    given = [[values[name] for name in node.input[1:]] for node in graph.node if node.op_type == "Conv"]
    config = EncoderConfig(backbone="osnet_x0_25", head="pooled", height=256, width=128)
    encoder = new_encoder(config, seed=0).eval()
    ours: list[nn.Module] = []  # in the order of the file
    for layer in encoder.backbone.layers.children():  # type: ignore[union-attr]
        if isinstance(layer, OmniScaleBlock):
            gates = [layer.gate.squeeze, layer.gate.excite] * 4
            ours += [*layer.reduce, *layer.streams.modules(), *gates, *layer.expand, *layer.shortcut.children()]
        else:
            ours += layer.modules()
    bias: list[torch.Tensor] = []
    with torch.no_grad():
        for module in ours:
            if isinstance(module, nn.BatchNorm2d):
                module.weight.fill_((1 + module.eps) ** 0.5)
                module.bias.copy_(bias[0])
            elif isinstance(module, nn.Conv2d):
                weight, *bias = given.pop(0)
                module.weight.copy_(weight)
                if module.bias is not None:
                    module.bias.copy_(bias[0])
    assert not given
    crops = random_crops(2, config)
    with torch.no_grad():
        pooled = encoder.features(crops).pooled
    dense, norm = ([n for n in graph.node if n.op_type == kind][-1] for kind in ("Gemm", "BatchNormalization"))
    weight, shift = (values[name] for name in dense.input[1:])
    scale, offset, mean, variance = (values[name] for name in norm.input[1:])
    rows = functional.batch_norm(pooled @ weight.T + shift, mean, variance, scale, offset).relu()
    theirs = open_encoder(shared / "weights" / "osnet_x0_25_msmt17.onnx").embed(crops.numpy())
    assert torch.allclose(functional.normalize(rows), torch.from_numpy(theirs), atol=1e-5)


@pytest.mark.parametrize(
    ("head", "dimensions", "inner"),
    [
        ("fc", 2048, ["Linear", "BatchNorm1d", "ReLU"]),
        ("embedding", 1024, ["BatchNorm1d", "Dropout", "Linear", "BatchNorm1d"]),
        ("embedding-l2", 1024, ["BatchNorm1d", "Dropout", "Linear", "BatchNorm1d"]),
        ("pooled", 8, []),
    ],
)
def test_heads(head: str, dimensions: int, inner: list[str], tmp_path: Path) -> None:
    config = tiny(head)
    assert config.dimensions == dimensions
    encoder = new_encoder(config, seed=0)
    assert [type(layer).__name__ for layer in encoder.head.layers.children()] == inner  # type: ignore[union-attr, operator]
    crops = random_crops(6, config)
    rows = lived_in(encoder)(crops)
    assert rows.shape == (6, dimensions)
    lengths = rows.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(6), atol=1e-5) == (head == "embedding-l2")
    assert torch.allclose(encoder.embed(crops), functional.normalize(rows), atol=1e-6)
    save_encoder(encoder, tmp_path / "e.safetensors")
    assert torch.equal(load_encoder(tmp_path / "e.safetensors")(crops), rows)


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


def test_generalised_mean_goes_from_mean_to_maximum() -> None:
    mapped = torch.rand(3, 5, 4, 2) + 0.1
    pool = GeneralisedMean()
    with torch.no_grad():
        pool.power.fill_(1.0)
        assert torch.allclose(pool(mapped), mapped.mean((2, 3)))
        pool.power.fill_(60.0)
        assert torch.allclose(pool(mapped), mapped.amax((2, 3)), rtol=0.04)
    encoder = new_encoder(tiny("pooled", pooling="gem"), seed=0)
    assert [name for name, _ in encoder.head.named_parameters()] == ["pool.power"]


def test_ghost_groups_are_normalised_by_themselves() -> None:
    plain = new_encoder(tiny("embedding"), seed=0)
    ghost = new_encoder(dataclasses.replace(plain.config, ghost=4, dropout=0.0), seed=0)
    assert ghost.state_dict().keys() == plain.state_dict().keys()
    plain = new_encoder(dataclasses.replace(plain.config, dropout=0.0), seed=0)
    crops = random_crops(12, TINY)
    together, apart = ghost(crops), torch.cat([plain(part) for part in crops.split(4)])
    assert torch.allclose(together, apart, atol=1e-4)
    assert not torch.allclose(plain(crops), apart, atol=1e-2)
    norms = [next(m for m in e.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)) for e in (ghost, plain)]
    assert norms[0].running_mean is not None
    assert norms[0].num_batches_tracked == 3
    assert ghost(crops[:7]).shape == (7, 1024)  # too few for two groups: one
    plain.load_state_dict(ghost.state_dict())
    assert torch.equal(plain.embed(crops), ghost.embed(crops))


def test_first_weights_of_a_file(tmp_path: Path) -> None:
    given = lived_in(new_encoder(TINY, seed=3))
    save_encoder(given, tmp_path / "e.safetensors")

    def equal(one: nn.Module, other: nn.Module) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))

    same = new_encoder(TINY, seed=0, init=tmp_path / "e.safetensors")
    assert equal(same, given)
    other = new_encoder(tiny("fc"), seed=0, init=tmp_path / "e.safetensors")
    assert equal(other.backbone, given.backbone)
    assert equal(other.head, new_encoder(tiny("fc"), seed=0).head)
    with pytest.raises(EncoderError, match="has the backbone light"):
        new_encoder(EncoderConfig(backbone="osnet_x0_25"), seed=0, init=tmp_path / "e.safetensors")
    with pytest.raises(EncoderError, match="can't be read"):
        new_encoder(TINY, seed=0, init=tmp_path / "nothing")


def test_first_weights_of_imagenet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    config = EncoderConfig(backbone="mobilenet_v3_small", head="fc", height=32, width=32)
    theirs = models.mobilenet_v3_small().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda *_, **__: theirs)
    encoder = new_encoder(config, seed=0, init="imagenet")
    ours = encoder.backbone.state_dict()
    assert ours
    assert all(torch.equal(tensor, theirs[name.replace("layers", "features", 1)]) for name, tensor in ours.items())

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    with pytest.raises(EncoderError, match=r"^the ImageNet weights of mobilenet_v3_small can't be had .*no network"):
        new_encoder(config, seed=0, init="imagenet")
    with pytest.raises(EncoderError, match="Torchvision has no ImageNet weights for light"):
        new_encoder(TINY, seed=0, init="imagenet")


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
