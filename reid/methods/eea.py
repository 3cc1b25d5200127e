"""EEA: End-to-end Exemplar Association (Wu, Yang, Lei, Wang, Li, Tiwari, Pandey, Neural Networks 129, 2020).

The rows of each camera's classifier are learnable exemplars of its tracklets, on the unit sphere. They classify within
the camera. Where two of different cameras are each other's nearest and near enough, they also classify across. All is
one stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reid.association import (
    calibrated_threshold,
    nearest_per_camera,
    reciprocal,
    soft_labels,
)
from reid.methods import Batch, Encode, LearningMethod, MethodConfig, Recipe, Situation, Tracklets, normalised
from reid.methods.classifier import CameraClassifier, LabelMemory

RECIPE = Recipe(epochs=80, batch=60, frames=1, head="embedding-l2")  # Adam at 3.5e-4, no drop is named

LOWER, UPPER = 0.5, 0.75  # L(λ) and U(λ), nowhere in the paper


@dataclass(frozen=True)
class EEAConfig(MethodConfig):
    """Settings of EEA."""

    method = "eea"

    recipe: Recipe = RECIPE
    threshold: Literal["dynamic", "fixed", "quantile"] = "dynamic"
    """dynamic: Eq. 11. fixed: `fixed` always, as the ablation. quantile: a quantile of the similarities of reciprocal
    pairs, since a number fits one feature space only; it moves along `quantiles`, looser as the exemplars mature."""
    fixed: float = 0.65
    quantiles: tuple[float, float] = (0.6, 0.3)
    warm_up: float = 10 / 80
    """The share of the epochs with the intra-camera loss only."""
    intra: bool = True
    """The intra-camera loss after the warm-up; within it, it always is."""
    inter: bool = True
    scale: float = 1.0
    """Of the cosine. The paper names none; but with 652 orthogonal exemplars no probability then exceeds
    e / (e + 651) = 0.0042."""
    exemplars: Literal["random", "features"] = "random"
    """What they start as. features: the tracklets' means, one pass over the data; random exemplars of different cameras
    must first find each other."""
    neighbours: int = 0
    """K of UTAL's soft labels in the intra-camera loss after the warm-up. The paper takes unbroken tracklets; with a
    tenth of them broken in two it loses 9.3 mAP (Table 8)."""
    cannot_link: bool = False
    """Tracklets seen side by side never soften each other's label."""

    @classmethod
    def presets(cls, situation: Situation = Situation()) -> dict[str, MethodConfig]:
        """Beside other sets the paper has a longer warm-up for MARS, "since it has most tracklets"."""
        return super().presets(situation) | {"faithful-mars": cls(warm_up=30 / 80)}

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> EEAConfig:
        """As it works on a site's tracklets."""
        # Exemplars of random weights stay nearly orthogonal for a third of a run: no number between 0.5 and 0.75 fits.
        return cls(
            threshold="dynamic" if situation.pretrained else "quantile",
            scale=16.0,
            exemplars="features",
            neighbours=4 if situation.fragmented else 0,
            cannot_link=True,
        )


class EEA(LearningMethod):
    """Exemplars of all tracklets, and the graph that links those of different cameras."""

    sampling = "camera-even"

    neighbour: Tensor  # (T, C): ŷ in each other camera, −1 where there is none
    edge: Tensor  # (T, C): A, 0 where there is none
    cannot_link: Tensor

    def __init__(self, tracklets: Tracklets, width: int, config: EEAConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        self.warm = round(config.warm_up * epochs)
        self.classifier = CameraClassifier(self.camera, self.cameras, width, config.scale, seed)
        with torch.no_grad():
            self.exemplars.copy_(normalised(self.exemplars))
        self.register_buffer("neighbour", torch.full((len(tracklets), self.cameras), -1))
        self.register_buffer("edge", torch.zeros(len(tracklets), self.cameras))
        self.register_buffer("cannot_link", tracklets.cannot_link.clone(), persistent=False)
        self.soft = LabelMemory(len(tracklets), config.neighbours)

    @property
    def exemplars(self) -> Tensor:
        """E (T, D), rows of length 1: learned by back-propagation as the classifier's weights."""
        return self.classifier.weight

    def threshold(self, similarity: Tensor) -> float:
        """λ of this epoch, from Eq. 11 or the similarities (P,) of reciprocal pairs."""
        config, since = self.config, max(0, self.epoch - self.warm)
        share = since / max(1, self.epochs - self.warm)
        if config.threshold == "dynamic":
            return LOWER + share * (UPPER - LOWER)
        if config.threshold == "fixed":
            return config.fixed
        first, last = config.quantiles
        return calibrated_threshold(similarity, first + share * (last - first))

    def refresh(self, encode: Encode) -> dict[str, float]:
        """Begins the exemplars in the first epoch. After the warm-up it rebuilds labels and graph (Eq. 6, 7, 11)."""
        if self.epoch == 0 and self.config.exemplars == "features":
            self.exemplars.copy_(normalised(encode().embedding.to(self.exemplars)))
        if self.epoch < self.warm:
            return {}
        if self.config.neighbours:
            apart = self.cannot_link if self.config.cannot_link else None
            labels = soft_labels(self.exemplars, self.camera, self.cameras, self.config.neighbours, cannot_link=apart)
            self.soft.keep(labels)
        # Eq. 6 and 7, K = 1, at the start of each epoch.
        mutual = reciprocal(nearest_per_camera(self.exemplars, self.camera, self.cameras), self.camera)
        threshold = self.threshold(mutual.pairs()[1])
        near = mutual.similarity >= threshold if self.config.threshold == "quantile" else mutual.similarity > threshold
        mutual = mutual.where(near & (mutual.similarity > 0))
        self.neighbour.copy_(mutual.index)
        self.edge.copy_(mutual.similarity.where(mutual.index >= 0, 0.0))
        return {"associations": float(len(mutual.pairs()[0])), "threshold": threshold}

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. 1 and 5 within the camera, Eq. 9 across."""
        logits = self.classifier(batch.embedding)
        parts = {}
        if self.config.intra or self.epoch < self.warm:
            own = self.classifier.soft_cross_entropy(logits, batch.tracklet, batch.camera, self.soft.labels)
            parts["intra"] = own.mean()  # Eq. 1, 5
        if self.config.inter and self.epoch >= self.warm:
            entropy = self.classifier.cross_entropy_per_camera(logits, self.neighbour[batch.tracklet])
            parts["inter"] = (self.edge[batch.tracklet] * entropy).sum(1).mean()  # Eq. 9, together Eq. 10
        return parts

    def remember(self, batch: Batch) -> None:
        """Back onto the sphere (Eq. 2), from which the optimiser's step has led off."""
        self.exemplars.copy_(normalised(self.exemplars))

    def associations(self) -> Tensor:
        """Linked exemplars."""
        row, camera = (self.neighbour >= 0).nonzero(as_tuple=True)
        pairs = torch.stack([row, self.neighbour[row, camera]], 1)
        return pairs.sort(1).values.unique(dim=0)
