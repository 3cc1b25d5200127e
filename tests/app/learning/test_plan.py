"""What is learned, and how long, is as the time given and the site allow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from app.learning.plan import Start, Wishes, fitted


@pytest.mark.parametrize(
    ("tracklets", "minutes", "wishes", "expected"),
    # An image a second is learned from at 128×64 px. There are 4,000 of them: 5,000 s an epoch.
    # It takes 2.25 times as much where crops are larger.
    [
        (1000, 7_000.0, {}, (12, (192, 96), 16)),
        (1000, 2_000.0, {}, (12, (128, 64), 16)),
        (1000, 500.0, {}, (5, (128, 64), 16)),
        (500, 7_000.0, {}, (12, (128, 64), 16)),
        (1000, 2_000.0, {"epochs": 3}, (3, (192, 96), 16)),
        (1000, 2_000.0, {"epochs": 30}, (30, (128, 64), 16)),
        (1000, 7_000.0, {"size": (128, 64)}, (12, (128, 64), 16)),
        (1000, 3_000.0, {"size": (192, 96)}, (12, (192, 96), 16)),
        (1000, 150.0, {}, (3, (128, 64), 2)),
        (1000, 10.0, {}, (1, (128, 64), 2)),
    ],
)
def test_epochs_and_crops_are_as_the_time_allows(
    tracklets: int, minutes: float, wishes: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    asked_for = Wishes(minutes=minutes, **wishes)
    crops = np.full(tracklets, 4000 // tracklets)
    assert fitted(crops, Start("base", (128, 64), 1.0), asked_for)[:3] == expected
    if not wishes:  # what has learned from larger crops is not asked for smaller ones
        assert fitted(crops, Start("v1", (192, 96), 1.0), asked_for)[1] == (192, 96)
