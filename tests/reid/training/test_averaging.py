"""The moving average of weights and statistics."""

from __future__ import annotations

import pytest
import torch

from reid.encoder import EncoderConfig, new_encoder
from reid.training.averaging import WeightAverage

CONFIG = EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=1, dimensions=6, height=32, width=16)


@pytest.mark.parametrize(("step", "decay"), [(0, 0.1), (8, 0.5), (10**6, 0.9)])
def test_it_follows_slowly_and_slower_later(step: int, decay: float) -> None:
    encoder = new_encoder(CONFIG, seed=0)
    average = WeightAverage(encoder, 0.9)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    with torch.no_grad():
        for value in encoder.state_dict().values():
            value += 1
    average.follow(encoder, step)
    for name, value in average.encoder.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, before[name] + (1 - decay))
        else:
            assert torch.equal(value, before[name])  # how many batches there were: no average


def test_the_encoder_itself_stays_as_it_is() -> None:
    encoder = new_encoder(CONFIG, seed=0)
    average = WeightAverage(encoder, 0.5)
    with torch.no_grad():
        next(average.encoder.parameters()).zero_()
    assert next(encoder.parameters()).abs().sum() > 0
