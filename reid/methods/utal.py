"""UTAL: Unsupervised Tracklet Association Learning (Li, Zhu, Gong: Unsupervised Tracklet Person Re-Identification).

Each camera classifies its own tracklets. Labels are softened over look-alikes, since trackers break people into pieces.
In the second half of training, mutual nearest neighbours of different cameras are pulled together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reid.association import (
    Scope,
    SoftLabels,
    mutual,
    nearest_elsewhere,
    nearest_per_camera,
    reciprocal,
    soft_labels,
)
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
from reid.methods.classifier import CameraClassifier, LabelMemory

# Adam at a constant rate as printed. The paper is silent on weight decay and on the epoch, of the smallest camera's
# tracklets. So it is on the forward pass, of each camera by itself. All three are taken from the code of its
# predecessor, TAUDL.
FAITHFUL = Recipe(
    epochs=200,
    batch=384,
    frames=4,
    head="fc",
    epoch="smallest-camera",
    weight_decay=5e-4,
    camera_by_camera=True,
    test_distance="euclidean",
)

CCTA_WEIGHT = 10.0  # λ of Eq. 11


@dataclass(frozen=True)
class UTALConfig(MethodConfig):
    """Settings of UTAL."""

    method = "utal"

    recipe: Recipe = FAITHFUL
    alpha: float = 1.0
    """α of Eq. 3, how fast the memory follows."""
    neighbours: int = 4
    """K of Eq. 4 and 5; 0 gives hard labels, for tracklets that are not fragmented."""
    ccta: bool = True
    """Cross-camera association at all."""
    matches: Literal["mutual", "one-way"] = "mutual"
    """R of Eq. 9. Table 9 compares mutual nearest neighbours with nearest ones."""
    match_neighbours: int = 1
    """Of each side of Eq. 9. Table 9 has 1, 5 and 10."""
    match_scope: Scope = "pooled"
    """Eq. 9 does not say of what "the cross-camera NN" is the nearest: of all other cameras together, or of each."""
    ccta_start: float = 0.5
    """The share of the epochs before it."""
    normalise: bool = False
    """Features of length 1 in the memory, the affinity and CCTA; the classifier's logits stay Wᵀx. The paper says
    nothing of it; 10 times the distance of raw 2048-dimensional features swamps the cross-entropy."""
    cannot_link: bool = False
    """Tracklets seen side by side never soften each other's label. The paper's data does not say which were."""
    scale: float | None = None
    """Of the cosine in the classifiers. None: logits are Wᵀx, as printed."""
    classifiers: Literal["random", "features"] = "random"
    """What they start as. features: the first memory; in a short run random rows spend it on finding their tracklets.
    The paper trains 200 epochs."""
    weakly_supervised: bool = False
    """Identities are known within each camera (§4.3): hard labels, of those. Not unsupervised."""

    @property
    def needs_identities(self) -> bool:
        """Only of the weakly supervised mode."""
        return self.weakly_supervised

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> UTALConfig:
        """As it works on a site's tracklets."""
        # An epoch is of all tracklets, since a quiet camera would make it a handful of steps. Batches are small, as the
        # other methods have them, since short runs need steps. Of whole tracklets nobody else is a fragment.
        recipe = Recipe(epochs=80, batch=96, frames=4, head="fc", epoch="tracklets")
        return cls(
            recipe=recipe,
            neighbours=4 if situation.fragmented else 0,
            normalise=True,
            cannot_link=True,
            scale=16.0,
            classifiers="features",
            ccta_start=0.25,
        )


class UTAL(LearningMethod):
    """A class is a tracklet or, weakly supervised (§4.3), what one identity left in one camera."""

    sampling = "camera-even"

    class_of: Tensor  # (T,) class of each tracklet
    class_camera: Tensor  # (U,)
    first: Tensor  # (U,) a tracklet of each class
    cannot_link: Tensor
    memory: Tensor  # (U, D) s
    partner: Tensor  # (U, P) R(s), −1 where there is none

    def __init__(
        self,
        tracklets: Tracklets,
        width: int,
        config: UTALConfig,
        epochs: int,
        seed: int,
        identity: Tensor | None = None,
    ) -> None:
        """Before the first epoch.

        Args:
            tracklets: What it may know.
            width: D, dimensions of the embeddings.
            config: Its settings.
            epochs: Of the whole run.
            seed: Of the classifiers' first rows.
            identity: (T,) int64, of the weakly supervised mode only: they hold within a camera, never across.
        """
        super().__init__(tracklets, epochs)
        if config.weakly_supervised != (identity is not None):
            raise ValueError("utal: identities are for the weakly supervised mode, and it needs them")
        if config.match_neighbours != 1 and config.match_scope == "pairwise":
            raise ValueError("utal: several match_neighbours are of all other cameras together: match_scope=pooled")
        self.config = config
        self.neighbours = config.neighbours if identity is None else 0  # hard labels suffice for known identities
        class_of = numbers = torch.arange(len(tracklets))
        if identity is not None:
            camera_and_identity = torch.stack([tracklets.camera.cpu(), identity.cpu()], 1)
            class_of = torch.unique(camera_and_identity, dim=0, return_inverse=True)[1]
        classes = int(class_of.max()) + 1
        first = torch.full((classes,), len(numbers)).scatter_reduce(0, class_of, numbers, "amin")
        camera = tracklets.camera.cpu()[first]
        self.register_buffer("class_of", class_of)
        self.register_buffer("class_camera", camera)
        self.register_buffer("first", first)
        self.register_buffer("cannot_link", tracklets.cannot_link.clone(), persistent=False)
        self.register_buffer("memory", torch.zeros(classes, width))
        self.soft = LabelMemory(classes, self.neighbours)
        partners = tracklets.cameras if config.match_scope == "pairwise" else config.match_neighbours
        self.register_buffer("partner", torch.full((classes, partners), -1))
        self.classifier = CameraClassifier(camera, tracklets.cameras, width, config.scale, seed)

    @property
    def labels(self) -> SoftLabels:
        """ŷ, of classes."""
        return self.soft.labels

    @property
    def associating(self) -> bool:
        """Whether CCTA is on: only in the second half (§3.2.4)."""
        return self.config.ccta and self.epoch >= self.config.ccta_start * self.epochs

    def scaled(self, x: Tensor) -> Tensor:
        """Rows (…, D) of length 1 if the settings want them so."""
        return normalised(x) if self.config.normalise else x

    def refresh(self, encode: Encode) -> dict[str, float]:
        """Begins the memory in the first epoch.

        It softens the labels (Eq. 4 to 6) and matches across cameras (Eq. 9).
        """
        if self.epoch == 0:  # what s starts as, the paper does not say: one pass over the data
            mean = torch.zeros_like(self.memory)
            mean.index_add_(0, self.class_of, self.scaled(encode().embedding.to(mean)))
            self.memory.copy_(self.scaled(mean / self.class_of.bincount()[:, None]))
            if self.config.classifiers == "features":
                self.classifier.weight.copy_(normalised(self.memory))
        curves: dict[str, float] = {}
        if self.neighbours:
            apart = self.cannot_link if self.config.cannot_link else None
            labels = soft_labels(self.memory, self.class_camera, self.cameras, self.neighbours, cannot_link=apart)
            self.soft.keep(labels)
            pairs = labels.neighbour_pairs()
            if len(pairs):
                curves["soft_label_similarity"] = float(labels.similarity(pairs).mean())
        self.partner.fill_(-1)
        if self.associating:
            self.partner.copy_(self.matched())
            curves["associations"] = float(len(self.associations()))
        return curves

    def matched(self) -> Tensor:
        """(U, P) the classes of other cameras that match each class, −1 where there are fewer (Eq. 9)."""
        config = self.config
        if config.match_scope == "pairwise":
            nearest = nearest_per_camera(self.memory, self.class_camera, self.cameras, metric="euclidean")
            return (reciprocal(nearest, self.class_camera) if config.matches == "mutual" else nearest).index
        nearest_classes = nearest_elsewhere(self.memory, self.class_camera, config.match_neighbours)
        return mutual(nearest_classes) if config.matches == "mutual" else nearest_classes

    def fresh(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """The memory s after this batch (Eq. 3).

        Returns:
            s (B, D) of each row's class, with the gradient of its features. Then the class (B,) and the first row of
            the class (B,).
        """
        class_of = self.class_of[batch.tracklet]
        mean, first = group_mean(self.scaled(batch.embedding), class_of)
        alpha = self.config.alpha
        return self.scaled((self.memory[class_of] + alpha * mean) / (1 + alpha)), class_of, first  # Eq. 3

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """PCTD (Eq. 7, 8) and, in the second half, CCTA (Eq. 10, 11)."""
        class_of = self.class_of[batch.tracklet]
        logits = self.classifier(batch.embedding)
        entropy = self.classifier.soft_cross_entropy(logits, class_of, batch.camera, self.labels)  # Eq. 7
        parts = {"pctd": entropy.mean()}  # Eq. 8
        if self.associating:
            # The anchor carries the gradient through its batch mean. Memory against memory would carry none at all.
            anchor, class_of, first = self.fresh(batch)
            partner = self.partner[class_of]  # (B, P)
            apart = distance(anchor[:, None], self.memory[partner.clamp(min=0)])
            pulled = apart.where(partner >= 0, 0.0).sum(1)  # Eq. 10
            # The mean is over the batch's tracklets, with those that have no match: the more are found, the stronger.
            once = first == torch.arange(len(first), device=first.device)
            parts["ccta"] = CCTA_WEIGHT * (pulled * once).sum() / once.sum()  # Eq. 11
        return parts

    def remember(self, batch: Batch) -> None:
        """Moves the memory towards the batch (Eq. 3)."""
        fresh, class_of, first = self.fresh(batch)
        self.memory[class_of] = fresh[first]

    def associations(self) -> Tensor:
        """Matched pairs."""
        row, column = (self.partner >= 0).nonzero(as_tuple=True)
        pairs = torch.stack([self.first[row], self.first[self.partner[row, column]]], 1)
        return pairs.sort(1).values.unique(dim=0)

    def pairwise_similarity(self, pairs: Tensor) -> float:
        """MPS (Fig. 4): mean similarity of the labels of pairs (P, 2) of tracklets, to report where truth is known."""
        return float(self.labels.similarity(self.class_of[pairs]).mean())
