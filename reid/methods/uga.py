"""UGA: Unsupervised Graph Association (Wu, Yang, Liu, Liao, Lei, Li, ICCV 2019).

Stage 1 teaches each camera's classifier its own tracklets. Stage 2 puts the tracklets' means into the classifiers. A
graph over those rows links each image to classes of the other cameras. Stage 2 teaches each image these classes, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from reid.association import calibrated_threshold, nearest_per_camera, reciprocal
from reid.methods import Batch, Encode, LearningMethod, MethodConfig, Recipe, Situation, Tracklets, normalised
from reid.methods.classifier import CameraClassifier

# 80 epochs a stage, × 0.1 at 40 and 60 of each, Adam from the start in each. The paper's batch is 60 images, "the same
# number from each camera". It does not tell frames of a tracklet, the dropout rate and augmentation.
RECIPE = Recipe(epochs=160, drops=(40 / 80, 60 / 80), batch=60, frames=1, head="embedding")


@dataclass(frozen=True)
class UGAConfig(MethodConfig):
    """Settings of UGA."""

    method = "uga"

    recipe: Recipe = RECIPE
    stage_one: float = 80 / 160
    """The share of the epochs."""
    threshold: float = 0.65
    """λ, cosine."""
    calibration: Literal["none", "quantile"] = "none"
    """quantile: λ is that `quantile` of each epoch's reciprocal similarities: a number fits one feature space only."""
    quantile: float = 0.3
    self_term: bool = True
    """Each image's own class beside the associated ones, with weight 1 (Eq. 8)."""
    scale: float | None = None
    """None: logits are cᵀφ as printed. Means of features that left a batch normalisation have a squared length of about
    a thousand, so those saturate the softmax; else so many times the cosine."""

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> UGAConfig:
        """As it works on a site's tracklets."""
        # From an encoder that has learned something, a shorter first stage at one rate does.
        recipe = replace(RECIPE, drops=())
        return cls(recipe=recipe, calibration="quantile", scale=16.0, stage_one=0.25)


class UGA(LearningMethod):
    """The cameras' classifiers, and in stage 2 the graph over their rows."""

    sampling = "camera-even"

    neighbour: Tensor  # (T, C) N(s), with itself in its own camera, −1 where there is none
    edge: Tensor  # (T, C) e(c, c'), 0 where there is none

    def __init__(self, tracklets: Tracklets, width: int, config: UGAConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        self.first_of_stage_two = round(config.stage_one * epochs)
        # "Adam from the start in each": its moments are of rows that stage 2 replaces.
        self.restarts = frozenset({self.first_of_stage_two}) & frozenset(range(1, epochs))
        self.classifier = CameraClassifier(self.camera, self.cameras, width, config.scale, seed)
        self.register_buffer("neighbour", torch.full((len(tracklets), self.cameras), -1))
        self.register_buffer("edge", torch.zeros(len(tracklets), self.cameras))
        self.link_to_itself()

    def link_to_itself(self) -> None:
        """Leaves each tracklet alone in the graph."""
        self.neighbour.fill_(-1).scatter_(
            1, self.camera[:, None], torch.arange(len(self.camera)).to(self.camera)[:, None]
        )
        self.edge.zero_().scatter_(1, self.camera[:, None], 1.0)

    def refresh(self, encode: Encode) -> dict[str, float]:
        """Rebuilds the graph each epoch from the classifier's rows, which gradients have moved ("CVG's updating")."""
        if self.epoch < self.first_of_stage_two:
            return {}
        nodes = self.classifier.weight
        if self.first_of_stage_two in self.passed:
            mean = encode().embedding.to(nodes)  # Eq. 3
            nodes.copy_(mean if self.config.scale is None else normalised(mean))
        mutual = reciprocal(nearest_per_camera(nodes, self.camera, self.cameras), self.camera)  # Eq. 4, K = 1
        threshold = self.config.threshold
        if self.config.calibration == "quantile":
            threshold = calibrated_threshold(mutual.pairs()[1], self.config.quantile)
            # The pair at the quantile itself is in, and every tracklet with a weight of 0 or less out.
            mutual = mutual.where((mutual.similarity >= threshold) & (mutual.similarity > 0))
        else:
            mutual = mutual.where(mutual.similarity > threshold)
        self.link_to_itself()
        linked = mutual.index >= 0
        self.neighbour.copy_(mutual.index.where(linked, self.neighbour))
        self.edge.copy_(mutual.similarity.where(linked, self.edge))  # Eq. 5, a constant to the gradient
        return {"associations": float(len(self.associations())), "threshold": threshold}

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. 1 and 2 in stage 1, Eq. 8 and 9 in stage 2."""
        logits = self.classifier(batch.embedding)
        entropy = self.classifier.cross_entropy_per_camera(logits, self.neighbour[batch.tracklet])  # l_ce(I, s_m)
        camera = batch.camera[:, None]
        own = entropy.gather(1, camera).mean()  # l_ce(I, s_t), Eq. 1
        if self.epoch < self.first_of_stage_two:
            return {"intra": own}  # Eq. 2
        edge = self.edge[batch.tracklet].scatter(1, camera, 0.0)  # e(c_t, c_m) over N(s_t) − s_t
        parts = {"inter": (edge * entropy).sum(1).mean()}  # Eq. 8, 9
        if self.config.self_term:
            parts["self"] = own  # α l_ce(I, s_t) of Eq. 8, where α = e(c_t, c_t) = 1
        return parts

    def associations(self) -> Tensor:
        """Linked tracklets."""
        row, camera = (self.neighbour >= 0).nonzero(as_tuple=True)
        pairs = torch.stack([row, self.neighbour[row, camera]], 1)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        return pairs.sort(1).values.unique(dim=0)
