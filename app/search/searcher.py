"""A site made ready to be asked where else somebody was: one embedding against all tracklets."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.asking import Progress, unheard
from app.encoders import embed
from app.encoders.versions import calibration_of, open_model, serving, store_of
from app.errors import SiteError
from app.record import Site
from app.record.pictures import jpegs_of
from app.record.rows import AuditEntry, lookup
from app.search.indexes import indexes_of
from app.search.matches import CROPS, Finding, Match, percent
from reid.normalised import normalised
from reid.rerank import Reranked, Reranking

log = logging.getLogger("sightline")

NEAR = 200  # of the best that re-ranking and expansion look at
FALSE_ALARMS = 0.05  # of searches for people who are not there, that may say "likely seen". Up to twice as many do
SURE = 0.9  # probability from which a match joins the query, where expansion is asked for
MOST_LIKELY = 1000  # of very many new tracklets, that are judged
FEW = 4  # matches that may join

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a search is narrowed to. Times are UTC seconds."""

    cameras: tuple[str, ...] = ()
    begin: float | None = None
    end: float | None = None
    at: float | None = None  # when the still was taken…
    inside: str | None = None  # …and by which camera of the site: who is elsewhere just then is somebody else
    top: int = 20
    rerank: bool = False
    expand: bool = False

    def filters(self) -> dict[str, str]:
        """What was asked for, as words."""
        words = {
            "cameras": ", ".join(self.cameras),
            **{
                name: "" if value is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
                for name, value in (("from", self.begin), ("to", self.end), ("taken at", self.at))
            },
            "taken by": self.inside or "",
            "re-ranked": "yes" if self.rerank else "",
            "expanded": "yes" if self.expand else "",
        }
        return {name: value for name, value in words.items() if value}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of one person."""

    box: Box | None  # in the still, px. None: all of it, or a tracklet was asked for
    seen: bool  # whether the best match is more alike than strangers are
    finding: Finding  # what that and the probabilities say together
    verdict: str  # the same in a sentence
    gallery: int  # tracklets and sightings that were compared
    matches: list[Match] = field(default_factory=list)  # best first


class Searcher:
    """A site made ready to be asked, again and again. It knows the tracklets and sightings that are embedded by now."""

    def __init__(self, site: Site) -> None:
        self.site = site
        # These are read before all else: what comes meanwhile is then seen as a change.
        self.state, self.by_footage = site.searched_state(), site.searchable_by_footage()
        self.changed = 0  # tracklets that left or came since all was read at once, see `app.search.renewed`
        self.model = serving(site)
        self.encoder = open_model(site, self.model)
        self.table = site.searchable_table()
        indexes = indexes_of(site, self.model.name, self.table)
        self.index, self.own, self.shift = indexes.ranking, indexes.own, indexes.shift
        self.calibration = calibration_of(self.model)
        self.embedded = np.isin(self.table.ids, self.index.ids)  # (T,) of the table
        self.merging = site.merging()

    @property
    def knows_all(self) -> bool:
        """Whether all that can be found was embedded."""
        return bool(self.embedded.all())

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Crops of any size, RGB → `(N, D)`. Raises SiteError where the model makes no numbers of them."""
        return embed.embed_pictures(pictures, self.encoder)

    def search(
        self,
        people: NDArray[np.float32],
        wish: Wish,
        *,
        who: str,
        still: str,
        own: str | None = None,
        without: NDArray[np.int64] | None = None,
        reason: str = "",
    ) -> list[Answer]:
        """The tracklets nearest to each of the embeddings `(P, D)`, but for those in `without`.

        The search is noted in the audit. who: the one who asks. still: what the embeddings are of, its SHA-256 or the
        tracklet. own: the camera of the site that took it, where it is one. Raises SiteError for a wish that names no
        camera of the site.
        """
        asked_at = time.time()
        allowed, unwanted = self._allowed(wish), np.empty(0, np.int64) if without is None else without
        answers = [self._answer(query, wish, allowed, unwanted, own) for query in people]
        details: dict[str, Any] = {
            "still": still,
            "model": self.model.name,
            "filters": wish.filters(),
            **({"reason": reason} if reason else {}),
            "results": sorted({match.tracklet for answer in answers for match in answer.matches}),
        }
        self.site.note(AuditEntry(asked_at, who, "query", details))
        return answers

    def likely(
        self,
        person: NDArray[np.float32],
        wish: Wish,
        among: NDArray[np.int64],
        *,
        least: float,
        own: str | None = None,
        without: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Which `(n,)` of some tracklets show one person `(D,)` with at least a probability, and with which.

        The most probable come first. Of very many only the MOST_LIKELY that are most alike are judged. Nothing is
        noted: that is for who tells anybody. Raises SiteError for a wish that names no camera of the site.
        """
        row, there = lookup(self.table.ids, among)
        ids = among[there & self._allowed(wish)[row]]
        if without is not None:
            ids = ids[~np.isin(ids, without)]
        if not len(ids):
            return ids, np.empty(0)
        nearest = self.own.search(person[None], min(len(ids), MOST_LIKELY), ids)
        ids, probability = nearest.ids[0], self._probability(nearest.ids[0], nearest.similarities[0], own)
        order = np.argsort(-probability, kind="stable")
        order = order[probability[order] >= least]
        return ids[order], probability[order]

    def _answer(
        self,
        query: NDArray[np.float32],
        wish: Wish,
        allowed: NDArray[np.bool_],
        without: NDArray[np.int64],
        own: str | None,
    ) -> Answer:
        """The tracklets nearest to one embedding `(D,)` among those allowed `(T,)`, but for some."""
        gallery = int((allowed & ~np.isin(self.table.ids, without)).sum())
        if not gallery:
            return Answer(None, False, Finding.UNSEEN, "Not seen here: no tracklet is left to search among.", 0)
        among = None if np.array_equal(allowed, self.embedded) else self.table.ids[allowed]
        near = min(max(wish.top, NEAR), gallery)
        ids = self.index.search(query[None], near, among, without=without).ids[0]
        if wish.expand:
            joining = ids[:FEW][self._probability(ids[:FEW], self._similarity(query, ids[:FEW]), own) >= SURE]
            if len(joining):
                wider = normalised(query + self.index.embeddings(joining).mean(0))
                ids = self.index.search(wider[None], near, among, without=without).ids[0]
        # The verdict is about the nearest of all, however many are shown and in whatever order.
        best = self.own.search(query[None], 1, among, without=without)
        seen = self.calibration.is_seen(float(best.similarities[0, 0]), gallery, FALSE_ALARMS)
        candidates = np.union1d(ids[:NEAR], best.ids[0])
        probability = float(self._probability(candidates, self._similarity(query, candidates), own).max())
        finding = Finding.of(seen, probability)
        if wish.rerank and len(ids) > 1:
            ids = ids[_reranked(query, self.index.embeddings(ids))]
        return Answer(
            box=None,
            seen=seen,
            finding=finding,
            verdict=_verdict(finding, seen, probability),
            gallery=gallery,
            matches=self.likeness(query, ids[: wish.top], own),
        )

    def _similarity(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """To tracklets `(K,)` by themselves, whoever they were joined to."""
        similarity: NDArray[np.float32] = self.own.embeddings(ids) @ query
        return similarity

    def _probability(
        self, ids: NDArray[np.int64], similarity: NDArray[np.float32], own: str | None
    ) -> NDArray[np.float64]:
        """P(same person) of tracklets `(K,)`, of which any one was as likely as any other before."""
        camera = self.table.cameras[self.table.at(ids)]
        across = np.full(len(ids), True) if own is None else camera != self.table.names.index(own)
        probability: NDArray[np.float64] = self.calibration.probability(
            similarity, across, prior=self.calibration.share
        )
        return probability

    def _allowed(self, wish: Wish) -> NDArray[np.bool_]:
        """Which tracklets `(T,)` may be the answer."""
        table = self.table
        named_cameras = (*wish.cameras, *((wish.inside,) if wish.inside else ()))
        if unknown := set(named_cameras) - set(table.names):
            raise SiteError(
                f"The site at {self.site.path} has no camera {', '.join(sorted(unknown))}; it has "
                f"{', '.join(table.names)}."
            )
        allowed = self.embedded.copy()
        if wish.cameras:
            allowed &= np.isin(table.cameras, [table.names.index(name) for name in wish.cameras])
        if wish.begin is not None:
            allowed &= table.end >= wish.begin
        if wish.end is not None:
            allowed &= table.start < wish.end
        if wish.at is not None and wish.inside is not None:
            overlapping = self.merging.summary.get("overlapping", []) if self.merging is not None else []
            both = {wish.inside} | {name for pair in overlapping if wish.inside in pair for name in pair}
            elsewhere = ~np.isin(table.cameras, [table.names.index(name) for name in both])
            allowed &= ~(elsewhere & (table.start <= wish.at) & (wish.at <= table.end))
        return allowed

    def _matches(
        self, ids: NDArray[np.int64], similarity: NDArray[np.float32], probability: NDArray[np.float64]
    ) -> list[Match]:
        trajectories, identities = np.full((2, len(ids)), -1) if self.merging is None else self.merging.of(ids)
        matches, stored = [], self.site.crops_of(ids.tolist())
        shown = {
            tracklet: [crops[c] for c in embed.spread(len(crops), CROPS)] for tracklet, crops in stored.items() if crops
        }
        jpegs = iter(jpegs_of(self.site.database, [crop for crops in shown.values() for crop in crops]))
        pictures = {  # `app.site --verify` tells of those that are None
            tracklet: [jpeg for _, jpeg in zip(crops, jpegs) if jpeg is not None] for tracklet, crops in shown.items()
        }
        for k, row in enumerate(self.table.at(ids).tolist()):
            tracklet = int(ids[k])
            if tracklet not in pictures:  # erased since this was made ready
                continue
            matches.append(
                Match(
                    tracklet=tracklet,
                    is_sighting=bool(self.table.is_sighting[row]),
                    camera=self.table.names[self.table.cameras[row]],
                    start=float(self.table.start[row]),
                    end=float(self.table.end[row]),
                    similarity=float(similarity[k]),
                    probability=float(probability[k]),
                    trajectory=None if trajectories[k] < 0 else int(trajectories[k]),
                    identity=None if identities[k] < 0 else int(identities[k]),
                    crops=pictures[tracklet],
                )
            )
        return matches

    def likeness(self, query: NDArray[np.float32], ids: NDArray[np.int64], own: str | None = None) -> list[Match]:
        """How alike tracklets `(K,)` are to an embedding `(D,)`, in their order. own: the camera that saw it."""
        similarity = self._similarity(query, ids)
        return self._matches(ids, similarity, self._probability(ids, similarity, own))

    def tracklet(self, number: int) -> tuple[NDArray[np.float32], str, NDArray[np.int64]]:
        """A tracklet's embedding `(D,)`, its camera, and those that can't be the answer: itself and all seen beside."""
        if number not in self.index.ids:
            raise SiteError(f"The site at {self.site.path} has no tracklet {number}.")
        beside = np.r_[self.site.seen_beside(number), [number]]
        camera = self.table.names[self.table.cameras[self.table.at(np.array([number]))[0]]]
        return self.own.embeddings([number])[0], camera, beside


def made_ready(site: Site, progress: Progress = unheard) -> Searcher:
    """A site's searcher. What the serving model has not embedded yet is embedded first."""
    searcher = Searcher(site)
    model = searcher.model
    if not searcher.knows_all and embed.update(
        site, store_of(site, model.name), lambda: open_model(site, model), progress
    ):
        searcher = Searcher(site)
    return searcher


def _verdict(finding: Finding, more_alike: bool, probability: float) -> str:
    """What was found, in a sentence. probability: of the best match."""
    sure = percent(probability)
    if finding == Finding.SEEN:
        return f"Likely seen here: the best match shows the same person with a probability of {sure}."
    if finding == Finding.UNSEEN:
        return f"Not seen here: nothing is more alike than strangers are (the best match: {sure})."
    if more_alike:
        return f"Perhaps seen here: the best match is more alike than strangers are, but its probability is {sure}."
    return f"Perhaps seen here: the best match has a probability of {sure}, but strangers are as alike now and then."


def _reranked(query: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.intp]:
    """The order of gallery rows after k-reciprocal re-ranking."""
    affinity = Reranked(query[None], gallery, Reranking())(slice(0, 1))
    return np.argsort(-affinity[0], kind="stable")
