"""Where else was this person? A still, or a tracklet of the site, against all that the site saw."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from app import embed
from app.audit import asker
from app.database import SiteError
from app.gallery import gallery_of
from app.index import open_index
from app.matches import CROPS, Match, QueryView, groups, percent
from app.models import calibration_of, open_model, serving, store_of
from app.progress import counting
from app.query_report import write_report
from app.query_sheet import write_sheet
from app.record import Site
from app.rows import AuditEntry
from app.still import Still, StillError, cut, people_in, read_still
from app.terminal import SITE, JsonOption, SiteOption, moment, output, print_json
from deploy.detectors.load import load_detector

log = logging.getLogger("sightline")

NEAR = 200  # of the best that re-ranking and expansion look at
FALSE_ALARMS = 0.05  # of searches for people who are not there, that may say "likely seen"; up to twice as many do
SURE = 0.9  # probability from which a match joins the query, where expansion is asked for
FEW = 4  # matches that may join

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a search is narrowed to; times are UTC seconds."""

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
        told = {
            "cameras": ", ".join(self.cameras),
            **{
                name: "" if value is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value))
                for name, value in (("from", self.begin), ("to", self.end), ("taken at", self.at))
            },
            "taken by": self.inside or "",
            "re-ranked": "yes" if self.rerank else "",
            "expanded": "yes" if self.expand else "",
        }
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of one person."""

    box: Box | None  # in the still, px; None: all of it, or a tracklet was asked for
    seen: bool
    verdict: str
    gallery: int  # tracklets that were compared
    matches: list[Match] = field(default_factory=list)  # best first


class Searcher:
    """A site made ready to be asked, again and again."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.model = serving(site)
        self.encoder = open_model(site, self.model)
        self.store = store_of(site, self.model.name)
        with counting("tracklets embedded") as progress:
            embed.update(site, self.store, lambda: self.encoder, progress)
        gallery = gallery_of(site, self.model.name)
        self.index = open_index(site.path, self.model.name, gallery.ids, gallery.known)
        self._own = gallery.own.astype(np.float16)
        self.calibration = calibration_of(self.model)
        self.table = site.tracklet_table()
        self._embedded = np.isin(self.table.ids, self.index.ids)
        self._merge = site.merge()

    def embed(self, pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Crops of any size, RGB → `(N, D)`."""
        import torch

        from reid.tracklets import decode_crops

        crops = decode_crops(pictures, *self.encoder.size)
        return self.encoder.embed(torch.from_numpy(crops)).numpy()

    def search(
        self,
        query: NDArray[np.float32],
        wish: Wish,
        *,
        own: str | None = None,
        without: NDArray[np.int64] | None = None,
    ) -> Answer:
        """The tracklets nearest to an embedding `(D,)`, but for those in `without`.

        own: the camera of the site that took the query, where it is one. Raises SiteError for a wish that names no
        camera of the site.
        """
        allowed = self._allowed(wish)
        if without is not None:
            allowed &= ~np.isin(self.table.ids, without)
        gallery = int(allowed.sum())
        if not gallery:
            return Answer(None, False, "Not seen here: no tracklet is left to search among.", 0)
        among = None if gallery == int(self._embedded.sum()) else self.table.ids[allowed]
        near = max(wish.top, NEAR) if wish.rerank or wish.expand else wish.top
        ids = self.index.search(query[None], min(near, gallery), among).ids[0]
        if wish.expand:
            sure = ids[:FEW][self._probability(ids[:FEW], self._similarity(query, ids[:FEW]), own) >= SURE]
            if len(sure):
                wider = query + self.index.embeddings(sure).mean(0)
                ids = self.index.search(wider[None] / np.linalg.norm(wider), min(near, gallery), among).ids[0]
        if wish.rerank and len(ids) > 1:
            ids = ids[_reranked(query, self.index.embeddings(ids))]
        best = float(self._similarity(query, ids).max())
        ids = ids[: wish.top]
        similarity = self._similarity(query, ids)
        probability = self._probability(ids, similarity, own)
        seen = self.calibration.is_seen(best, gallery, FALSE_ALARMS)
        sure = percent(float(probability.max()))
        verdict = (
            f"Likely seen here: the best match shows the same person with a probability of {sure}."
            if seen
            else f"Not seen here: nothing is more alike than strangers are (the best match: {sure})."
        )
        return Answer(None, seen, verdict, gallery, self._matches(ids, similarity, probability))

    def _similarity(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """To tracklets `(K,)` by themselves, whoever they were joined to."""
        found: NDArray[np.float32] = self._own[np.searchsorted(self.index.ids, ids)].astype(np.float32) @ query
        return found

    def _probability(
        self, ids: NDArray[np.int64], similarity: NDArray[np.float32], own: str | None
    ) -> NDArray[np.float64]:
        """P(same person) of tracklets `(K,)`, of which any one was as likely as any other before."""
        camera = self.table.cameras[np.searchsorted(self.table.ids, ids)]
        across = np.full(len(ids), True) if own is None else camera != self.table.names.index(own)
        found: NDArray[np.float64] = self.calibration.probability(similarity, across, prior=self.calibration.share)
        return found

    def _allowed(self, wish: Wish) -> NDArray[np.bool_]:
        """Which tracklets `(T,)` may be the answer."""
        table = self.table
        asked = (*wish.cameras, *((wish.inside,) if wish.inside else ()))
        if unknown := set(asked) - set(table.names):
            raise SiteError(
                f"The site at {self.site.path} has no camera {', '.join(sorted(unknown))}; it has "
                f"{', '.join(table.names)}."
            )
        allowed = self._embedded.copy()
        if wish.cameras:
            allowed &= np.isin(table.cameras, [table.names.index(name) for name in wish.cameras])
        if wish.begin is not None:
            allowed &= table.end >= wish.begin
        if wish.end is not None:
            allowed &= table.start < wish.end
        if wish.at is not None and wish.inside is not None:
            overlapping = self._merge.summary.get("overlapping", []) if self._merge is not None else []
            both = {wish.inside} | {name for pair in overlapping if wish.inside in pair for name in pair}
            elsewhere = ~np.isin(table.cameras, [table.names.index(name) for name in both])
            allowed &= ~(elsewhere & (table.start <= wish.at) & (wish.at <= table.end))
        return allowed

    def _matches(
        self, ids: NDArray[np.int64], similarity: NDArray[np.float32], probability: NDArray[np.float64]
    ) -> list[Match]:
        place = np.searchsorted(self.table.ids, ids)
        joined: dict[int, tuple[int, int]] = {}
        if (merge := self._merge) is not None and len(merge.ids):
            at = np.searchsorted(merge.ids, ids).clip(max=len(merge.ids) - 1)
            for one, k in zip(ids.tolist(), at.tolist()):
                if merge.ids[k] == one:
                    joined[one] = int(merge.trajectories[k]), int(merge.identities[k])
        found = []
        for one, k, s, p in zip(ids.tolist(), place.tolist(), similarity.tolist(), probability.tolist()):
            crops = self.site.crops(one)
            chosen = [crops[c] for c in embed.spread(len(crops), CROPS)] if crops else []
            trajectory, identity = joined.get(one, (None, None))
            found.append(
                Match(
                    tracklet=one,
                    camera=self.table.names[self.table.cameras[k]],
                    start=float(self.table.start[k]),
                    end=float(self.table.end[k]),
                    similarity=s,
                    probability=p,
                    trajectory=trajectory,
                    identity=identity,
                    crops=[self.site.crop_jpeg(crop) for crop in chosen],
                )
            )
        return found

    def tracklet(self, number: int) -> tuple[NDArray[np.float32], str, NDArray[np.int64]]:
        """A tracklet's embedding `(D,)`, its camera, and those that can't be the answer: itself and all seen beside."""
        if number not in self.index.ids:
            raise SiteError(f"The site at {self.site.path} has no tracklet {number}.")
        pairs = self.site.cannot_link()
        beside = np.concatenate([pairs[pairs[:, 0] == number, 1], pairs[pairs[:, 1] == number, 0], [number]])
        camera = self.table.names[self.table.cameras[np.searchsorted(self.table.ids, number)]]
        return self._own[np.searchsorted(self.index.ids, number)].astype(np.float32), camera, beside


def _reranked(query: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.intp]:
    """The order of gallery rows after k-reciprocal re-ranking."""
    import torch

    from reid.rerank import Reranked, Reranking

    affinity = Reranked(torch.from_numpy(query[None]), torch.from_numpy(gallery), Reranking())(slice(0, 1))
    return np.argsort(-affinity[0].numpy(), kind="stable")


@dataclass(frozen=True, slots=True)
class QueryReport:
    """What one still was answered with."""

    site: str
    model: str
    still: str  # SHA-256 of its file, or the tracklet
    asked: float  # UTC seconds
    filters: dict[str, str]
    people: list[Answer]


def query(
    site: Site,
    still: Still | int,
    wish: Wish = Wish(),
    *,
    person: int | None = None,
    box: Box | None = None,
    whole: bool = False,
    detector: str = "shipped",
    searcher: Searcher | None = None,
) -> tuple[QueryReport, Still | None]:
    """Searches the people of a still, or a tracklet of the site by its id, and notes in the audit that it did.

    person: only this one, from 1 in the order in which people are listed. Raises SiteError, StillError, DetectorError,
    and LookupError where the still shows nobody.
    """
    searcher = searcher or Searcher(site)
    asked = time.time()
    boxes: list[Box | None]
    if isinstance(still, int):
        vector, own, without = searcher.tracklet(still)
        answers, name = [searcher.search(vector, wish, own=own, without=without)], f"tracklet {still}"
    else:
        if box is not None or whole:
            boxes = [box]
        else:
            people = people_in(still, load_detector(detector))
            if not len(people.boxes):
                raise LookupError(
                    f"{still.path} shows nobody that the detector finds: name the person's place with --box, or search "
                    "the picture as it is with --whole."
                )
            boxes = (
                [None] if people.whole else [(float(a), float(b), float(c), float(d)) for a, b, c, d in people.boxes]
            )
            if person is not None:
                if not 1 <= person <= len(boxes):
                    raise StillError(f"{still.path} shows {len(boxes)} people: --person is 1 to {len(boxes)}.")
                boxes = [boxes[person - 1]]
        vectors = searcher.embed([still.pixels if one is None else cut(still.pixels, one) for one in boxes])
        answers, name = [], still.sha256
        for one, vector in zip(boxes, vectors, strict=True):
            found = searcher.search(vector, wish, own=wish.inside)
            answers.append(Answer(one, found.seen, found.verdict, found.gallery, found.matches))
    details: dict[str, Any] = {
        "still": name,
        "model": searcher.model.name,
        "filters": wish.filters(),
        "results": sorted({match.tracklet for answer in answers for match in answer.matches}),
    }
    site.note(AuditEntry(asked, asker(), "query", details))
    report = QueryReport(str(site.path), searcher.model.name, name, asked, wish.filters(), answers)
    return report, still if isinstance(still, Still) else None


def view(site: Site, report: QueryReport, still: Still | None) -> QueryView:
    """What the pictures show: one person's answer. Raises SiteError where the still has several."""
    if len(report.people) != 1:
        raise SiteError(f"The still shows {len(report.people)} people, and a report is of one: choose with --person N.")
    answer = report.people[0]
    if still is None:  # a tracklet: its middle crop stands for it
        crops = site.crops(int(report.still.rpartition(" ")[2]))
        jpeg = site.crop_jpeg(crops[len(crops) // 2])
        from reid.tracklets import decode_picture

        pixels = decode_picture(jpeg)
    else:
        pixels = still.pixels
    return QueryView(
        *(report.site, report.model, report.asked, pixels, answer.box, report.filters),
        *(answer.matches, answer.seen, answer.verdict, answer.gallery),
    )


def command(
    still: Annotated[str, typer.Argument(help="A picture: a whole scene or a crop; or the id of a tracklet.")],
    site: SiteOption = SITE,
    camera: Annotated[list[str] | None, typer.Option(help="Only this camera; may be repeated.")] = None,
    begin: Annotated[str | None, typer.Option("--from", help="Only who was there at or after this time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Only who was there before this time.")] = None,
    at: Annotated[
        str | None, typer.Option(help="When the still was taken, with --in: leaves out the impossible.")
    ] = None,
    inside: Annotated[str | None, typer.Option("--in", help="The camera of the site that took the still.")] = None,
    top: Annotated[int, typer.Option(help="How many tracklets.", min=1, max=1000)] = 20,
    person: Annotated[int | None, typer.Option(help="Only this one of several people, from 1.", min=1)] = None,
    box: Annotated[str | None, typer.Option(help="Where the person is: x1,y1,x2,y2 in pixels.")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="The picture as it is shows the person.")] = False,
    rerank: Annotated[bool, typer.Option("--rerank", help="k-reciprocal re-ranking of the best.")] = False,
    expand: Annotated[bool, typer.Option("--expand", help="Search again with sure matches beside the still.")] = False,
    detector: Annotated[str, typer.Option(help="What finds people in the still; as for ingest.")] = "shipped",
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report here.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a contact sheet (PNG) here.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Find a person in all cameras from one still. Every query is noted in the site's audit."""
    if box is not None and whole:
        raise typer.BadParameter("give --box or --whole, not both.", param_hint="--box")
    if (at is None) != (inside is None):
        raise typer.BadParameter("--at and --in tell when and where the still was taken: give both.", param_hint="--at")
    wish = Wish(
        tuple(camera or ()),
        moment(begin, "--from"),
        moment(end, "--to"),
        moment(at, "--at"),
        inside,
        top,
        rerank,
        expand,
    )
    asked_for: Still | int = int(still) if still.isdecimal() and not Path(still).exists() else read_still(Path(still))
    with Site.open_to_ask(site) as opened:
        try:
            found, picture = query(
                opened, asked_for, wish, person=person, box=_box(box), whole=whole, detector=detector
            )
        except LookupError as error:
            output.print(f"{error.args[0]}", markup=False, soft_wrap=True)
            raise typer.Exit(1) from error
        if report is not None or sheet is not None:
            shown = view(opened, found, picture)
            if report is not None:
                write_report(shown, report)
            if sheet is not None:
                write_sheet(shown, sheet)
    if as_json:
        print_json(_plain(found))
    else:
        for number, answer in enumerate(found.people, 1):
            _print(answer, number if len(found.people) > 1 else None)


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        x1, y1, x2, y2 = map(float, text.split(","))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not x1,y1,x2,y2 in pixels.", param_hint="--box") from error
    return x1, y1, x2, y2


def _plain(report: QueryReport) -> dict[str, Any]:
    """Without pictures."""
    names = [name for name in Match.__dataclass_fields__ if name != "crops"]
    people = [
        {
            **{name: getattr(answer, name) for name in ("box", "seen", "verdict", "gallery")},
            "matches": [{name: getattr(match, name) for name in names} for match in answer.matches],
        }
        for answer in report.people
    ]
    return {name: getattr(report, name) for name in ("site", "model", "still", "asked", "filters")} | {"people": people}


def _print(answer: Answer, number: int | None) -> None:
    if number is not None:
        where = "" if answer.box is None else " at " + ",".join(f"{side:.0f}" for side in answer.box)
        output.print(f"Person {number}{where}", style="bold", markup=False)
    output.print(answer.verdict, markup=False, soft_wrap=True)
    for person in groups(answer.matches):
        name = "not merged" if person.number is None else f"identity {person.number}"
        output.print(f"{name}: {percent(person.probability)}", markup=False)
        for match in person.matches:
            start, end = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(t)) for t in (match.start, match.end))
            output.print(
                f"  {percent(match.probability):>6}  {match.similarity:.3f}  {match.camera:<14} {start}–{end[11:]} UTC"
                f"  tracklet {match.tracklet}",
                markup=False,
                soft_wrap=True,
            )


if __name__ == "__main__":
    from app.terminal import run

    run(command)
