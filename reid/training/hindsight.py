"""What only truth tells of a method's associations. Reports see it. Nothing that trains does."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from reid.methods import LearningMethod
from reid.methods.utal import UTAL


def hindsight(method: LearningMethod, people: NDArray[np.int64] | None) -> dict[str, float]:
    """Figures of this epoch's associations.

    Args:
        method: After the start of its epoch.
        people: (T,) who each tracklet shows, if somebody knows.

    Returns:
        `association_precision`, the share of associated pairs that show one person. UTAL also has
        `fragment_similarity`, the mean similarity of the labels of one person's pieces in one camera (MPS, Fig. 4).
    """
    if people is None:
        return {}
    figures = {}
    pairs = method.associations().cpu().numpy()
    if len(pairs):
        figures["association_precision"] = float((people[pairs[:, 0]] == people[pairs[:, 1]]).mean())
    if isinstance(method, UTAL):
        camera = method.camera.cpu().numpy()
        order = np.lexsort((camera, people))
        pieces = np.stack([order[:-1], order[1:]], 1)  # of a person in a camera, each with the next
        same = (people[pieces[:, 0]] == people[pieces[:, 1]]) & (camera[pieces[:, 0]] == camera[pieces[:, 1]])
        if same.any():
            figures["fragment_similarity"] = method.pairwise_similarity(
                torch.from_numpy(pieces[same]).to(method.camera.device)
            )
    return figures
