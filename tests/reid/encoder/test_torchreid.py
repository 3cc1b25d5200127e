"""Checkpoints of torchreid's OSNets become encoders that embed as the networks do."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from reid.encoder import EncoderError, load_encoder
from reid.encoder.osnet import WIDTHS
from reid.encoder.torchreid import is_checkpoint
from reid.pictures import MEAN, SPREAD


class Layer(nn.Module):
    """Convolution and normalisation, by torchreid's names."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, *, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn, self.linear = nn.BatchNorm2d(outputs), linear

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv(x))
        return out if self.linear else out.relu()


class Light(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.bn(self.conv2(self.conv1(x))).relu()
        return out


class Gate(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, channels // 16, 1), nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc2(self.fc1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        inside = outputs // 4
        self.conv1 = Layer(inputs, inside)
        self.conv2a = Light(inside)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(Light(inside) for _ in range(depth))) for depth in (2, 3, 4)
        )
        self.gate, self.conv3 = Gate(inside), Layer(inside, outputs, linear=True)
        self.downsample = Layer(inputs, outputs, linear=True) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        first = self.conv1(x)
        streams = [self.gate(stream(first)) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d)]
        rest = x if self.downsample is None else self.downsample(x)
        out: Tensor = (self.conv3(sum(streams)) + rest).relu()
        return out


class TorchreidOSNet(nn.Module):
    """As `torchreid.models.osnet` has it, in evaluation."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        stem, first, second, third = widths
        self.conv1 = Layer(3, stem, 7, 2)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.conv2 = self._stage(stem, first)
        self.conv3 = self._stage(first, second)
        self.conv4 = nn.Sequential(Block(second, third), Block(third, third))
        self.conv5 = Layer(third, third)
        self.fc = nn.Sequential(nn.Linear(third, 512), nn.BatchNorm1d(512), nn.ReLU())
        self.classifier = nn.Linear(512, 7)

    @staticmethod
    def _stage(inputs: int, outputs: int) -> nn.Sequential:
        reduce = nn.Sequential(Layer(outputs, outputs), nn.AvgPool2d(2, 2))
        return nn.Sequential(Block(inputs, outputs), Block(outputs, outputs), reduce)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(self.conv5(self.conv4(self.conv3(self.conv2(self.maxpool(self.conv1(x)))))).mean((2, 3)))
        return out


def network(name: str) -> TorchreidOSNet:
    torch.manual_seed(0)
    made = TorchreidOSNet(WIDTHS[name])
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return made.eval()


def written(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_x0_5"])
def test_an_osnet_embeds_as_torchreids_does(tmp_path: Path, name: str) -> None:
    theirs = network(name)
    parallel = {f"module.{key}": weight for key, weight in theirs.state_dict().items()}
    training = {"state_dict": OrderedDict(parallel), "epoch": 150, "rank1": np.float64(0.9), "optimizer": {"state": {}}}
    encoder = load_encoder(written(tmp_path / "model.pth.tar-150", training))
    assert (encoder.config.backbone, encoder.size, encoder.config.dimensions) == (name, (256, 128), 512)
    crops = torch.randint(0, 256, (2, 64, 32, 3), dtype=torch.uint8)
    pictures = (crops.permute(0, 3, 1, 2) / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(SPREAD).view(3, 1, 1)
    with torch.inference_mode():
        assert torch.allclose(encoder(crops), theirs(pictures), atol=1e-4)


def test_bare_weights_and_an_old_file_are_read(tmp_path: Path) -> None:
    weights = network("osnet_x0_25").state_dict()
    del weights["classifier.weight"], weights["classifier.bias"]
    bare = load_encoder(written(tmp_path / "bare.pth", weights))
    old = load_encoder(written(tmp_path / "old.pth", weights, _use_new_zipfile_serialization=False))
    assert all(torch.equal(a, b) for a, b in zip(bare.state_dict().values(), old.state_dict().values(), strict=True))


class Program:
    """What a pickle may run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("was-run"),)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"state_dict": {"layer.weight": torch.zeros(2)}}, "holds no OSNet of torchreid's; export another network"),
        ([torch.zeros(2)], "holds no weights by name"),
        ({"state_dict": {}, "args": Program()}, "holds more than numbers, which is not run"),
        (b"no checkpoint", r"can't be read as a checkpoint|holds more than numbers"),
    ],
)
def test_what_is_no_osnet_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, why: str) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        written(path, content)
    with pytest.raises(EncoderError, match=rf"model\.pth {why}"):
        load_encoder(path)
    assert not Path("was-run").exists()


def test_another_osnet_and_numbers_that_are_none_are_told(tmp_path: Path) -> None:
    weights = network("osnet_x0_25").state_dict()
    other = weights | {"conv2.0.IN.weight": torch.zeros(64)}
    with pytest.raises(EncoderError, match="is another network than osnet_x0_25 of torchreid"):
        load_encoder(written(tmp_path / "ain.pth", other))
    weights["fc.0.bias"][3] = float("nan")
    with pytest.raises(EncoderError, match="weights that are no numbers"):
        load_encoder(written(tmp_path / "nan.pth", weights))
    with pytest.raises(EncoderError, match="can't be read"):
        load_encoder(tmp_path / "none.pth")


@pytest.mark.parametrize(
    ("name", "is_one"), [("a.pth", True), ("a.pt", True), ("model.pth.tar-150", True), ("a.safetensors", False)]
)
def test_checkpoints_are_known_by_their_names(name: str, is_one: bool) -> None:
    assert is_checkpoint(Path(name)) is is_one
