"""Where else was this person? A still, or a tracklet of the site, against all that the site saw."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from app import embed
from app.asking import Progress, this_user, unheard
from app.errors import SiteError, StillError
from app.gallery import gallery_of
from app.index import FaissIndex
from app.matches import CROPS, Match, QueryView, groups, percent
from app.models import calibration_of, open_model, serving, store_of
from app.query_report import write_report
from app.query_sheet import write_sheet
from app.record import Site
from app.record.rows import AuditEntry
from app.still import Still, cut, people_in, read_still
from app.terminal import SITE, JsonOption, SiteOption, errors, moment, output, print_json
from deploy.detectors.load import load_detector
from reid.normalised import normalised
from reid.progress import Bars

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
    """A site made ready to be asked, again and again; it knows the tracklets that are embedded by now."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.model = serving(site)
        self.encoder = open_model(site, self.model)
        gallery = gallery_of(site, self.model.name)
        self.index = FaissIndex(gallery.ids, gallery.known)
        self._own = self.index if gallery.own is gallery.known else FaissIndex(gallery.ids, gallery.own)
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
        people: NDArray[np.float32],
        wish: Wish,
        *,
        who: str,
        still: str,
        own: str | None = None,
        without: NDArray[np.int64] | None = None,
    ) -> list[Answer]:
        """The tracklets nearest to each of the embeddings `(P, D)`, but for those in `without`; noted in the audit.

        who asks; still: what the embeddings are of, its SHA-256 or the tracklet; own: the camera of the site that took
        it, where it is one. Raises SiteError for a wish that names no camera of the site.
        """
        asked = time.time()
        allowed = self._allowed(wish)
        if without is not None:
            allowed &= ~np.isin(self.table.ids, without)
        answers = [self._answer(query, wish, allowed, own) for query in people]
        details: dict[str, Any] = {
            "still": still,
            "model": self.model.name,
            "filters": wish.filters(),
            "results": sorted({match.tracklet for answer in answers for match in answer.matches}),
        }
        self.site.note(AuditEntry(asked, who, "query", details))
        return answers

    def _answer(self, query: NDArray[np.float32], wish: Wish, allowed: NDArray[np.bool_], own: str | None) -> Answer:
        """The tracklets nearest to one embedding `(D,)` among those allowed `(T,)`."""
        gallery = int(allowed.sum())
        if not gallery:
            return Answer(None, False, "Not seen here: no tracklet is left to search among.", 0)
        among = None if gallery == int(self._embedded.sum()) else self.table.ids[allowed]
        near = min(max(wish.top, NEAR), gallery)
        ids = self.index.search(query[None], near, among).ids[0]
        if wish.expand:
            joining = ids[:FEW][self._probability(ids[:FEW], self._similarity(query, ids[:FEW]), own) >= SURE]
            if len(joining):
                wider = normalised(query + self.index.embeddings(joining).mean(0))
                ids = self.index.search(wider[None], near, among).ids[0]
        # The verdict is about the nearest of all, however many are shown and in whatever order.
        best = self._own.search(query[None], 1, among)
        seen = self.calibration.is_seen(float(best.similarities[0, 0]), gallery, FALSE_ALARMS)
        candidates = np.union1d(ids[:NEAR], best.ids[0])
        sure = percent(float(self._probability(candidates, self._similarity(query, candidates), own).max()))
        verdict = (
            f"Likely seen here: the best match shows the same person with a probability of {sure}."
            if seen
            else f"Not seen here: nothing is more alike than strangers are (the best match: {sure})."
        )
        if wish.rerank and len(ids) > 1:
            ids = ids[_reranked(query, self.index.embeddings(ids))]
        ids = ids[: wish.top]
        similarity = self._similarity(query, ids)
        return Answer(
            None, seen, verdict, gallery, self._matches(ids, similarity, self._probability(ids, similarity, own))
        )

    def _similarity(self, query: NDArray[np.float32], ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """To tracklets `(K,)` by themselves, whoever they were joined to."""
        similarity: NDArray[np.float32] = self._own.embeddings(ids) @ query
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
        trajectories, identities = np.full((2, len(ids)), -1) if self._merge is None else self._merge.of(ids)
        matches, stored = [], self.site.crops_of(ids.tolist())
        for k, row in enumerate(self.table.at(ids).tolist()):
            tracklet = int(ids[k])
            crops = stored[tracklet]
            if not crops:  # erased since this was made ready
                continue
            pictures = []
            for crop in (crops[c] for c in embed.spread(len(crops), CROPS)):
                with suppress(ValueError):  # `app.site --verify` tells of damage
                    pictures.append(self.site.crop_jpeg(crop))
            matches.append(
                Match(
                    tracklet=tracklet,
                    camera=self.table.names[self.table.cameras[row]],
                    start=float(self.table.start[row]),
                    end=float(self.table.end[row]),
                    similarity=float(similarity[k]),
                    probability=float(probability[k]),
                    trajectory=None if trajectories[k] < 0 else int(trajectories[k]),
                    identity=None if identities[k] < 0 else int(identities[k]),
                    crops=pictures,
                )
            )
        return matches

    def tracklet(self, number: int) -> tuple[NDArray[np.float32], str, NDArray[np.int64]]:
        """A tracklet's embedding `(D,)`, its camera, and those that can't be the answer: itself and all seen beside."""
        if number not in self.index.ids:
            raise SiteError(f"The site at {self.site.path} has no tracklet {number}.")
        pairs = self.site.cannot_link()
        beside = np.concatenate([pairs[pairs[:, 0] == number, 1], pairs[pairs[:, 1] == number, 0], [number]])
        camera = self.table.names[self.table.cameras[self.table.at(np.array([number]))[0]]]
        return self._own.embeddings([number])[0], camera, beside


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
    who: str,
    progress: Progress = unheard,
) -> tuple[QueryReport, Still | None]:
    """Searches the people of a still, or a tracklet of the site by its id, and notes in the audit that `who` did.

    What the serving model has not embedded yet is embedded first.

    person: only this one, from 1 in the order in which people are listed. Raises SiteError, StillError, DetectorError,
    and LookupError where the still shows nobody.
    """
    model = serving(site)
    embed.update(site, store_of(site, model.name), lambda: open_model(site, model), progress)
    searcher = Searcher(site)
    asked = time.time()
    if isinstance(still, int):
        vector, own, without = searcher.tracklet(still)
        name = f"tracklet {still}"
        boxes: list[Box | None] = [None]
        answers = searcher.search(vector[None], wish, who=who, still=name, own=own, without=without)
    else:
        name, boxes = still.sha256, _people(still, person, box, whole, detector)
        vectors = searcher.embed([still.pixels if one is None else cut(still.pixels, one) for one in boxes])
        answers = searcher.search(vectors, wish, who=who, still=name, own=wish.inside)
    answers = [replace(answer, box=one) for answer, one in zip(answers, boxes, strict=True)]
    report = QueryReport(str(site.path), searcher.model.name, name, asked, wish.filters(), answers)
    return report, still if isinstance(still, Still) else None


def _people(still: Still, person: int | None, box: Box | None, whole: bool, detector: str) -> list[Box | None]:
    """Where the people to search for are in a still; None: all of it shows one."""
    if box is not None or whole:
        return [box]
    people = people_in(still, load_detector(detector))
    if not len(people.boxes):
        raise LookupError(
            f"{still.path} shows nobody that the detector finds: name the person's place with --box, or search "
            "the picture as it is with --whole."
        )
    boxes: list[Box | None] = [(float(a), float(b), float(c), float(d)) for a, b, c, d in people.boxes]
    if people.whole:
        boxes = [None]
    if person is None:
        return boxes
    if not 1 <= person <= len(boxes):
        raise StillError(f"{still.path} shows {len(boxes)} people: --person is 1 to {len(boxes)}.")
    return [boxes[person - 1]]


def view(site: Site, report: QueryReport, still: Still | None) -> QueryView:
    """What the pictures show: one person's answer. Raises SiteError where the still has several."""
    if len(report.people) != 1:
        raise SiteError(f"The still shows {len(report.people)} people, and a report is of one: choose with --person N.")
    answer = report.people[0]
    if still is None:  # a tracklet: its middle crop stands for it
        from reid.tracklets import decode_picture

        crops = site.crops(int(report.still.rpartition(" ")[2]))
        if not crops:
            raise SiteError(f"The {report.still} of {site.path} was just erased.")
        pixels = decode_picture(site.crop_jpeg(crops[len(crops) // 2]))
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
    where = _box(box)
    with Site.open_to_write(site) as opened:
        try:
            with Bars(errors) as progress:
                found, picture = query(
                    opened,
                    asked_for,
                    wish,
                    person=person,
                    box=where,
                    whole=whole,
                    detector=detector,
                    who=this_user(),
                    progress=progress,
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
