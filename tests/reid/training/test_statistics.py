"""New batch normalisations take the data's statistics. Those that have learned keep theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from reid.encoder import Encoder, EncoderConfig, load_encoder, new_encoder
from reid.tracklets import TrackletDataset
from reid.training import statistics
from reid.training.precision import Precision
from reid.training.statistics import settle_statistics

CPU = torch.device("cpu")
CONFIG = EncoderConfig(channels=(4, 4, 4, 4, 8), stripes=1, height=64, width=32)


def settled(encoder: Encoder, dataset: TrackletDataset, seed: int = 0) -> Encoder:
    settle_statistics(encoder, dataset, Precision("fp32", CPU), seed)
    return encoder


def mean_cosine(encoder: Encoder, dataset: TrackletDataset) -> float:
    rows = encoder.embed(torch.from_numpy(dataset.crops)).numpy()
    return float((rows @ rows.T)[~np.eye(len(rows), dtype=bool)].mean())


def test_rows_of_random_weights_are_no_longer_alike(dataset: TrackletDataset) -> None:
    collapsed = mean_cosine(new_encoder(CONFIG, seed=0), dataset)
    assert collapsed > 0.9
    assert mean_cosine(settled(new_encoder(CONFIG, seed=0), dataset), dataset) < 0.5


def test_the_first_layers_statistics_are_those_of_its_inputs(
    dataset: TrackletDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "AT_ONCE", len(dataset.crops))
    encoder = new_encoder(CONFIG, seed=0)
    first = next(layer for layer in encoder.modules() if isinstance(layer, _BatchNorm))
    inputs: list[torch.Tensor] = []
    hook = first.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    settled(encoder, dataset)
    hook.remove()
    assert len(inputs) == 1 and encoder.training and first.momentum == 0.1
    torch.testing.assert_close(first.running_mean, inputs[0].mean((0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(first.running_var, inputs[0].transpose(0, 1).flatten(1).var(1), rtol=1e-4, atol=1e-4)


def test_what_has_learned_stays_as_it_is(dataset: TrackletDataset, data_folder: Path) -> None:
    trained = load_encoder(data_folder / "tiny.safetensors")
    for layer in trained.modules():
        if isinstance(layer, _BatchNorm) and layer.num_batches_tracked is not None:
            layer.num_batches_tracked.fill_(3)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    after = settled(trained, dataset).state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_the_seed_decides_which_crops_are_seen(dataset: TrackletDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "AT_ONCE", 8)
    monkeypatch.setattr(statistics, "BATCHES", 1)

    def weights(seed: int) -> torch.Tensor:
        encoder = settled(new_encoder(CONFIG, seed=0), dataset, seed)
        return torch.cat([value.flatten().float() for value in encoder.state_dict().values()])

    assert torch.equal(weights(0), weights(0)) and not torch.equal(weights(0), weights(1))
