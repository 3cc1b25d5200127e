"""In which numbers an encoder computes, and how gradients are clipped."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from reid.training.precision import Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(("name", "kind"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_layers_compute_in_the_numbers_named(name: Any, kind: torch.dtype) -> None:
    layer, precision = nn.Linear(3, 2), Precision(name, CPU)
    with precision.autocast():
        assert layer(torch.ones(1, 3)).dtype == kind
    assert layer.weight.dtype == torch.float32
    assert not precision.scaler.is_enabled()  # losses are scaled on CUDA only


def test_a_step_clips_each_gradient() -> None:
    for clip_value, moved in ((None, 50.0), (2.0, 2.0)):
        weight = nn.Parameter(torch.zeros(1))
        optimiser, precision = torch.optim.SGD([weight], 1.0), Precision("fp32", CPU)
        precision.backward((-50 * weight).sum())
        precision.step(optimiser, [weight], clip_value)
        assert weight.item() == moved
