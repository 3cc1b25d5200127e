"""Speed of retrieval scores at Market-1501's size: `python -m bench.evaluation [--queries 3368 --gallery 19732]`.

Embeddings are directions around people, in six cameras, with junk among the gallery as Market-1501 has it. The peers
are the field's evaluations in plain NumPy, which must come to the same scores from the same rows:

* `per query`: everything one query at a time: its product with the gallery, one argsort, its matches;
* `matrix`: all affinities in one product beforehand, then an argsort a query;
* `stable`: the same with a stable sort, which alone ranks equal affinities as ours does.

Re-ranking is timed without a peer: its reference needs a matrix of all pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from reid.evaluate import JUNK, Embeddings, RetrievalScores, evaluate_retrieval
from reid.rerank import Reranking

CAMERAS = 6
PEOPLE = 750  # in Market-1501's test part
JUNK_SHARE = 0.14  # of Market-1501's gallery
WIDTH = 512
SPREAD = 2.5  # of a person's views, in lengths of the person's own direction: about Market-1501's mAP of a small model
EQUAL = 1e-6


def market_like(queries: int, gallery: int, width: int = WIDTH, seed: int = 0) -> tuple[Embeddings, Embeddings]:
    """Queries and gallery; the people are as many a picture as in Market-1501."""
    rng = np.random.default_rng([seed, queries, gallery, width])
    people = max(2, PEOPLE * gallery // 19_732)
    centres = rng.standard_normal((people, width), np.float32)

    def drawn(count: int, junk: float) -> Embeddings:
        who = rng.integers(0, people, count)
        rows = centres[who] + SPREAD * rng.standard_normal((count, width), np.float32)
        shown = np.where(rng.random(count) < junk, JUNK, who)
        return Embeddings(functional.normalize(torch.from_numpy(rows)), shown, rng.integers(0, CAMERAS, count))

    return drawn(queries, 0.0), drawn(gallery, JUNK_SHARE)


def reference_scores(
    query: Embeddings, gallery: Embeddings, *, matrix: bool = False, stable: bool = False
) -> RetrievalScores:
    """What `evaluate_retrieval` computes, as the field's scripts do: a loop over queries, each sorting the gallery.

    matrix: the products of all queries at once, before the loop. stable: equal affinities in the order of the gallery,
    as ours have it; the scripts leave that to chance.
    """
    rows, among = query.rows.numpy(), gallery.rows.numpy()
    products = rows @ among.T if matrix else (among @ row for row in rows)
    precisions, penalties, firsts = [], [], []
    for product, person, camera in zip(products, query.people, query.cameras):
        row = -product  # 1 − … would round different ones to the same
        order = np.argsort(row, kind="stable" if stable else None)
        keep = ~((gallery.people[order] == person) & (gallery.cameras[order] == camera))
        keep &= gallery.people[order] != JUNK
        matches = (gallery.people[order] == person)[keep].astype(np.int32)
        if not matches.any():
            continue
        found = matches.cumsum()
        precision = found / np.arange(1, len(matches) + 1)
        precisions.append(float((precision * matches).sum() / matches.sum()))
        last = int(np.flatnonzero(matches)[-1])
        penalties.append(float(found[last] / (last + 1)))
        firsts.append(int(np.flatnonzero(matches)[0]) + 1)
    first = np.array(firsts)
    rank1, rank5, rank10, rank20 = (float((first <= k).mean()) for k in (1, 5, 10, 20))
    left = int((gallery.people != JUNK).sum())
    return RetrievalScores(
        float(np.mean(precisions)), rank1, rank5, rank10, rank20, float(np.mean(penalties)), len(first), left
    )


def measure(queries: int, gallery: int, rounds: int, threads: int, *, rerank: bool = True) -> dict[str, Any]:
    """The report; of seconds the best round, in turn."""
    torch.set_num_threads(threads)
    load, cpus = os.getloadavg()[0], os.cpu_count() or 1  # before this adds to it
    query, among = market_like(queries, gallery)
    works = {
        "ours": lambda: evaluate_retrieval(query, among),
        "per query": lambda: reference_scores(query, among),
        "matrix": lambda: reference_scores(query, among, matrix=True),
        "stable": lambda: reference_scores(query, among, matrix=True, stable=True),
    }
    seconds = dict.fromkeys(works, np.inf)
    processor = dict(seconds)
    scores: dict[str, RetrievalScores] = {}
    for _ in range(rounds):
        for name, work in works.items():
            begun, spent = time.perf_counter(), time.process_time()
            scores[name] = work()
            seconds[name] = min(seconds[name], time.perf_counter() - begun)
            processor[name] = min(processor[name], time.process_time() - spent)
    ours, *others = (asdict(scores[name]) for name in works)
    difference = max(abs(ours[key] - theirs[key]) for theirs in others for key in ours)
    report: dict[str, Any] = {
        "queries": queries,
        "gallery": gallery,
        "width": WIDTH,
        "threads": threads,
        "cpus": cpus,
        "load": load,
        "busy": load + threads > cpus + 0.5,
        "scores": ours,
        "max_difference": difference,
        "equal": difference <= EQUAL,
        "seconds": seconds,
        "cpu_seconds": processor,
        "ratios": {name: seconds[name] / seconds["ours"] for name in works},
        "cpu_ratios": {name: processor[name] / processor["ours"] for name in works},
    }
    if rerank:
        begun, spent = time.perf_counter(), time.process_time()
        again = evaluate_retrieval(query, among, rerank=Reranking())
        report["reranked"] = {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - spent,
            "mAP": again.mAP,
            "rank1": again.rank1,
        }
    return report


def show(report: dict[str, Any]) -> None:
    """The report as a person reads it."""
    print(
        f"{report['queries']:,} queries in {report['gallery']:,}, {report['width']} wide, {report['threads']} threads "
        f"of {report['cpus']}, load {report['load']:.1f}: mAP {100 * report['scores']['mAP']:.2f}, "
        f"rank-1 {100 * report['scores']['rank1']:.2f}"
    )
    if report["busy"] and report["threads"] > 1:
        print("  The machine is BUSY: times of several threads are no measurement; use --threads 1")
    for name, taken in report["seconds"].items():
        print(
            f"  {name:10} {taken:8.2f} s, {report['cpu_seconds'][name]:8.2f} CPU seconds: "
            f"{report['ratios'][name]:.1f} times ours ({report['cpu_ratios'][name]:.1f} by CPU)"
        )
    same = "equal" if report["equal"] else "NOT EQUAL"
    print(f"  {same}: the largest difference of a score is {report['max_difference']:.1e}")
    if "reranked" in report:
        again = report["reranked"]
        print(
            f"  re-ranked  {again['seconds']:8.2f} s, {again['cpu_seconds']:8.2f} CPU seconds, "
            f"mAP {100 * again['mAP']:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=3368)
    parser.add_argument("--gallery", type=int, default=19_732)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = measure(arguments.queries, arguments.gallery, arguments.rounds, arguments.threads)
    if arguments.json:
        print(json.dumps(report))
    else:
        show(report)


if __name__ == "__main__":
    main()
