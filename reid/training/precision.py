"""The numbers in which an encoder computes: float32, bfloat16, or float16 with scaled losses."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from reid.training.settings import PrecisionName

KINDS = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast and, for float16 on CUDA, the scale of losses that keeps small gradients from vanishing."""

    def __init__(self, name: PrecisionName, device: torch.device) -> None:
        self.name, self.device = name, device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16" and device.type == "cuda")

    def autocast(self) -> AbstractContextManager[object]:
        """A context in which the encoder computes in these numbers. Weights stay float32."""
        return torch.autocast(self.device.type, KINDS.get(self.name, torch.float32), enabled=self.name in KINDS)

    def backward(self, loss: Tensor) -> None:
        """Adds the gradients of a loss (), scaled."""
        self.scaler.scale(loss).backward()

    def step(
        self, optimiser: torch.optim.Optimizer, parameters: Iterable[nn.Parameter], clip_value: float | None
    ) -> None:
        """One step of the optimiser, its gradients clipped to ± `clip_value`.

        It is left out where float16 overflowed.
        """
        if clip_value is not None:
            self.scaler.unscale_(optimiser)
            nn.utils.clip_grad_value_(parameters, clip_value)
        self.scaler.step(optimiser)
        self.scaler.update()
