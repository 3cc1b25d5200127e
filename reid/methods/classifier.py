"""One softmax for each camera over that camera's classes, as one matrix: shared by UTAL, UGA and EEA.

A class is what a softmax tells apart: a tracklet or, where identities are known, what one of them left in one camera.
The papers have a classifier f_t for each camera t. Here the rows of all of them are one matrix W, in the order of the
classes. Five classes of two cameras, as an example:

    class                 0   1   2   3   4
    its camera t          0   1   0   0   1
    logits of x, xWᵀ      a   b   c   d   e

Then f_0 is the softmax over (a, c, d), and f_1 that over (b, e). Class 3 has the probability
exp(d) / (exp(a) + exp(c) + exp(d)). The denominators are the cameras' normalisers: a loop over cameras, none over
images.

B are images, U classes, C cameras, D dimensions.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from reid.association import SoftLabels, hard_labels
from reid.methods import normalised, random_rows


class ByCamera(nn.Module):
    """Each camera's classes among the columns of logits or similarities (B, U)."""

    order: Tensor

    def __init__(self, camera: Tensor, cameras: int) -> None:
        super().__init__()
        self.register_buffer("order", camera.argsort(stable=True), persistent=False)
        self.counts: list[int] = torch.bincount(camera, minlength=cameras).tolist()

    def normalisers(self, logits: Tensor) -> Tensor:
        """Of logits (B, U), log Σ exp over the classes of each camera: (B, C), −∞ of a camera without any."""
        return torch.stack([part.logsumexp(1) for part in logits[:, self.order].split(self.counts, 1)], 1)

    def best(self, similarity: Tensor) -> tuple[Tensor, Tensor]:
        """Of similarities (B, U), the largest among the classes of each camera (B, C), and its class (B, C).

        They are −∞ and 0 of a camera without any.
        """
        values, indices = [], []
        for part, classes in zip(similarity[:, self.order].split(self.counts, 1), self.order.split(self.counts)):
            if part.shape[1]:
                value, position = part.max(1)
                values.append(value)
                indices.append(classes[position])
            else:
                values.append(similarity.new_full((len(similarity),), -torch.inf))
                indices.append(classes.new_zeros(len(similarity)))
        return torch.stack(values, 1), torch.stack(indices, 1)


class LabelMemory(nn.Module):
    """An epoch's soft labels, as buffers that a checkpoint holds."""

    classes: Tensor  # (U, K + 1)
    weight: Tensor
    affinity: Tensor

    def __init__(self, classes: int, k: int) -> None:
        """Hard labels, until there are others. k: K."""
        super().__init__()
        hard = hard_labels(classes, torch.device("cpu"))
        self.register_buffer("classes", hard.classes.expand(-1, k + 1).clone())
        self.register_buffer("weight", functional.pad(hard.weight, (0, k)))
        self.register_buffer("affinity", functional.pad(hard.affinity, (0, k)))

    @property
    def labels(self) -> SoftLabels:
        """ŷ."""
        return SoftLabels(self.classes, self.weight, self.affinity)

    def keep(self, labels: SoftLabels) -> None:
        """Takes the place of what was there."""
        self.classes.copy_(labels.classes)
        self.weight.copy_(labels.weight)
        self.affinity.copy_(labels.affinity)


class CameraClassifier(nn.Module):
    """Softmax classifiers f_t, one for each camera t, of U classes in all. `weight` is W (U, D)."""

    def __init__(self, camera: Tensor, cameras: int, width: int, scale: float | None, seed: int) -> None:
        """Random weights, rows of expected length 1.

        Args:
            camera: (U,) of each class.
            cameras: How many there are.
            width: D, dimensions of the embeddings.
            scale: With None logits are Wx, as the papers print them. Else they are `scale` times the cosine of x and
                each row of W.
            seed: Of the rows.
        """
        super().__init__()
        self.weight = nn.Parameter(random_rows(len(camera), width, seed))
        self.scale = scale
        self.by_camera = ByCamera(camera, cameras)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) → logits (B, U)."""
        if self.scale is None:
            return x @ self.weight.T
        return self.scale * (normalised(x) @ normalised(self.weight).T)

    def soft_cross_entropy(self, logits: Tensor, own: Tensor, camera: Tensor, labels: SoftLabels) -> Tensor:
        """−Σ_j ŷ(j) log p(j) in each image's own camera (UTAL Eq. 7). With hard labels it is UTAL Eq. 1, UGA Eq. 1.

        Args:
            logits: (B, U).
            own: (B,) class of each image.
            camera: (B,) its camera.
            labels: ŷ of each class.

        Returns:
            (B,).
        """
        named = logits.gather(1, labels.classes[own])  # ŷ is 0 elsewhere
        normaliser = self.by_camera.normalisers(logits).gather(1, camera[:, None])[:, 0]
        return normaliser - (labels.weight[own] * named).sum(1)  # Σ ŷ = 1

    def cross_entropy_per_camera(self, logits: Tensor, target: Tensor) -> Tensor:
        """−log p(target) in each camera's classifier.

        Args:
            logits: (B, U).
            target: (B, C) a class of each camera, −1: none.

        Returns:
            (B, C), 0 where there is no target.
        """
        loss = self.by_camera.normalisers(logits) - logits.gather(1, target.clamp(min=0))
        return loss.where(target >= 0, 0.0)
