"""The encoder itself: what it is made of, its first weights, its file on disk and its export to ONNX."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from reid.encoder.ghost import with_ghost_norm
from reid.encoder.heads import GeneralisedMean, Mean, PooledHead, StripeHead, embedding_block, fc
from reid.encoder.imagenet import OURS, TORCHVISION, ImageNetBackbone, torchvision_layers
from reid.encoder.light import FusedBackbone, LightBackbone
from reid.encoder.packaged import PACKAGES, PackagedError, take_packaged
from reid.encoder.torchreid import SIZE, CheckpointError, is_checkpoint, read_osnet
from reid.whole_file import whole_file

Backbone = Literal[
    "light",
    "resnet50",
    "resnet18",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "efficientnet_lite0",
    "osnet_x1_0",
    "osnet_x0_75",
    "osnet_x0_5",
    "osnet_x0_25",
]
Head = Literal["stripes", "fc", "embedding", "embedding-l2", "pooled"]
Pooling = Literal["mean", "gem"]
DIMENSIONS = {"stripes": 512, "fc": 2048, "embedding": 1024, "embedding-l2": 1024}


MOST = 8192  # channels, dimensions, pixels a side, images: of a file's configuration
MOST_BLOCKS = 256


class EncoderError(ValueError):
    """An encoder that can't be made as asked, or a file that is none of ours. The message says why and what to do."""


@dataclass(frozen=True)
class EncoderConfig:
    """The shape of an encoder, stored beside its weights. The defaults are the first one that we shipped.

    Raises EncoderError where there is no such encoder.
    """

    channels: tuple[int, ...] = (16, 32, 64, 128, 192)
    """Of the light backbone's two stem convolutions, the second also of its stage 1, …"""
    blocks: tuple[int, ...] = (1, 1, 1, 1)
    """In each of its stages; stages 2 and 3 halve the map, the last does not."""
    stripes: int = 4
    """Of the head `stripes`: horizontal parts that are pooled on their own."""
    dimensions: int = 0
    """Of the embedding; 0 becomes what the head has by itself."""
    height: int = 128
    """px, of the crops it is made for."""
    width: int = 64
    """px."""
    backbone: Backbone = "light"
    head: Head = "stripes"
    """stripes (the base encoder's), fc (UTAL), embedding (UGA), embedding-l2 (EEA), or pooled: nothing to learn."""
    pooling: Pooling = "mean"
    """Of the map, in all heads but `stripes`."""
    last_stride: int = 2
    """Where ResNets, MobileNetV2 and EfficientNet-Lite0 halve the map last; 1 keeps it twice as fine, for more work."""
    dropout: float = 0.5
    """In the embedding block; no paper tells it."""
    ghost: int = 0
    """Images that are batch normalised together in training, see `GhostNorm`; 0: the whole batch."""

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("backbone", self.backbone, get_args(Backbone)),
            ("head", self.head, get_args(Head)),
            ("pooling", self.pooling, get_args(Pooling)),
            ("last stride", self.last_stride, (1, 2)),
        ):
            if value not in choices:
                raise EncoderError(f"there is no {name} {value!r}: it is one of {', '.join(map(str, choices))}")
        if self.ghost in (1, 2, 3) or self.ghost < 0:
            raise EncoderError(f"ghost batch normalisation needs groups of at least 4 images, not {self.ghost}")
        by_itself = DIMENSIONS.get(self.head, self.features)
        if self.head == "pooled" and self.dimensions not in (0, by_itself):
            raise EncoderError(f"{self.backbone}, pooled, gives {by_itself} dimensions, not {self.dimensions}")
        object.__setattr__(self, "dimensions", self.dimensions or by_itself)

    @property
    def features(self) -> int:
        """Channels of the backbone's map."""
        return self.channels[-1] if self.backbone == "light" else (TORCHVISION | OURS)[self.backbone]


class Features(NamedTuple):
    """Of N crops, float32."""

    embedding: Tensor
    """(N, D), the head's output; rows of length 1 if the head says so."""
    pooled: Tensor
    """(N, F), the backbone's map, pooled."""
    stripes: Tensor | None
    """(N, stripes, F), means of horizontal stripes of the map, from top to bottom."""


class Encoder(nn.Module):
    """Backbone and head."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        # Random numbers are drawn in this order: the seed of new_encoder decides the weights.
        self.backbone: nn.Module = (
            LightBackbone(config.channels, config.blocks)
            if config.backbone == "light"
            else ImageNetBackbone(config.backbone, config.last_stride)
        )
        self.head = _head(config)
        if config.ghost:
            with_ghost_norm(self, config.ghost)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of crops, px."""
        return self.config.height, self.config.width

    @property
    def parameter_count(self) -> int:
        """How many numbers it has learned."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(self, crops: Tensor) -> Tensor:
        """(N, height, width, 3) RGB, uint8 or float of 0…255 → (N, dimensions) float32, as the head gives them."""
        out: Tensor = self.head(self._map(crops))
        return out.float()

    def features(self, crops: Tensor, stripes: int | None = None) -> Features:
        """What the methods learn from: (N, height, width, 3) RGB, uint8 or float of 0…255."""
        mapped = self._map(crops)
        pooled = self.head.pool(mapped)
        parts = None
        if stripes is not None:
            parts = functional.adaptive_avg_pool2d(mapped.float(), (stripes, 1)).squeeze(3).transpose(1, 2)
        return Features(self.head(mapped, pooled).float(), pooled, parts)

    def _map(self, crops: Tensor) -> Tensor:
        images = crops.permute(0, 3, 1, 2).float()  # NHWC seen as NCHW is channels-last: no copy
        mapped: Tensor = self.backbone(images)
        return mapped

    @torch.inference_mode()
    def embed(self, crops: Tensor, *, batch: int = 256, normalised: bool = True) -> Tensor:
        """Embeddings of any number of crops, in evaluation mode, in which the encoder stays.

        Args:
            crops: (N, height, width, 3) uint8 RGB on the CPU.
            batch: How many go through the network at once.
            normalised: Rows become of length 1. Else they stay as the head gives them.

        Returns:
            (N, dimensions) float32 on the CPU.
        """
        self.eval()
        device = next(self.parameters()).device
        rows = [self(part.to(device)).cpu() for part in crops.split(batch)]
        embedding = torch.cat(rows) if rows else torch.zeros(0, self.config.dimensions)
        return functional.normalize(embedding) if normalised and not self.head.normalises else embedding


def _head(config: EncoderConfig) -> StripeHead | PooledHead:
    if config.head == "stripes":
        return StripeHead(config.features, config.stripes, config.dimensions)
    layers: nn.Module = nn.Identity()
    if config.head == "fc":
        layers = fc(config.features, config.dimensions)
    elif config.head != "pooled":
        layers = embedding_block(config.features, config.dimensions, config.dropout)
    pool = GeneralisedMean() if config.pooling == "gem" else Mean()
    return PooledHead(pool, layers, normalises=config.head == "embedding-l2")


def new_encoder(
    config: EncoderConfig | None = None, *, seed: int, init: Literal["random", "imagenet"] | Path = "random"
) -> Encoder:
    """An encoder with its first weights.

    They are random ones, the same for the same seed. Then it gets what `init` has.

    Args:
        config: Its shape. None is that of the base encoder.
        seed: Of the random weights.
        init: `random`, or `imagenet` for the backbone's weights of a package (`reid.encoder.packaged`) or of
            Torchvision, or a file of ours. Of a file the backbone is taken, and the head where it is of the same shape.

    Raises:
        EncoderError: There are no such weights.
    """
    config = config or EncoderConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = Encoder(config)
        for module in encoder.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if init == "imagenet":
        _take_imagenet(encoder)
    elif isinstance(init, Path):
        _take_weights(encoder, init)
    elif init != "random":
        raise EncoderError(f"there are no first weights {init!r}: they are random, imagenet or a path")
    return encoder.to(memory_format=torch.channels_last)


def _take_imagenet(encoder: Encoder) -> None:
    name, backbone = encoder.config.backbone, encoder.backbone
    if not isinstance(backbone, ImageNetBackbone) or name not in TORCHVISION | PACKAGES:
        named = ", ".join(TORCHVISION | PACKAGES)
        raise EncoderError(f"there are no ImageNet weights for {name}, only for {named}")
    if name in PACKAGES:
        try:
            take_packaged(backbone.layers, name)
        except PackagedError as error:
            raise EncoderError(str(error)) from error
        return
    try:
        pretrained = torchvision_layers(name, encoder.config.last_stride, "IMAGENET1K_V1")
    except (ImportError, OSError, RuntimeError) as error:  # URLError is an OSError, a cut download a RuntimeError
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise EncoderError(
            f"the ImageNet weights of {name} can't be had ({error}): put Torchvision's file into {folder}, "
            "or start from base or random weights"
        ) from error
    backbone.layers.load_state_dict(pretrained.state_dict())


def _take_weights(encoder: Encoder, path: Path) -> None:
    source, config = load_encoder(path), encoder.config

    def same(*names: str) -> bool:
        return all(getattr(source.config, name) == getattr(config, name) for name in names)

    if not same("backbone", "features") or (config.backbone == "light" and not same("channels", "blocks")):
        raise EncoderError(
            f"{path} has the backbone {source.config.backbone}, which is not the {config.backbone} asked for"
        )
    encoder.backbone.load_state_dict(source.backbone.state_dict())
    if same("head", "dimensions") and (same("stripes") if config.head == "stripes" else same("pooling")):
        encoder.head.load_state_dict(source.head.state_dict())


def between(start: Encoder, trained: Encoder, share: float) -> Encoder:
    """The encoder whose weights and statistics are part of the way from `start` to `trained`.

    See Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.

    Args:
        start: The encoder from which the other was trained.
        trained: The other one. Crops are of its size.
        share: Of the way: 0 is `start`, 1 `trained`. It may be over 1.

    Raises:
        EncoderError: Their weights differ in shape.
    """
    before, after = start.state_dict(), trained.state_dict()
    if {name: w.shape for name, w in before.items()} != {name: w.shape for name, w in after.items()}:
        raise EncoderError("there is no encoder between two whose weights differ in shape")
    encoder = Encoder(trained.config).to(memory_format=torch.channels_last)
    encoder.load_state_dict(
        {name: before[name].lerp(w, share) if w.is_floating_point() else w for name, w in after.items()}
    )
    return encoder.eval()


def save_encoder(encoder: Encoder, path: Path) -> None:
    """Weights and configuration as safetensors, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    with whole_file(path) as part:
        safetensors.torch.save_file(weights, part, {"encoder": json.dumps(dataclasses.asdict(encoder.config))})


def load_encoder(path: Path) -> Encoder:
    """What `save_encoder` wrote, or an OSNet as torchreid writes it (`.pth`), in evaluation mode.

    The configuration is compared with the shapes in the file before anything of its size is made.

    Raises:
        EncoderError: The file is missing, none of these, or has weights that are no numbers.
    """
    if is_checkpoint(path):
        return _torchreid_encoder(path)
    try:
        with safetensors.safe_open(path, "pt") as file:
            config = _written_config((file.metadata() or {})["encoder"])
            with torch.device("meta"):
                shapes = {name: list(weight.shape) for name, weight in Encoder(config).state_dict().items()}
            if {name: file.get_slice(name).get_shape() for name in file.keys()} != shapes:  # noqa: SIM118 - it is no dict
                raise EncoderError("its weights are not those of its configuration")
            weights = {name: file.get_tensor(name) for name in shapes}
        encoder = Encoder(config)
        encoder.load_state_dict(weights)
    except OSError as error:
        raise EncoderError(f"{path} can't be read: {error}") from error
    except (LookupError, TypeError, ValueError, RuntimeError, safetensors.SafetensorError) as error:
        raise EncoderError(f"{path} is no encoder of this version: {error!s:.300}") from error
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise EncoderError(f"{path} has weights that are no numbers: take another file, or train it again")
    return encoder.to(memory_format=torch.channels_last).eval()


def _torchreid_encoder(path: Path) -> Encoder:
    try:
        backbone, dimensions, weights = read_osnet(path)
        config = EncoderConfig(
            backbone=cast("Backbone", backbone), head="fc", dimensions=dimensions, height=SIZE[0], width=SIZE[1]
        )
        with torch.device("meta"):
            shapes = {name: weight.shape for name, weight in Encoder(config).state_dict().items()}
        counters = {name for name in shapes if name.endswith("num_batches_tracked")}
        if {name: weight.shape for name, weight in weights.items()} != {
            name: shape for name, shape in shapes.items() if name not in counters
        }:
            raise CheckpointError(f"is another network than {backbone} of torchreid's; export it as .onnx")
    except OSError as error:
        raise EncoderError(f"{path} can't be read: {error}") from error
    except CheckpointError as error:
        raise EncoderError(f"{path} {error}") from error
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise EncoderError(f"{path} has weights that are no numbers: take another file")
    encoder = Encoder(config)
    encoder.load_state_dict(weights | {name: torch.tensor(0) for name in counters})
    return encoder.to(memory_format=torch.channels_last).eval()


def _written_config(text: str) -> EncoderConfig:
    """The configuration beside weights. Raises ValueError or TypeError where a network can't be like this."""
    written = json.loads(text)
    if not isinstance(written, dict):
        raise TypeError("its configuration is no table")
    channels, blocks = tuple(written.pop("channels", ())), tuple(written.pop("blocks", ()))
    sizes = [written.get(name, 1) for name in ("stripes", "dimensions", "height", "width", "ghost")]
    if not all(isinstance(number, int) and 0 <= number <= MOST for number in (*channels, *blocks, *sizes)):
        raise ValueError(f"its configuration has sizes that are not 0 to {MOST}")
    if sum(blocks) > MOST_BLOCKS or len(channels) != len(blocks) + 1 or 0 in channels:
        raise ValueError(f"its backbone has {len(channels)} widths and {sum(blocks)} blocks, of at most {MOST_BLOCKS}")
    return EncoderConfig(channels, blocks, **written)


class _Embedding(nn.Module):
    """What an ONNX file holds: rows of length 1, whatever the head."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, crops: Tensor) -> Tensor:
        return functional.normalize(self.encoder(crops))


def export_onnx(encoder: Encoder, path: Path) -> None:
    """Writes input `crops` (batch, height, width, 3) uint8 → output `embedding` (batch, dimensions) float32."""
    config = encoder.config
    # Dense NCHW weights: the exporter writes them as they lie. Two crops, because one would be taken for a constant.
    plain = Encoder(config)
    plain.load_state_dict(encoder.state_dict())
    if isinstance(plain.backbone, LightBackbone):
        plain.backbone = FusedBackbone(plain.backbone)
    crops = torch.zeros(2, config.height, config.width, 3, dtype=torch.uint8)
    with whole_file(path) as part:
        torch.onnx.export(
            (plain if plain.head.normalises else _Embedding(plain)).eval(),
            (crops,),
            part,
            input_names=["crops"],
            output_names=["embedding"],
            dynamic_shapes={"crops": {0: torch.export.Dim("batch")}},
            external_data=False,
            verbose=False,
        )
