"""One softmax for each camera over that camera's tracklets, as one matrix: shared by UTAL, UGA and EEA.

A row of the weights stands for a tracklet. One product gives the logits against all. Each camera's normaliser is taken
over its own columns. So there is a loop over cameras, none over rows.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from reid.association import SoftLabels
from reid.methods import normalised, random_rows


class ByCamera(nn.Module):
    """The columns of each camera in a (B, T) matrix over tracklets."""

    order: Tensor

    def __init__(self, camera: Tensor, cameras: int) -> None:
        super().__init__()
        self.register_buffer("order", camera.argsort(stable=True), persistent=False)
        self.counts: list[int] = torch.bincount(camera, minlength=cameras).tolist()

    def normalisers(self, logits: Tensor) -> Tensor:
        """(B, T) → (B, C): log Σ exp over each camera's columns, −∞ of a camera without any."""
        return torch.stack([part.logsumexp(1) for part in logits[:, self.order].split(self.counts, 1)], 1)

    def best(self, similarity: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T) → the largest value of each camera (B, C) and its column (B, C).

        They are −∞ and 0 of a camera without any.
        """
        values, indices = [], []
        for part, columns in zip(similarity[:, self.order].split(self.counts, 1), self.order.split(self.counts)):
            if part.shape[1]:
                value, column = part.max(1)
                values.append(value)
                indices.append(columns[column])
            else:
                values.append(similarity.new_full((len(similarity),), -torch.inf))
                indices.append(columns.new_zeros(len(similarity)))
        return torch.stack(values, 1), torch.stack(indices, 1)


class CameraClassifier(nn.Module):
    """Softmax classifiers f_t, one for each camera t, of C classes in all."""

    def __init__(self, camera: Tensor, cameras: int, width: int, scale: float | None, seed: int) -> None:
        """Random rows of expected length 1.

        Args:
            camera: (C,) of each class.
            cameras: How many there are.
            width: D, dimensions of the embeddings.
            scale: With None logits are Wᵀx, as the papers print them. Else they are `scale` times the cosine of W and
                x.
            seed: Of the rows.
        """
        super().__init__()
        self.weight = nn.Parameter(random_rows(len(camera), width, seed))
        self.scale = scale
        self.by_camera = ByCamera(camera, cameras)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) → logits (B, C)."""
        if self.scale is None:
            return x @ self.weight.T
        return self.scale * (normalised(x) @ normalised(self.weight).T)

    def soft_cross_entropy(self, logits: Tensor, classes: Tensor, camera: Tensor, labels: SoftLabels) -> Tensor:
        """(B,): −Σ_j ŷ(j) log p(j) in the row's own camera (UTAL Eq. 7).

        With hard labels it is UTAL Eq. 1 and UGA Eq. 1.
        """
        named = logits.gather(1, labels.column[classes])  # ŷ is 0 elsewhere
        own = self.by_camera.normalisers(logits).gather(1, camera[:, None])[:, 0]
        return own - (labels.weight[classes] * named).sum(1)  # Σ ŷ = 1

    def cross_entropy_per_camera(self, logits: Tensor, target: Tensor) -> Tensor:
        """(B, C): −log p(target) in each camera's classifier for targets (B, C), 0 where the target is −1."""
        loss = self.by_camera.normalisers(logits) - logits.gather(1, target.clamp(min=0))
        return loss.where(target >= 0, 0.0)
