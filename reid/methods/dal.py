"""DAL: Deep Association Learning (Chen, Zhu, Gong, BMVC 2018).

Each frame is pushed to have its own tracklet's anchor as the nearest of its camera. Tracklets of different cameras may
be each other's nearest. Then the mean of the two is an anchor, to which their frames are pushed to be as near.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from reid.association import Scope
from reid.methods import (
    Batch,
    Encode,
    LearningMethod,
    MethodConfig,
    Recipe,
    Situation,
    Tracklets,
    distance,
    group_mean,
    normalised,
)
from reid.methods.classifier import ByCamera

# MARS: 100,000 iterations of 64 are about 12 epochs of its 510,000 images. The rate falls in the last half. Where the
# paper is silent, we follow the authors' code. From it are Nesterov's momentum, weight decay, the clipping, 224 × 112,
# no augmentation and the average of the weights.
MARS = Recipe(
    epochs=12,
    optimiser="sgd",
    learning_rate=0.01,
    drops=(0.5,),
    nesterov=True,
    weight_decay=4e-5,
    clip_value=2.0,
    weight_average=0.9999,
    batch=64,
    frames=1,
    head="pooled",
    size=(224, 112),
    augment="none",
    tracklet_pooling="max",
)

# PRID2011 and iLIDS-VID: RMSProp from 0.045, × 0.94 every 2 epochs, for 20,000 iterations of 64. Their training halves
# hold some 20,000 images, so those are about 60 epochs.
SMALL = replace(
    MARS,
    epochs=60,
    optimiser="rmsprop",
    learning_rate=0.045,
    drops=tuple(epoch / 60 for epoch in range(2, 60, 2)),
    drop=0.94,
    nesterov=False,
)

RATE = 0.5  # η of Eq. 1


@dataclass(frozen=True)
class DALConfig(MethodConfig):
    """Settings of DAL."""

    method = "dal"

    recipe: Recipe = MARS
    margin: float = 0.2
    """m of Eq. 3 and 6. The authors' code: 0.5 on squared distances."""
    squared: bool = False
    """Squared distances."""
    cross_weight: float = 1.0
    """λ of Eq. 7."""
    intra: bool = True
    cross: bool = True
    anchors: Literal["means", "zero"] = "means"
    """What they start as. The authors' code has zero."""
    update: Literal["printed", "averaged"] = "printed"
    """How an anchor follows its frames. printed: x − η (ℓ2(x) − f), Eq. 1. x then shrinks to about η, the length of
    what each step takes from it. So soon nearly all of x is the last batch's. averaged: (1 − η) ℓ2(x) + η f, which
    remembers."""
    cross_start: float = 0.0
    """The share of the epochs before anchors merge across cameras. The authors' code waits two epochs."""
    ranking: Scope = "pairwise"
    """Of cyclic ranking (Eq. 4). pairwise: against each other camera by itself, and the nearest consistent one wins.
    pooled: against all others together, as in the authors' code."""

    @classmethod
    def presets(cls, situation: Situation = Situation()) -> dict[str, MethodConfig]:
        """Beside MARS the paper has a recipe for small sets."""
        return super().presets(situation) | {"faithful-small": cls(recipe=SMALL)}

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> DALConfig:
        """As it works on a site's tracklets."""
        # Its authors' code for all that the paper leaves open, but the means: a zero anchor is as near to every frame.
        # λ is 4: of a person's fragments each must be told from the others within the camera, but not across cameras.
        # Adam at one rate, augmentation and the length of the run are those of the other methods, to compare with.
        recipe = Recipe(epochs=80, batch=64, frames=2, head="embedding-l2", clip_value=2.0)
        return cls(recipe=recipe, margin=0.5, squared=True, update="averaged", cross_start=0.1, cross_weight=4.0)


class DAL(LearningMethod):
    """Two anchors of each tracklet: of its own frames, and of it and its nearest of another camera."""

    sampling = "image"

    anchor: Tensor  # (T, D) x
    cross_anchor: Tensor  # (T, D) a
    partner: Tensor  # (T,) the tracklet merged into a, −1 where there is none

    def __init__(self, tracklets: Tracklets, width: int, config: DALConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        self.by_camera = ByCamera(self.camera, self.cameras)
        self.register_buffer("anchor", torch.zeros(len(tracklets), width))
        self.register_buffer("cross_anchor", torch.zeros(len(tracklets), width))
        self.register_buffer("partner", torch.full((len(tracklets),), -1))

    def refresh(self, encode: Encode) -> dict[str, float]:
        """Begins the anchors in the first epoch. Later it tells how many have merged."""
        if self.epoch == 0 and self.config.anchors == "means":
            self.anchor.copy_(encode().embedding)
            self.cross_anchor.copy_(self.anchor)
        pairs = self.associations()
        return {"associations": float(len(pairs)), "association_rate": float((self.partner >= 0).float().mean())}

    def ranked_first(self, frames: Tensor, camera: Tensor) -> Tensor:
        """(B,) the nearest anchor of each frame's own camera (Eq. 2)."""
        anchors = normalised(self.anchor)
        # |a|² stands here since an anchor may still be 0, not of length 1.
        similarity = 2 * frames @ anchors.T - anchors.square().sum(1)
        return self.by_camera.best(similarity)[1].gather(1, camera[:, None])[:, 0]

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. 3 and 6, with λ of Eq. 7."""
        squared, margin = self.config.squared, self.config.margin
        frames = normalised(batch.embedding)
        with torch.no_grad():
            first = self.ranked_first(frames, batch.camera)
        to_first = distance(frames, normalised(self.anchor[first]), squared=squared)  # D_{p,t}
        same = batch.camera[:, None] == batch.camera
        mean_first = (same / same.sum(1, keepdim=True)) @ to_first  # of the M frames of the camera in the batch
        # Where all frames of a camera rank their own anchor first, the gradients of `own` and the mean cancel.
        negative = torch.where(first == batch.tracklet, mean_first, to_first)
        parts = {}
        if self.config.intra:
            own = distance(frames, normalised(self.anchor[batch.tracklet]), squared=squared)
            parts["intra"] = (own - negative + margin).relu().mean()  # Eq. 3
        if self.config.cross:
            cross = distance(frames, normalised(self.cross_anchor[batch.tracklet]), squared=squared)
            parts["cross"] = self.config.cross_weight * (cross - negative + margin).relu().mean()  # Eq. 6, 7
        return parts

    def cyclic(self, tracklet: Tensor) -> Tensor:
        """(B,) the tracklet of another camera nearest to each of (B,), if it leads back, else −1 (Eq. 4)."""
        anchors = normalised(self.anchor)
        camera = self.camera[tracklet][:, None]
        value, nearest = self.by_camera.best(anchors[tracklet] @ anchors.T)  # (B, C)
        value = value.scatter(1, camera, -torch.inf)
        if self.config.ranking == "pooled":
            value, column = value.max(1, keepdim=True)
            nearest = nearest.gather(1, column)
        _, back = self.by_camera.best(anchors[nearest.flatten()] @ anchors.T)
        back = back.gather(1, camera.repeat_interleave(nearest.shape[1], 0)).view_as(nearest)  # always in that camera
        value, column = value.masked_fill(back != tracklet[:, None], -torch.inf).max(1, keepdim=True)
        return nearest.gather(1, column).where(value > -torch.inf, -1)[:, 0]

    def remember(self, batch: Batch) -> None:
        """Moves the batch's anchors to its frames (Eq. 1) and merges them across cameras (Eq. 4, 5)."""
        tracklet = batch.tracklet
        mean, first = group_mean(normalised(batch.embedding), tracklet)  # several frames of one count as their mean
        old = self.anchor[tracklet]
        if self.config.update == "averaged":
            old = normalised(old)
        new = old - RATE * (normalised(old) - mean)  # Eq. 1
        self.anchor[tracklet] = new[first]
        partner = self.cyclic(tracklet)
        if self.epoch < self.config.cross_start * self.epochs:
            partner.fill_(-1)
        x = self.anchor[tracklet]
        merged = (normalised(x) + normalised(self.anchor[partner.clamp(min=0)])) / 2  # Eq. 5
        merged = torch.where((partner >= 0)[:, None], merged, x)
        self.cross_anchor[tracklet] = merged[first]
        self.partner[tracklet] = partner[first]

    def associations(self) -> Tensor:
        """Tracklets whose anchors have merged."""
        row = (self.partner >= 0).nonzero()[:, 0]
        return torch.stack([row, self.partner[row]], 1).sort(1).values.unique(dim=0)
