"""NOT unsupervised: the upper bound, from true identities (identity softmax, batch-hard triplets: Hermans et al. 2017).

It shows what the encoder and the data could give. Nothing of it may enter a comparison as a method.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from reid.methods import Batch, LearningMethod, MethodConfig, Recipe, Situation, Tracklets
from reid.methods.classifier import CameraClassifier

RECIPE = Recipe(epochs=80, drops=(40 / 80, 60 / 80), batch=64, frames=4, head="embedding")

MARGIN = 0.3


@dataclass(frozen=True)
class SupervisedConfig(MethodConfig):
    """Settings of the upper bound."""

    method = "supervised"

    recipe: Recipe = RECIPE
    scale: float | None = None
    """None: logits are Wᵀx; else so many times the cosine."""

    @property
    def needs_identities(self) -> bool:
        """True: it is not unsupervised."""
        return True

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> SupervisedConfig:
        """With a cosine, as the methods have it."""
        return cls(scale=16.0)


class Supervised(LearningMethod):
    """One classifier of all identities."""

    sampling = "identity"  # `frames` images of an identity, of any camera

    identity: Tensor  # (T,) 0 … identities − 1

    def __init__(
        self, tracklets: Tracklets, width: int, config: SupervisedConfig, epochs: int, seed: int, identity: Tensor
    ) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        names, number = torch.unique(identity.to(self.camera.device), return_inverse=True)
        self.register_buffer("identity", number)
        together = torch.zeros(len(names), dtype=torch.int64)
        self.classifier = CameraClassifier(together, 1, width, config.scale, seed)

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Identity softmax and batch-hard triplets."""
        identity = self.identity[batch.tracklet]
        entropy = functional.cross_entropy(self.classifier(batch.embedding), identity)
        x = functional.normalize(batch.embedding)
        apart = (2 - 2 * (x @ x.T)).clamp(min=1e-12).sqrt()
        same = identity[:, None] == identity
        farthest = apart.where(same, -torch.inf).max(1).values
        nearest = apart.where(~same, torch.inf).min(1).values  # ∞, so without a loss, where the batch has one identity
        return {"entropy": entropy, "triplet": (farthest - nearest + MARGIN).relu().mean()}
