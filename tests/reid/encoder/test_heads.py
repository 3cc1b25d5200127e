"""What each paper has between the map and the embedding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from reid.encoder import (
    load_encoder,
    new_encoder,
    save_encoder,
)
from reid.encoder.heads import GeneralisedMean, Mean, StripeHead
from tests.reid.encoder.encoders import lived_in, random_crops, tiny


@pytest.mark.parametrize(
    ("head", "dimensions", "inner"),
    [
        ("fc", 2048, ["Linear", "BatchNorm1d", "ReLU"]),
        ("embedding", 1024, ["BatchNorm1d", "Dropout", "Linear", "BatchNorm1d"]),
        ("embedding-l2", 1024, ["BatchNorm1d", "Dropout", "Linear", "BatchNorm1d"]),
        ("pooled", 8, []),
    ],
)
def test_heads(head: str, dimensions: int, inner: list[str], tmp_path: Path) -> None:
    config = tiny(head)
    assert config.dimensions == dimensions
    encoder = new_encoder(config, seed=0)
    assert [type(layer).__name__ for layer in encoder.head.layers.children()] == inner  # type: ignore[union-attr, operator]
    crops = random_crops(6, config)
    rows = lived_in(encoder)(crops)
    assert rows.shape == (6, dimensions)
    lengths = rows.norm(dim=1)
    assert torch.allclose(lengths, torch.ones(6), atol=1e-5) == (head == "embedding-l2")
    assert torch.allclose(encoder.embed(crops), functional.normalize(rows), atol=1e-6)
    save_encoder(encoder, tmp_path / "e.safetensors")
    assert torch.equal(load_encoder(tmp_path / "e.safetensors")(crops), rows)


def test_generalised_mean_goes_from_mean_to_maximum() -> None:
    mapped = torch.rand(3, 5, 4, 2) + 0.1
    pool = GeneralisedMean()
    with torch.no_grad():
        pool.power.fill_(1.0)
        assert torch.allclose(pool(mapped), mapped.mean((2, 3)))
        pool.power.fill_(60.0)
        assert torch.allclose(pool(mapped), mapped.amax((2, 3)), rtol=0.04)
    encoder = new_encoder(tiny("pooled", pooling="gem"), seed=0)
    assert [name for name, _ in encoder.head.named_parameters()] == ["pool.power"]


def test_stripes_keep_what_is_where() -> None:
    head = StripeHead(3, 2, 6).eval()
    mapped = torch.rand(2, 3, 4, 2)
    swapped = torch.cat([mapped[:, :, 2:], mapped[:, :, :2]], 2)
    assert torch.allclose(head(mapped).norm(dim=1), torch.ones(2), atol=1e-5)
    assert (head(mapped) - head(swapped)).abs().max() > 0.01
    torch.testing.assert_close(head(mapped, Mean()(mapped)), head(mapped))  # given the pooled map, the same
