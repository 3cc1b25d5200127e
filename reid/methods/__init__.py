"""What the unsupervised methods have in common. Each paper has a file beside this one.

A method owns everything that it learns beside the encoder (classifiers, exemplars) or keeps (memories, anchors, soft
labels). It owns them in parameters and buffers, so that `state_dict` resumes it. The engine calls, in this order:

    method.start_epoch(epoch, encode)           # labels and associations afresh, `encode` runs the encoder over all
    for each step:
        sum(method.losses(batch).values()).backward()
        optimiser.step()                        # over the encoder's and the method's parameters
        method.after_step(batch)                # memories, never before backward, which still needs the old ones

All of it is float32 whatever autocast is on around it. No step reads a value back from the device. Losses are averages
over the batch. With several ranks, give `losses` and `after_step` the gathered batch. Then memories stay equal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from reid.encoder import Head

Sampling = Literal["camera-even", "tracklet", "image", "identity"]
Unit = Literal["tracklet", "image"]


@dataclass(frozen=True)
class Tracklets:
    """What is known of T tracklets without any identity. Their order must carry no information: shuffle at load."""

    camera: Tensor
    """(T,) int64, 0 … cameras − 1."""
    cameras: int
    image_tracklet: Tensor
    """(I,) int64: the tracklet of each image."""
    cannot_link: Tensor
    """(P, 2) int64: tracklets seen apart in the same frames, so of different people."""
    image_time: Tensor | None = None
    """(I,) float64 s, comparable within a camera; NaN where nobody knows."""
    must_link: Tensor = field(default_factory=lambda: torch.empty((0, 2), dtype=torch.int64))
    """(Q, 2) int64: tracklets of which a person said that they show one."""

    def __post_init__(self) -> None:
        if not len(self.camera) or int(self.camera.min()) < 0 or int(self.camera.max()) >= self.cameras:
            raise ValueError(f"tracklets: cameras must be 0 … {self.cameras - 1}, and there must be a tracklet")
        for name in ("image_tracklet", "cannot_link", "must_link"):
            rows = getattr(self, name)
            if rows.numel() and not 0 <= int(rows.min()) <= int(rows.max()) < len(self.camera):
                raise ValueError(f"tracklets: {name} names a tracklet outside 0 … {len(self.camera) - 1}")

    def __len__(self) -> int:
        return len(self.camera)


@dataclass(frozen=True)
class Batch:
    """One training step's B images, as the encoder gave them."""

    embedding: Tensor
    """(B, D): the head's output, not normalised unless the head does."""
    tracklet: Tensor
    """(B,) int64."""
    camera: Tensor
    """(B,) int64."""
    image: Tensor
    """(B,) int64."""


@dataclass(frozen=True)
class Bank:
    """The encoder's features of all training data without augmentation, in evaluation mode: R tracklets or images."""

    embedding: Tensor
    """(R, D): of a tracklet the mean of its images' head outputs."""
    stripes: Tensor | None = None
    """(R, 8, F), means of 8 horizontal stripes of the feature map, if the method `needs_stripes`."""


Encode = Callable[[], Bank]


@dataclass(frozen=True)
class Recipe:
    """How a method is trained: what the engine reads. Times are fractions of the epochs, so runs can be shorter."""

    epochs: int
    optimiser: Literal["adam", "sgd", "rmsprop"] = "adam"
    learning_rate: float = 3.5e-4
    drops: tuple[float, ...] = ()
    """Fractions of a stage after which the learning rate is `drop` times what it was."""
    drop: float = 0.1
    tail: float = 1.0
    """The factor to which the rate falls exponentially in the second half of a stage; 1: it does not."""
    nesterov: bool = False
    """Nesterov's momentum, of sgd."""
    weight_decay: float = 5e-4
    """No paper tells it."""
    backbone_rate: float = 1.0
    """The backbone's share of the learning rate."""
    clip_value: float | None = None
    """Gradients are clipped to ± this."""
    weight_average: float | None = None
    """Decay of the moving average of the weights that is tested."""
    batch: int = 60
    """Images a step."""
    frames: int = 4
    """Images of each tracklet in a step."""
    epoch: Literal["images", "tracklets", "smallest-camera"] = "images"
    """What an epoch covers once: all images, `frames` of each tracklet, or those of the smallest camera."""
    head: Head = "embedding"
    """Of the encoder: fc (UTAL's 2048), embedding (BN–Dropout–FC 1024–BN), embedding-l2, pooled."""
    size: tuple[int, int] = (256, 128)
    """Height and width of crops, px."""
    augment: Literal["strong", "mild", "none"] = "strong"
    """`mild`: without other light, lenses and occlusions. See `reid.augment`."""
    camera_by_camera: bool = False
    """Each camera's images go through the encoder by themselves, so that batch statistics are per camera."""
    tracklet_pooling: Literal["mean", "max"] = "mean"
    """Of frames, at test."""
    test_distance: Literal["cosine", "euclidean"] = "cosine"
    """By which the gallery is ranked at test. euclidean: of features as they leave the head, of any length."""

    def rate(self, progress: float) -> float:
        """The learning rate at `progress` 0 … 1 of a stage."""
        factor = self.drop ** sum(progress >= fraction for fraction in self.drops)
        return self.learning_rate * factor * self.tail ** max(0.0, 2 * progress - 1)


@dataclass(frozen=True)
class Situation:
    """What is known of a run before it begins. Practical settings depend on it."""

    fragmented: bool = True
    """One person may be several tracklets of a camera, as trackers give them."""
    pretrained: bool = True
    """The encoder tells people apart already. Random weights do not."""


@dataclass(frozen=True)
class MethodConfig:
    """Settings of a method. The defaults are the paper's (`faithful`)."""

    method: ClassVar[str]
    """The method's name."""

    recipe: Recipe

    @classmethod
    def faithful(cls) -> Self:
        """As printed. Every paper gives its recipe, as the default of its settings."""
        return cls()  # type: ignore[call-arg]  # this class alone has no default

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> MethodConfig:
        """With the deviations that make it work. Each is an option that says why."""
        return cls.faithful()

    @classmethod
    def presets(cls, situation: Situation = Situation()) -> dict[str, MethodConfig]:
        """Settings by name: as it works, as the paper prints it, and as that has it for other kinds of sets."""
        return {"practical": cls.practical(situation), "faithful": cls.faithful()}

    @property
    def needs_identities(self) -> bool:
        """True of what is not unsupervised. Nothing else is ever given identities."""
        return False


class LearningMethod(nn.Module, ABC):
    """One way to learn an encoder from tracklets."""

    sampling: Sampling = "camera-even"
    bank_unit: Unit = "tracklet"
    """The rows that `encode` gives."""
    needs_stripes = False
    restarts: frozenset[int] = frozenset()
    """Epochs at which a new stage begins: the optimiser starts afresh, and so does the recipe's schedule."""

    camera: Tensor
    passed: frozenset[int]
    """The epoch that has begun, and those before it that a run by time left out."""

    def __init__(self, tracklets: Tracklets, epochs: int) -> None:
        super().__init__()
        self.register_buffer("camera", tracklets.camera.clone())
        self.cameras = tracklets.cameras
        self.epochs = epochs
        self.epoch = 0
        self.passed = frozenset({0})

    def start_epoch(self, epoch: int, encode: Encode) -> dict[str, float]:
        """Refreshes what changes once an epoch.

        Returns:
            The method's own curves (associations, thresholds), from no labels.
        """
        self.passed = frozenset({*range(self.epoch + 1, epoch), epoch})
        self.epoch = epoch
        with torch.no_grad(), torch.autocast(self.camera.device.type, enabled=False):
            return self.refresh(encode)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Named parts () float32, already weighted: their sum is the loss."""
        with torch.autocast(self.camera.device.type, enabled=False):
            return self.parts(replace(batch, embedding=batch.embedding.float()))

    def after_step(self, batch: Batch) -> None:
        """Take the batch into the memories."""
        with torch.no_grad(), torch.autocast(self.camera.device.type, enabled=False):
            self.remember(replace(batch, embedding=batch.embedding.detach().float()))

    def associations(self) -> Tensor:
        """Pairs (P, 2) int64 of tracklets of different cameras that count as one person now."""
        return torch.empty((0, 2), dtype=torch.int64, device=self.camera.device)

    def refresh(self, encode: Encode) -> dict[str, float]:
        """What `start_epoch` does, in full precision and without gradients."""
        return {}

    @abstractmethod
    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """What `losses` gives, of float32 embeddings with their gradient."""

    def remember(self, batch: Batch) -> None:
        """Nothing, unless a method has a memory."""

    def get_extra_state(self) -> dict[str, int]:
        """The epoch, beside parameters and buffers."""
        return {"epoch": self.epoch}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Goes on at that epoch."""
        self.epoch = state["epoch"]


def config_named(name: str) -> type[MethodConfig]:
    """The settings of a method by its name: utal, uga, eea, ssl, dal, merged, single-task or supervised.

    Raises:
        ValueError: There is no such method.
    """
    methods = _methods()
    if name not in methods:
        raise ValueError(f"no method is called {name!r}; there are {', '.join(methods)}")
    return methods[name][1]


def new_method(
    config: MethodConfig,
    tracklets: Tracklets,
    width: int,
    epochs: int,
    seed: int,
    identity: Tensor | None = None,
) -> LearningMethod:
    """The method that `config` is of, before its first epoch.

    Args:
        config: The method's settings.
        tracklets: What it may know.
        width: Dimensions of the embeddings.
        epochs: Of the whole run.
        seed: Of its first weights.
        identity: (T,) who each tracklet shows. It reaches only what `config.needs_identities`.

    Raises:
        ValueError: The settings need identities and there are none.
    """
    if config.needs_identities and identity is None:
        raise ValueError(f"{config.method}: these settings need identities, and the data has none")
    kind: Any = _methods()[config.method][0]
    identities = (identity,) if config.needs_identities else ()
    method: LearningMethod = kind(tracklets, width, config, epochs, seed, *identities)
    return method


def _methods() -> dict[str, tuple[type[LearningMethod], type[MethodConfig]]]:
    from reid.methods import dal, eea, merged, single_task, ssl, supervised, uga, utal

    pairs: tuple[tuple[type[LearningMethod], type[MethodConfig]], ...] = (
        (utal.UTAL, utal.UTALConfig),
        (uga.UGA, uga.UGAConfig),
        (eea.EEA, eea.EEAConfig),
        (ssl.SSL, ssl.SSLConfig),
        (dal.DAL, dal.DALConfig),
        (merged.Merged, merged.MergedConfig),
        (single_task.SingleTask, single_task.SingleTaskConfig),
        (supervised.Supervised, supervised.SupervisedConfig),
    )
    return {config.method: (method, config) for method, config in pairs}


def random_rows(rows: int, width: int, seed: int) -> Tensor:
    """(rows, width) float32 of expected length 1: first weights and exemplars."""
    values = np.random.default_rng([seed, rows, width]).standard_normal((rows, width), dtype=np.float32)
    return torch.from_numpy(values / np.float32(np.sqrt(width)))


def group_mean(values: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Means of rows of the same group, and one row to stand for each.

    Rows of a group may differ in the last bit. So write `mean[first]` into a memory. Then it does not matter which of
    them comes last.

    Args:
        values: (B, D).
        group: (B,).

    Returns:
        (B, D), the mean of the row's group, and (B,) int64, the first row of the row's group.
    """
    same = group[:, None] == group[None, :]
    share = same / same.sum(1, keepdim=True)
    return share @ values, same.to(torch.uint8).argmax(1)


def distance(a: Tensor, b: Tensor, *, squared: bool = False) -> Tensor:
    """Euclidean, between rows of (…, D) and (…, D) → (…). The floor keeps the gradient finite where they are equal."""
    total = (a - b).square().sum(-1)
    return total if squared else total.clamp(min=1e-12).sqrt()


def normalised(x: Tensor) -> Tensor:
    """ℓ2(·): rows of length 1, but 0 stays 0."""
    return functional.normalize(x, dim=-1)
