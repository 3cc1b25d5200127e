"""What truth tells of associations, and that it tells nothing where nobody knows."""

from __future__ import annotations

import numpy as np
import torch

from reid.methods import Batch, LearningMethod
from reid.methods.utal import UTAL, UTALConfig
from reid.training.hindsight import hindsight
from tests.reid.methods import scenes


class Associated(LearningMethod):
    """A method that associates (0, 1) and (2, 4)."""

    def parts(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {}

    def associations(self) -> torch.Tensor:
        return torch.tensor([[0, 1], [2, 4]])


def test_precision_is_the_share_of_pairs_of_one_person() -> None:
    method = Associated(scenes.tracklets(5), 1)
    assert hindsight(method, np.array([7, 7, 8, 9, 9])) == {"association_precision": 0.5}
    assert hindsight(method, np.array([7, 7, 8, 9, 8])) == {"association_precision": 1.0}
    assert hindsight(method, None) == {}


def test_utals_labels_are_compared_over_a_persons_pieces_in_a_camera() -> None:
    of = scenes.tracklets()
    method = UTAL(of, scenes.WIDTH, UTALConfig(), 10, seed=0)
    method.start_epoch(0, lambda: scenes.bank(of))
    camera = of.camera.numpy()
    nobody_twice = np.arange(len(of))
    assert "fragment_similarity" not in hindsight(method, nobody_twice)
    same = np.flatnonzero(camera == 0)[:3]
    people = nobody_twice.copy()
    people[same] = 100
    pairs = torch.from_numpy(np.stack([same[:-1], same[1:]], 1))
    assert hindsight(method, people)["fragment_similarity"] == method.pairwise_similarity(pairs)
