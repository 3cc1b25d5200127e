"""Features of all data, by images and by tracklets, with stripes and without, and where a large bank lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reid.encoder import load_encoder
from reid.methods import Batch, LearningMethod
from reid.tracklets import TrackletDataset
from reid.training import bank
from reid.training.bank import encode_all
from reid.training.batches import image_numbers, unlabelled
from reid.training.precision import Precision

FP32 = Precision("fp32", torch.device("cpu"))


class Wanting(LearningMethod):
    def parts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {}


@pytest.mark.parametrize("at_once", [256, 7])
def test_rows_are_images_or_means_of_tracklets(
    at_once: int, dataset: TrackletDataset, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "AT_ONCE", at_once)
    encoder, numbers = load_encoder(data_folder / "tiny.safetensors"), image_numbers(dataset, 3)
    with torch.no_grad():
        features = encoder.features(torch.from_numpy(dataset.crops), bank.STRIPES)
    method = Wanting(unlabelled(dataset, numbers), 1)
    tracklets = encode_all(encoder, dataset, method, numbers, FP32)
    assert tracklets.stripes is None and encoder.training
    for tracklet, (start, length) in enumerate(zip(dataset.start, dataset.length)):
        mean = features.embedding[start : start + length].mean(0)
        torch.testing.assert_close(tracklets.embedding[tracklet], mean, atol=1e-5, rtol=1e-4)
    method.bank_unit, method.needs_stripes = "image", True
    images = encode_all(encoder, dataset, method, numbers, FP32)
    torch.testing.assert_close(images.embedding[torch.from_numpy(numbers)], features.embedding, atol=1e-5, rtol=1e-4)
    assert images.stripes is not None and features.stripes is not None
    torch.testing.assert_close(images.stripes[torch.from_numpy(numbers)], features.stripes, atol=1e-5, rtol=1e-4)


def test_a_large_bank_is_kept_in_half_precision(
    dataset: TrackletDataset, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bank, "BYTES", 100)
    numbers = image_numbers(dataset, 3)
    method = Wanting(unlabelled(dataset, numbers), 1)
    large = encode_all(load_encoder(data_folder / "tiny.safetensors"), dataset, method, numbers, FP32)
    assert large.embedding.dtype == torch.float16
