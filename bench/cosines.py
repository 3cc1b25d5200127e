"""Which cosine of a new encoder means what a cosine of the one before meant.

Trackers and merging know cosines of the encoder in the box. When it changes, they are carried over: to where pairs of
two people that are above it, and pairs of one person that are below, are as many to each other as they were. Pairs are
of the crops that `bench.encoder` cuts by truth, in one camera as they are, and in two without their cameras' shift.

    python -m bench.cosines 0.4 0.5 0.6 0.7 --films DIR --before OLD.onnx --after NEW.onnx
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from bench.encoder import cut_films, resized_to
from bench.terminal import print_table, run
from deploy.encoder import open_encoder
from reid.camera_shift import without_camera

STEPS = np.linspace(-1, 1, 2001)  # cosines that are tried
ERRORS = "two people above, one below"
HEADS = ("before", "in one camera", ERRORS, "in two cameras", ERRORS)
LEAST = 1e-6  # share of pairs that counts where there is none


def errors(cosines: NDArray[np.float32], same: NDArray[np.bool_], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, K) share of pairs of two people above each of (K,) cosines, and of pairs of one person below it."""
    two, one = np.sort(cosines[~same]), np.sort(cosines[same])
    return np.stack([1 - np.searchsorted(two, at) / len(two), np.searchsorted(one, at) / len(one)])


def carried_over(
    before: NDArray[np.float32], after: NDArray[np.float32], same: NDArray[np.bool_], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(K,) cosines of the new encoder for those of the old one.

    before, after: (P,) cosines of the same pairs. same: (P,) whether a pair is one person, both must be there.
    """
    (over, under), (new_over, new_under) = errors(before, same, at) + LEAST, errors(after, same, STEPS) + LEAST
    balance = np.log(over / under)
    new_balance = np.log(new_over / new_under)  # it falls
    return STEPS[np.abs(new_balance[:, None] - balance).argmin(0)]


def command(
    cosines: Annotated[list[float], typer.Argument(help="Of the encoder before.")],
    films: Annotated[Path, typer.Option(help="Folder of films with truth.")],
    before: Annotated[Path, typer.Option(help="An ONNX or safetensors encoder.")],
    after: Annotated[Path, typer.Option(help="The one that follows it.")],
) -> None:
    """Carry cosines over from one encoder to the next."""
    crops = cut_films(films)
    people, cameras = np.array(crops.people), np.array(crops.cameras, np.int64)
    first, second = np.triu_indices(len(people), 1)
    same, apart = people[first] == people[second], cameras[first] != cameras[second]
    rows = [resized_to(open_encoder(path))(crops.images) for path in (before, after)]
    at = np.array(cosines)
    cells = [[f"{cosine:g}"] for cosine in cosines]
    for pairs, seen in ((~apart, rows), (apart, [without_camera(each, cameras) for each in rows])):
        a, b = first[pairs], second[pairs]
        old, new = (np.einsum("pd,pd->p", each[a], each[b]) for each in seen)
        for line, cosine, shares in zip(cells, carried_over(old, new, same[pairs], at), errors(old, same[pairs], at).T):
            line += [f"{cosine:.3f}", f"{100 * shares[0]:.2f} / {100 * shares[1]:.2f} %"]
    print_table(HEADS, cells)


if __name__ == "__main__":
    run(command)
