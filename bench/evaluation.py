"""Speed of retrieval scores at Market-1501's size.

Embeddings are directions around people, in six cameras, with junk among the gallery as Market-1501 has it. The peers
are the field's evaluations in plain NumPy. They must come to the same scores from the same rows:

* `per query`: Everything one query at a time. That is its product with the gallery, one argsort, its matches.
* `matrix`: All affinities in one product beforehand, then an argsort a query.
* `stable`: The same with a stable sort, which alone ranks equal affinities as ours does.

Re-ranking is timed without a peer: its reference needs a matrix of all pairs.

    python -m bench.evaluation --queries 3368 --gallery 19732
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated

import numpy as np
import torch
import typer
from torch.nn import functional

from app.terminal import JsonOption, print_json
from bench.measuring import Machine, best_of, timed
from bench.terminal import run, say
from reid.evaluate import JUNK, Embeddings, RetrievalScores, evaluate_retrieval
from reid.rerank import Reranking

CAMERAS = 6
PEOPLE = 750  # in Market-1501's test part
JUNK_SHARE = 0.14  # of Market-1501's gallery
WIDTH = 512
SPREAD = 2.5  # of a person's views, in lengths of the person's own direction: about Market-1501's mAP of a small model
EQUAL = 1e-6


@dataclass(frozen=True, slots=True)
class RerankedCost:
    """Of scores after re-ranking, once."""

    seconds: float
    cpu_seconds: float
    mAP: float
    rank1: float


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """What scores cost. Seconds are of the best round, by contender. Ratios are against ours."""

    queries: int
    gallery: int
    width: int
    machine: Machine
    scores: RetrievalScores
    max_difference: float  # of a peer's score from ours
    equal: bool
    seconds: dict[str, float]
    cpu_seconds: dict[str, float]
    ratios: dict[str, float]
    cpu_ratios: dict[str, float]
    reranked: RerankedCost


def market_like(queries: int, gallery: int, width: int = WIDTH, seed: int = 0) -> tuple[Embeddings, Embeddings]:
    """Queries and gallery. The people are as many a picture as in Market-1501."""
    rng = np.random.default_rng([seed, queries, gallery, width])
    people = max(2, PEOPLE * gallery // 19_732)
    centres = rng.standard_normal((people, width), np.float32)

    def drawn(count: int, junk: float) -> Embeddings:
        person = rng.integers(0, people, count)
        rows = centres[person] + SPREAD * rng.standard_normal((count, width), np.float32)
        labels = np.where(rng.random(count) < junk, JUNK, person)
        return Embeddings(functional.normalize(torch.from_numpy(rows)), labels, rng.integers(0, CAMERAS, count))

    return drawn(queries, 0.0), drawn(gallery, JUNK_SHARE)


def reference_scores(
    query: Embeddings, gallery: Embeddings, *, matrix: bool = False, stable: bool = False
) -> RetrievalScores:
    """What `evaluate_retrieval` computes, as the field's scripts do: a loop over queries, each sorting the gallery.

    Args:
        query: Who asks.
        gallery: Who is searched.
        matrix: The products of all queries at once, before the loop.
        stable: Equal affinities in the order of the gallery, as ours have it. The scripts leave that to chance.
    """
    query_rows, gallery_rows = query.rows.numpy(), gallery.rows.numpy()
    products = query_rows @ gallery_rows.T if matrix else (gallery_rows @ row for row in query_rows)
    precisions, penalties, firsts = [], [], []
    for product, person, camera in zip(products, query.people, query.cameras):
        distance = -product  # 1 − … would round different ones to the same
        order = np.argsort(distance, kind="stable" if stable else None)
        keep = ~((gallery.people[order] == person) & (gallery.cameras[order] == camera))
        keep &= gallery.people[order] != JUNK
        matches = (gallery.people[order] == person)[keep].astype(np.int32)
        if not matches.any():
            continue
        matches_so_far = matches.cumsum()
        precision = matches_so_far / np.arange(1, len(matches) + 1)
        precisions.append(float((precision * matches).sum() / matches.sum()))
        last = int(np.flatnonzero(matches)[-1])
        penalties.append(float(matches_so_far[last] / (last + 1)))
        firsts.append(int(np.flatnonzero(matches)[0]) + 1)
    first_ranks = np.array(firsts)
    return RetrievalScores(
        mAP=float(np.mean(precisions)),
        rank1=float((first_ranks <= 1).mean()),
        rank5=float((first_ranks <= 5).mean()),
        rank10=float((first_ranks <= 10).mean()),
        rank20=float((first_ranks <= 20).mean()),
        mINP=float(np.mean(penalties)),
        queries=len(first_ranks),
        gallery=int((gallery.people != JUNK).sum()),
    )


def measure(queries: int, gallery: int, rounds: int, threads: int) -> EvaluationReport:
    """Scores a set as large as that with each contender, in turn."""
    torch.set_num_threads(threads)
    machine = Machine.now(threads)
    query_embeddings, gallery_embeddings = market_like(queries, gallery)
    reference = partial(reference_scores, query_embeddings, gallery_embeddings)
    works: dict[str, Callable[[], RetrievalScores]] = {
        "ours": partial(evaluate_retrieval, query_embeddings, gallery_embeddings),
        "per query": reference,
        "matrix": partial(reference, matrix=True),
        "stable": partial(reference, matrix=True, stable=True),
    }
    best = best_of(rounds, works)
    ours, *peers = (asdict(run.result) for run in best.values())
    difference = max(abs(ours[score] - peer[score]) for peer in peers for score in ours)
    reranked = timed(partial(evaluate_retrieval, query_embeddings, gallery_embeddings, rerank=Reranking()))
    return EvaluationReport(
        queries=queries,
        gallery=gallery,
        width=WIDTH,
        machine=machine,
        scores=best["ours"].result,
        max_difference=difference,
        equal=difference <= EQUAL,
        seconds={name: run.seconds for name, run in best.items()},
        cpu_seconds={name: run.cpu_seconds for name, run in best.items()},
        ratios={name: run.seconds / best["ours"].seconds for name, run in best.items()},
        cpu_ratios={name: run.cpu_seconds / best["ours"].cpu_seconds for name, run in best.items()},
        reranked=RerankedCost(
            seconds=reranked.seconds,
            cpu_seconds=reranked.cpu_seconds,
            mAP=reranked.result.mAP,
            rank1=reranked.result.rank1,
        ),
    )


def _print(report: EvaluationReport) -> None:
    machine, reranked = report.machine, report.reranked
    say(
        f"{report.queries:,} queries in {report.gallery:,}, {report.width} wide, {machine.threads} threads "
        f"of {machine.cpus}, load {machine.load:.1f}: mAP {100 * report.scores.mAP:.2f}, "
        f"rank-1 {100 * report.scores.rank1:.2f}"
    )
    if machine.busy and machine.threads > 1:
        say("  The machine is BUSY: times of several threads are no measurement; use --threads 1")
    for name, seconds in report.seconds.items():
        say(
            f"  {name:10} {seconds:8.2f} s, {report.cpu_seconds[name]:8.2f} CPU seconds: "
            f"{report.ratios[name]:.1f} times ours ({report.cpu_ratios[name]:.1f} by CPU)"
        )
    verdict = "equal" if report.equal else "NOT EQUAL"
    say(f"  {verdict}: the largest difference of a score is {report.max_difference:.1e}")
    say(
        f"  re-ranked  {reranked.seconds:8.2f} s, {reranked.cpu_seconds:8.2f} CPU seconds, mAP {100 * reranked.mAP:.2f}"
    )


def command(
    queries: Annotated[int, typer.Option(help="Pictures that are searched for.", min=1)] = 3368,
    gallery: Annotated[int, typer.Option(help="Its pictures, junk included.", min=1)] = 19_732,
    rounds: Annotated[int, typer.Option(help="The best one counts.", min=1)] = 3,
    threads: Annotated[int, typer.Option(help="Of torch.", min=1)] = 2,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast retrieval is scored at Market-1501's size, beside the field's evaluations."""
    report = measure(queries, gallery, rounds, threads)
    if as_json:
        print_json(report)
    else:
        _print(report)


if __name__ == "__main__":
    run(command)
