"""What finds more people in new cameras without training an encoder any further.

- The statistics of its batch normalisations become in part those of the cameras' own pictures, without labels. They are
  those of all cameras, or of each camera its own.
- What each camera adds to everybody's embedding is taken out, as the program does when it searches.
- Two models are asked, and their similarities averaged. That is for twice the embedding.
- The best of each query are ranked anew by places of the map: each looks for its like anywhere in the other picture.
  That is the matching of QAConv (Liao & Shao, ECCV 2020, section 3.2) without the layers that it learns on top of it.

Pictures are Market-1501's layout. Statistics are those of `bounding_box_train`, of the same cameras and other people.

    python -m bench.after_training --market DIR --model FILE.safetensors --beside OTHER.safetensors
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.terminal import JsonOption, print_json
from bench.encoder import Image, LabelledCrops, read_market, resize
from bench.terminal import print_table, run
from reid.benchmarks.parts import BenchmarkError
from reid.camera_shift import camera_shift, without_shift
from reid.encoder import Encoder, EncoderError, load_encoder
from reid.evaluate import EvaluationError, RetrievalScores, evaluate_retrieval
from reid.training.statistics import AT_ONCE, batch_norms, take_statistics

SHARES = (0.25, 0.5, 1.0)  # of what is mixed in
BEST = 100  # of each query, that places are compared with
QUERIES = 16  # at once, each with its best


class Rows(NamedTuple):
    """Embeddings of the three sides, each (N, D) of length 1."""

    query: Tensor
    gallery: Tensor
    own: Tensor

    @property
    def cosine(self) -> Tensor:
        """(Q, G) of queries and gallery."""
        return self.query @ self.gallery.T


@dataclass(frozen=True)
class Pictures:
    """Queries, what they are searched in, and unlabelled pictures of the same cameras."""

    query: LabelledCrops
    gallery: LabelledCrops
    own: LabelledCrops

    @property
    def sides(self) -> tuple[LabelledCrops, LabelledCrops, LabelledCrops]:
        """All three."""
        return self.query, self.gallery, self.own

    def scores(self, affinity: Tensor) -> RetrievalScores:
        """Scores of affinities (Q, G)."""
        query, gallery = self.query.embedded(lambda _: affinity.numpy()), self.gallery.embedded(unit_rows)
        return evaluate_retrieval(query, gallery)


def unit_rows(images: list[Image]) -> NDArray[np.float32]:
    """Rows whose products with affinities are these again."""
    return np.eye(len(images), dtype=np.float32)


def read_pictures(market: Path) -> Pictures:
    """All of a folder."""
    folders = ("query", "bounding_box_test", "bounding_box_train")
    return Pictures(*(read_market(market / folder) for folder in folders))


def at(crops: LabelledCrops, size: tuple[int, int]) -> Tensor:
    """(N, height, width, 3) uint8 of crops."""
    return torch.from_numpy(np.stack([resize(image, *size) for image in crops.images]))


def mixed(encoder: Encoder, crops: Tensor, share: float) -> Encoder:
    """A copy whose batch normalisations have their own statistics and, to a share, those of crops (N, h, w, 3)."""
    other = copy.deepcopy(encoder)
    take_statistics(other, batch_norms(other), (part for part in crops.split(AT_ONCE) if len(part) > 1))
    for layer, before in zip(batch_norms(other), batch_norms(encoder), strict=True):
        for statistic, old in ((layer.running_mean, before.running_mean), (layer.running_var, before.running_var)):
            assert statistic is not None and old is not None
            statistic.lerp_(old, 1 - share)
    return other


def whole(encoder: Encoder, pictures: Pictures) -> Rows:
    """All embedded by one encoder."""
    return Rows(*(encoder.embed(at(side, encoder.size)) for side in pictures.sides))


def by_camera(encoder: Encoder, pictures: Pictures, share: float) -> Rows:
    """Each camera's pictures are embedded with its own statistics, to a share."""
    images = [at(side, encoder.size) for side in pictures.sides]
    rows = Rows(*(torch.zeros(len(each), encoder.config.dimensions) for each in images))
    for camera in np.unique(pictures.gallery.cameras).tolist():
        there = [torch.tensor(side.cameras) == camera for side in pictures.sides]
        own = mixed(encoder, images[-1][there[-1]], share)
        for out, each, where in zip(rows, images, there):
            out[where] = own.embed(each[where])
    return rows


def shifted(rows: Rows, pictures: Pictures) -> Rows:
    """Without what cameras add, as their own pictures tell it."""
    shift = camera_shift(rows.own.numpy(), np.array(pictures.own.cameras))
    sides = zip(rows, pictures.sides)
    kept = (without_shift(each.numpy(), np.array(side.cameras), shift) for each, side in sides)
    return Rows(*map(torch.from_numpy, kept))


@torch.inference_mode()
def places_of(encoder: Encoder, crops: Tensor) -> Tensor:
    """(N, h, w, C) of crops: the places of the map before the head."""
    encoder.eval()
    maps = [encoder.backbone(part.permute(0, 3, 1, 2).float()) for part in crops.split(AT_ONCE)]
    return torch.cat(maps).permute(0, 2, 3, 1)


def matched(query: Tensor, gallery: Tensor) -> Tensor:
    """How alike the places of pictures are.

    Args:
        query: (q, P, C) places of length 1.
        gallery: (q, B, P, C) those that each is compared with.

    Returns:
        (q, B): the mean over places, of both pictures, of the cosine of the most alike in the other.
    """
    cosines = torch.einsum("qpc,qbrc->qbpr", query, gallery)
    return (cosines.amax(3).mean(2) + cosines.amax(2).mean(2)) / 2


def ranked_by_places(cosine: Tensor, query: Tensor, gallery: Tensor, share: float) -> Tensor:
    """Affinities (Q, G) in which the BEST of each query come first, by their cosine and their places.

    Args:
        cosine: (Q, G) of the embeddings.
        query: (Q, h, w, C) places.
        gallery: (G, h, w, C).
        share: Of the places. The rest is the cosine's.
    """
    mean = gallery.mean((0, 1, 2))  # what all pictures have says nothing
    query, gallery = (functional.normalize(side.flatten(1, 2) - mean, dim=2) for side in (query, gallery))
    affinity = cosine.clone()
    for first in range(0, len(cosine), QUERIES):
        part = slice(first, first + QUERIES)
        value, best = cosine[part].topk(min(BEST, cosine.shape[1]))
        anew = (1 - share) * value + share * matched(query[part], gallery[best])
        affinity[part].scatter_(1, best, 3 + anew)  # before all others, which are 1 at most
    return affinity


def ways(encoder: Encoder, beside: Encoder | None, pictures: Pictures) -> Iterator[tuple[str, Tensor]]:
    """Each way to ask an encoder, with its affinities (Q, G)."""
    rows, own = whole(encoder, pictures), at(pictures.own, encoder.size)
    yield "as it is", rows.cosine
    yield "without what cameras add", shifted(rows, pictures).cosine
    for share in SHARES:
        mixture = whole(mixed(encoder, own, share), pictures)
        yield f"statistics of all cameras: {share:g}", mixture.cosine
        yield f"statistics of all cameras: {share:g}, without what each adds", shifted(mixture, pictures).cosine
    for share in SHARES:
        mixture = by_camera(encoder, pictures, share)
        yield f"statistics of each camera: {share:g}", mixture.cosine
        yield f"statistics of each camera: {share:g}, without what it adds", shifted(mixture, pictures).cosine
    places = [places_of(encoder, at(side, encoder.size)) for side in (pictures.query, pictures.gallery)]
    for share in SHARES:
        yield f"best {BEST} by places: {share:g}", ranked_by_places(rows.cosine, places[0], places[1], share)
    if beside is not None:
        other = whole(beside, pictures)
        yield "the other alone", other.cosine
        yield "similarities of both averaged", (rows.cosine + other.cosine) / 2
        both = shifted(rows, pictures).cosine + shifted(other, pictures).cosine
        yield "similarities of both averaged, without what cameras add", both / 2


def command(
    market: Annotated[Path, typer.Option(help="A folder of Market-1501's layout.")],
    model: Annotated[Path, typer.Option(help="An encoder, safetensors.")],
    beside: Annotated[Path | None, typer.Option(help="Another, whose similarities are averaged with its.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what finds more people in new cameras without training any further."""
    torch.set_num_threads(1)
    encoder = load_encoder(model)
    other, pictures = None if beside is None else load_encoder(beside), read_pictures(market)
    report = {way: pictures.scores(affinity) for way, affinity in ways(encoder, other, pictures)}
    if as_json:
        print_json(report)
        return
    print_table(
        ["", "mAP", "rank-1"], [[name, f"{100 * s.mAP:.1f}", f"{100 * s.rank1:.1f}"] for name, s in report.items()]
    )


if __name__ == "__main__":
    run(command, BenchmarkError, EncoderError, EvaluationError)
