"""SSL: Softened Similarity Learning (Lin, Xie, Wu, Yan, Tian: Unsupervised Person Re-identification via …, CVPR 2020).

Every image, or tracklet, is a class. A table of normalised features is the classifier. The first phase has one-hot
labels. After it each class shares its label with the k that look most alike, whole and stripe by stripe. Those across
cameras are preferred.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from reid.association import Similarity, mutual, top_k
from reid.methods import (
    Bank,
    Batch,
    Encode,
    LearningMethod,
    MethodConfig,
    Recipe,
    Situation,
    Tracklets,
    Unit,
    group_mean,
    normalised,
)

# 25 epochs, then 16 rounds of 2. The paper chose 16 where the test score was best. Here it is fixed beforehand. It
# stands on the code of BUC. The backbone's rate, Nesterov's momentum, the table's update and the length of rounds are
# BUC's. BUC compares and tests the pooled feature, but trains a projection of it. The paper knows one feature: pooled.
IMAGES = Recipe(
    epochs=25 + 16 * 2,
    optimiser="sgd",
    learning_rate=0.1,
    drops=(15 / 57,),
    nesterov=True,
    backbone_rate=0.1,
    batch=16,
    frames=1,
    head="pooled",
)
VIDEO = Recipe(
    epochs=30 + 16 * 5,
    optimiser="sgd",
    learning_rate=0.1,
    drops=(15 / 110,),
    nesterov=True,
    backbone_rate=0.1,
    batch=16 * 16,
    frames=16,
    epoch="tracklets",
    head="pooled",
)


@dataclass(frozen=True)
class SSLConfig(MethodConfig):
    """Settings of SSL."""

    method = "ssl"

    recipe: Recipe = IMAGES
    unit: Unit = "image"
    """What a class is. Of a tracklet, the frames' features are averaged."""
    temperature: float = 0.1
    """τ of Eq. 1."""
    own: float = 0.6
    """λ of Eq. 3, the label's share of its own class."""
    reliable: int = 4
    """k of Eq. 3; only a figure tells it."""
    part_weight: float = 0.5
    """λ_p of Eq. 7."""
    same_camera: float = 0.02
    """λ_c of Eq. 6, the cross-camera encouragement; 0: none."""
    first_phase: float = 25 / 57
    """The share of the epochs with one-hot labels."""
    rounds: int = 16
    """Times that the most alike are chosen, spread evenly over the rest."""
    dropout: float = 0.5
    """On v, in training; after the normalisation, as in BUC."""
    table: Literal["zero", "features"] = "zero"
    """What V starts as: zero as in BUC, or one pass over the data. Each round refills it, as in BUC."""
    reciprocal: bool = False
    """Only classes that have each other among their k share labels. The paper takes all k, of which on fragments nearly
    half show somebody else."""
    cannot_link: bool = False
    """Tracklets seen side by side are never alike."""

    @classmethod
    def presets(cls, situation: Situation = Situation()) -> dict[str, MethodConfig]:
        """Beside image sets the paper has settings for video sets."""
        video = cls(recipe=VIDEO, unit="tracklet", first_phase=30 / 110)
        return super().presets(situation) | {"faithful-video": video}

    @classmethod
    def practical(cls, situation: Situation = Situation()) -> SSLConfig:
        """As it works on a site's tracklets."""
        # Tracklets are what a site has. As single images, a tracklet's own frames fill most of the k places. Adam
        # at one rate does as for the other methods. No first phase: one-hot labels push fragments of one person apart.
        # Those alike get most of the label, as most are right. λ_c is 0.3. With 0.02 nearly all of them are of the
        # class's own camera at first, and stay so.
        recipe = replace(
            IMAGES, optimiser="adam", learning_rate=3.5e-4, backbone_rate=1.0, drops=(), batch=64, frames=4
        )
        return cls(
            recipe=recipe,
            unit="tracklet",
            temperature=0.06,
            own=0.3,
            reliable=6,
            same_camera=0.3,
            first_phase=0.0,
            rounds=1000,
            dropout=0.0,
            table="features",
            reciprocal=True,
            cannot_link=True,
        )


class SSL(LearningMethod):
    """A table of features as the classifier, and the classes that share a label."""

    table: Tensor  # (N, D) V
    alike: Tensor  # (N, k) the reliable classes, −1 in the first phase and where there are too few
    class_camera: Tensor  # (N,)
    tracklet_of: Tensor  # (N,)
    cannot_link: Tensor  # (P, 2), of tracklets

    def __init__(self, tracklets: Tracklets, width: int, config: SSLConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        self.bank_unit = self.sampling = config.unit
        self.needs_stripes = config.part_weight > 0
        tracklet_of = tracklets.image_tracklet if config.unit == "image" else torch.arange(len(tracklets))
        self.register_buffer("tracklet_of", tracklet_of.clone(), persistent=False)
        self.register_buffer("class_camera", tracklets.camera[tracklet_of], persistent=False)
        self.register_buffer("cannot_link", tracklets.cannot_link.clone(), persistent=False)
        self.register_buffer("table", torch.zeros(len(tracklet_of), width))
        self.register_buffer("alike", torch.full((len(tracklet_of), config.reliable), -1))
        first = round(config.first_phase * epochs)
        rounds = min(config.rounds, epochs - first)
        self.round_starts = frozenset(first + (epochs - first) * number // rounds for number in range(rounds))

    def dissimilarity(self, bank: Bank) -> Similarity:
        """Minus D of Eq. 7, in blocks. Features and stripes are normalised: 0.02 presumes distances of at most 2."""
        share = self.config.part_weight if bank.stripes is not None else 0.0
        parts = [(1 - share, bank.embedding)]
        if bank.stripes is not None and share:
            stripes = bank.stripes.unbind(1)
            parts += [(share / len(stripes), stripe) for stripe in stripes]  # Eq. 5

        def block(rows: slice, columns: slice) -> Tensor:
            same = self.class_camera[rows, None] == self.class_camera[columns]
            total = self.config.same_camera * same  # Eq. 6
            for weight, features in parts:
                # A bank of a million images may lie in main memory, in half precision: only blocks come here.
                a, b = (normalised(features[part].to(total)) for part in (rows, columns))
                total += weight * (2 - 2 * (a @ b.T)).clamp_(min=0).sqrt_()
            if self.config.cannot_link:
                total.masked_fill_(self.apart(rows, columns), torch.inf)
            return total.neg_()

        return block

    def refresh(self, encode: Encode) -> dict[str, float]:
        """At the start of a round, refills the table and chooses for each class the k most alike."""
        new_round = not self.round_starts.isdisjoint(self.passed)
        if new_round or (self.epoch == 0 and self.config.table == "features"):
            bank = encode()
            self.table.copy_(normalised(bank.embedding.to(self.table)))
            if new_round:
                size = len(self.table)
                _, alike = top_k(
                    self.dissimilarity(bank),
                    size,
                    size,
                    self.config.reliable,
                    without_diagonal=True,
                )
                if self.config.reciprocal:
                    alike = mutual(alike)
                self.alike.copy_(alike)
        across = self.class_camera[self.alike.clamp(min=0)] != self.class_camera[:, None]
        count = (self.alike >= 0).sum()
        if not count:
            return {}
        share = (across & (self.alike >= 0)).sum() / count
        return {"associations": float(len(self.associations())), "cross_camera_share": float(share)}

    def apart(self, rows: slice, columns: slice) -> Tensor:
        """Which classes were seen apart, as a block of an (N, N) matrix. That of tracklets is never made whole."""
        tracklets, table_row = torch.unique(self.tracklet_of[rows], return_inverse=True)
        row_of = torch.full_like(self.camera, -1)  # of each tracklet, its row in the table, −1: it has none
        row_of[tracklets] = torch.arange(len(tracklets), device=row_of.device)
        table = torch.zeros((len(tracklets), len(row_of)), dtype=torch.bool, device=row_of.device)
        for tracklet, seen_beside in (self.cannot_link.T, self.cannot_link.flip(1).T):
            in_table = row_of[tracklet] >= 0
            table[row_of[tracklet][in_table], seen_beside[in_table]] = True
        return table[table_row][:, self.tracklet_of[columns]]

    def features(self, batch: Batch) -> Tensor:
        """(B, D): of an image its own, of a tracklet the mean of its frames in the batch."""
        if self.config.unit == "image":
            return batch.embedding
        return group_mean(batch.embedding, batch.tracklet)[0]

    def classes(self, batch: Batch) -> Tensor:
        """(B,) of an image itself or its tracklet."""
        return batch.image if self.config.unit == "image" else batch.tracklet

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Eq. 3 and 4, or Eq. 2 while no class is alike."""
        v = functional.dropout(normalised(self.features(batch)), self.config.dropout, self.training)
        log_p = functional.log_softmax(v @ self.table.T / self.config.temperature, 1)  # Eq. 1
        own = self.classes(batch)
        alike = self.alike[own]  # (B, k)
        there = alike >= 0
        others = log_p.gather(1, alike.clamp(min=0)).where(there, 0.0)
        count = there.sum(1)
        kept = torch.where(count > 0, self.config.own, 1.0)
        # Eq. 3 and 4, or Eq. 2 while no class is alike.
        hard = kept * log_p.gather(1, own[:, None])[:, 0]
        soft = (1 - kept) * others.sum(1) / count.clamp(min=1)
        return {"own": -hard.mean(), "alike": -soft.mean()}

    def remember(self, batch: Batch) -> None:
        """V ← normalise((V + v) / 2), as BUC does in its backward pass. The paper says only that V stores features."""
        own = self.classes(batch)
        mean, first = group_mean(normalised(self.features(batch)), own)
        new = normalised((self.table[own] + normalised(mean)) / 2)
        self.table[own] = new[first]

    def associations(self) -> Tensor:
        """Tracklets of different cameras whose classes share a label."""
        row, column = (self.alike >= 0).nonzero(as_tuple=True)
        pairs = self.tracklet_of[torch.stack([row, self.alike[row, column]], 1)]
        pairs = pairs[self.camera[pairs[:, 0]] != self.camera[pairs[:, 1]]]
        return pairs.sort(1).values.unique(dim=0)
