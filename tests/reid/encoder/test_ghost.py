"""Batch normalisation in groups."""

from __future__ import annotations

import dataclasses

import torch
from torch import nn

from reid.encoder import (
    new_encoder,
)
from reid.encoder.ghost import GhostNorm, with_ghost_norm
from tests.reid.encoder.encoders import TINY, random_crops, tiny


def test_ghost_groups_are_normalised_by_themselves() -> None:
    plain = new_encoder(tiny("embedding"), seed=0)
    ghost = new_encoder(dataclasses.replace(plain.config, ghost=4, dropout=0.0), seed=0)
    assert ghost.state_dict().keys() == plain.state_dict().keys()
    plain = new_encoder(dataclasses.replace(plain.config, dropout=0.0), seed=0)
    crops = random_crops(12, TINY)
    together, apart = ghost(crops), torch.cat([plain(part) for part in crops.split(4)])
    assert torch.allclose(together, apart, atol=1e-4)
    assert not torch.allclose(plain(crops), apart, atol=1e-2)
    norms = [next(m for m in e.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)) for e in (ghost, plain)]
    assert norms[0].running_mean is not None
    assert norms[0].num_batches_tracked == 3
    assert ghost(crops[:7]).shape == (7, 1024)  # too few for two groups: one
    plain.load_state_dict(ghost.state_dict())
    assert torch.equal(plain.embed(crops), ghost.embed(crops))


def test_every_normalisation_is_replaced_with_what_it_has_learned() -> None:
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    nn.init.constant_(module.get_parameter("1.1.weight"), 0.5)
    ghost = with_ghost_norm(module, 4)
    norms = [m for m in ghost.modules() if isinstance(m, GhostNorm)]
    assert [(norm.num_features, norm.group) for norm in norms] == [(3, 4), (2, 4)]
    assert norms[1].weight.tolist() == [0.5, 0.5]
    assert not any(isinstance(m, nn.BatchNorm1d) for m in ghost.modules())
