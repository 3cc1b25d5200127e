"""Our own: learn from the identities that merging finds.

Each epoch `reid.merging` joins tracklets into trajectories and these into identities. It goes by the company that they
keep, by people seen side by side, and by what time allows. Looks alone do not know that. What is joined is a class. The
encoder learns to tell classes apart by their centres. These are a memory, as in Cluster Contrast (Dai et al., ACCV
2022). Tracklets that nothing was joined to teach nothing in that epoch. Most of them are pieces of somebody who is a
class already.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reid.merging import MergeRules, Seen, merge_tracklets
from reid.methods import Batch, Encode, LearningMethod, MethodConfig, Recipe, Tracklets, group_mean, normalised
from reid.normalised import normalised as normalised_rows

WITHIN = 0.9  # as in MergeRules, but stricter: what is joined wrongly is learned
NEVER = -1e4  # a logit, as infinity would make no number of an epoch without any class
RECIPE = Recipe(epochs=40, batch=64, frames=4, head="embedding-l2", augment="mild")


@dataclass(frozen=True)
class MergedConfig(MethodConfig):
    """Settings of our own method."""

    method = "merged"

    recipe: Recipe = RECIPE
    temperature: float = 0.06
    """Of the cosine."""
    momentum: float = 0.2
    """Of what a centre was, in each step that sees its class."""
    shared_clock: bool = False
    """Times of different cameras can be compared, as those of a site; then nobody is in two places at once."""
    certainty: float = 0.5
    """Posterior probability above which tracklets are joined."""


class Merged(LearningMethod):
    """Classes of joined tracklets, each with a centre."""

    sampling = "tracklet"
    bank_unit = "image"

    label: Tensor  # (T,) its class, −1: none
    centre: Tensor  # (T, D): as many rows as there are classes, of length 1, and the others are 0
    count: Tensor  # () classes

    def __init__(self, tracklets: Tracklets, width: int, config: MergedConfig, epochs: int, seed: int) -> None:
        super().__init__(tracklets, epochs)
        self.config = config
        self.tracklets = tracklets
        self.register_buffer("label", torch.full((len(tracklets),), -1))
        self.register_buffer("centre", torch.zeros(len(tracklets), width))
        self.register_buffer("count", torch.tensor(0))

    def refresh(self, encode: Encode) -> dict[str, float]:
        """Joins tracklets by `reid.merging`. An identity of several is a class, with their mean as its centre."""
        images = normalised(encode().embedding.float()).cpu().numpy()
        rows, start, end = self.summed_up(images)
        camera = self.tracklets.camera.cpu().numpy()
        apart, linked = self.tracklets.cannot_link.cpu().numpy(), self.tracklets.must_link.cpu().numpy()
        seen = Seen(np.arange(len(rows)), camera, start, end, rows, cannot_link=apart, must_link=linked)
        rules = MergeRules(certainty=self.config.certainty, within=WITHIN)
        within, identities = merge_tracklets(seen, rules, shared_clock=self.config.shared_clock)
        _, label, size = np.unique(identities.labels, return_inverse=True, return_counts=True)
        kept = size > 1
        number = np.where(kept, np.cumsum(kept) - 1, -1)[label]
        self.label.copy_(torch.from_numpy(number))
        self.count.fill_(int(kept.sum()))
        inside = self.label >= 0
        total = torch.zeros_like(self.centre)
        total.index_add_(0, self.label[inside], torch.from_numpy(rows).to(total)[inside])
        self.centre.copy_(normalised(total))
        return {
            "trajectories": float(len(np.unique(within))),
            "classes": float(kept.sum()),
            "classed": float(inside.float().mean()),
            "associations": float(len(self.associations())),
        }

    def summed_up(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of tracklets' images (T, D), of length 1, and when they begin and end (T,)."""
        tracklet = self.tracklets.image_tracklet.cpu().numpy()
        time = self.tracklets.image_time
        moment = np.full(len(tracklet), np.nan) if time is None else time.cpu().numpy()
        order = np.lexsort((moment, tracklet))
        length = np.bincount(tracklet, minlength=len(self.tracklets))
        first = np.cumsum(length) - length
        rows = normalised_rows(np.add.reduceat(images[order], first, 0))
        return rows, moment[order][first], moment[order][first + length - 1]

    def parts(self, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the cosines with the centres, over the images that have a class."""
        label = self.label[batch.tracklet]
        classed = label >= 0
        logits = normalised(batch.embedding) @ self.centre.T / self.config.temperature
        beyond = torch.arange(len(self.centre), device=logits.device) >= self.count
        entropy = functional.cross_entropy(logits.masked_fill(beyond, NEVER), label.clamp(min=0), reduction="none")
        return {"identity": torch.where(classed, entropy, 0.0).sum() / classed.sum().clamp(min=1)}

    def remember(self, batch: Batch) -> None:
        """Moves the centres of the batch's classes towards its images."""
        label = self.label[batch.tracklet]
        mean, first = group_mean(normalised(batch.embedding), label)
        momentum = self.config.momentum
        new = normalised(momentum * self.centre[label.clamp(min=0)] + (1 - momentum) * normalised(mean))
        own = first == torch.arange(len(first), device=first.device)
        self.centre[label[own & (label >= 0)]] = new[own & (label >= 0)]

    def associations(self) -> Tensor:
        """Each tracklet of a class with the next one of another camera in it."""
        order = torch.argsort(self.label * self.cameras + self.camera, stable=True)
        order = order[self.label[order] >= 0]
        pairs = torch.stack([order[:-1], order[1:]], 1)
        label, camera = self.label[pairs], self.camera[pairs]
        linked = (label[:, 0] == label[:, 1]) & (camera[:, 0] != camera[:, 1])
        return pairs[linked].sort(1).values
