"""From a still, or a tracklet, to ranked answers. Every search is noted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import app.audit
import app.query
from app.errors import SiteError
from app.record import Site
from app.record.rows import AuditEntry
from app.record.shards import crop_folder
from app.search.merging import merge
from app.search.query import query, view
from app.search.searcher import FALSE_ALARMS, Searcher, Wish
from app.search.still import read_still
from tests.app.records import on_postgres
from tests.app.scenes import run
from tests.app.sites import START, People
from tests.app.typed import Typed
from tests.reid.figures import figure


def still(folder: Path, person: int, camera: int = 1) -> Path:
    """A picture of somebody that the site does not have."""
    path = folder / f"person{person}.png"
    cv2.imwrite(str(path), figure(np.random.default_rng(77), person, camera, background=999)[:, :, ::-1])
    return path


def test_somebody_is_found_and_ranked_first(path: Path, who: People, tmp_path: Path) -> None:
    right = []
    with Site.create(path) as site:
        for person in range(10):
            query_still = read_still(still(tmp_path, person))
            report, picture = query(site, query_still, Wish(top=6), whole=True, who="me")
            (answer,) = report.people
            assert [m.similarity for m in answer.matches] == sorted(
                (m.similarity for m in answer.matches), reverse=True
            )
            assert all(0 <= m.probability <= 1 and len(m.crops) == 4 for m in answer.matches)
            assert answer.gallery == 60
            right.append(who[answer.matches[0].tracklet] == person)
            assert view(site, report, picture).matches == answer.matches
    assert sum(right) >= 6


def test_filters_are_exact(path: Path, tmp_path: Path) -> None:
    with Site.create(path) as site:
        picture = read_still(still(tmp_path, 3))
        table = site.tracklet_table()

        def answered(**wish: Any) -> set[int]:
            report, _ = query(site, picture, Wish(top=1000, **wish), whole=True, who="me")
            return {match.tracklet for match in report.people[0].matches}

        assert answered() == set(table.ids.tolist())
        assert answered(cameras=("camera1",)) == set(table.ids[table.cameras == 1].tolist())
        begin, end = START + 20, START + 40
        inside = (table.end >= begin) & (table.start < end)
        assert answered(begin=begin, end=end) == set(table.ids[inside].tolist())
        at = START + 1.0
        elsewhere = (table.cameras != 0) & (table.start <= at) & (at <= table.end)
        assert answered(at=at, inside="camera0") == set(table.ids[~elsewhere].tolist())
        assert answered(begin=START + 1e6) == set()
        with pytest.raises(SiteError, match="no camera nowhere"):
            answered(cameras=("nowhere",))
        assert len(answered(rerank=True, expand=True)) == 60


def test_a_tracklet_finds_neither_itself_nor_who_was_beside_it(path: Path, who: People) -> None:
    number = sorted(who)[0]
    with Site.create(path) as site:
        report, picture = query(site, number, Wish(top=1000), who="me")
        beside = {int(b) for a, b in site.cannot_link() if a == number} | {number}
        tracklet_ids = {match.tracklet for match in report.people[0].matches}
        assert tracklet_ids == set(who) - beside
        assert view(site, report, picture).still.ndim == 3
        with pytest.raises(SiteError, match="no tracklet 5"):
            query(site, 5, who="me")
        notes = site.audit()
    assert notes[-1].details["still"] == f"tracklet {number}"
    assert set(notes[-1].details["results"]) == tracklet_ids


def test_the_query_command(path: Path, typed: Typed, tmp_path: Path) -> None:
    still_path = still(tmp_path, 2)
    report, sheet = tmp_path / "found.html", tmp_path / "found.png"
    words = (still_path, "--site", path, "--whole", "--json", "--report", report, "--sheet", sheet)
    done = typed(app.query.command, *words) if on_postgres() else run("-m", "app.query", *words)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["people"][0]["matches"]) == 20
    assert answer["model"] == "base"
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert cv2.imread(str(sheet)) is not None
    audit = json.loads(typed(app.audit.command, "--site", path, "--json").stdout)
    assert audit[-1]["action"] == "query"
    assert audit[-1]["still"] == answer["still"]
    nobody = tmp_path / "wall.png"
    cv2.imwrite(str(nobody), np.full((200, 300, 3), 128, np.uint8))
    none = typed(app.query.command, nobody, "--site", path)
    assert (none.returncode, "shows nobody" in none.stdout) == (1, True)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    wrong = typed(app.query.command, broken, "--site", path)
    assert (wrong.returncode, wrong.stderr.startswith("Error: ")) == (2, True)


def test_a_still_without_colour_or_end_says_so(path: Path, typed: Typed, tmp_path: Path) -> None:
    picture = cv2.imread(str(still(tmp_path, 2)))
    grey = tmp_path / "grey.jpg"
    grey.write_bytes(cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY))[1].tobytes()[:-2])
    report, sheet = tmp_path / "found.html", tmp_path / "found.png"
    words = (grey, "--site", path, "--whole", "--report", report, "--sheet", sheet)
    answer = json.loads(typed(app.query.command, *words, "--json").stdout)
    assert answer["people"][0]["finding"] != "not seen"  # nobody can say so without colour
    assert answer["people"][0]["verdict"].endswith(" The still shows no colour, so clothes were compared without it.")
    kinds = ["stills that break off", "people in the still without colour"]
    assert [(remark["what"], remark["count"]) for remark in answer["remarks"]] == [(kind, 1) for kind in kinds]
    page, table = report.read_text("utf-8"), typed(app.query.command, *words).stdout
    assert all(kind in page and kind in table for kind in kinds)
    coloured = json.loads(typed(app.query.command, still(tmp_path, 2), "--site", path, "--whole", "--json").stdout)
    assert coloured["remarks"] == [] and "colour" not in coloured["people"][0]["verdict"]


def test_boxes_are_in_pixels_of_the_file(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the still was decoded smaller."""
    jpeg = tmp_path / "large.jpg"
    large = cv2.resize(cv2.imread(str(still(tmp_path, 2))), (128, 256))
    cv2.imwrite(str(jpeg), cv2.copyMakeBorder(large, 0, 0, 128, 0, cv2.BORDER_CONSTANT))
    box = (128.0, 0.0, 256.0, 256.0)
    with Site.create(path) as site:
        expected, _ = query(site, read_still(jpeg), Wish(top=3), box=box, who="me")
        monkeypatch.setattr("app.search.still.MOST_PIXELS", 128 * 128)
        small = read_still(jpeg)
        assert small.reduced == 2
        report, picture = query(site, small, Wish(top=3), box=box, who="me")
        assert report.people[0].box == expected.people[0].box == box
        assert report.people[0].matches[0].tracklet == expected.people[0].matches[0].tracklet
        assert view(site, report, picture).person.shape == (128, 64, 3)


def test_the_verdict_is_the_same_however_many_are_shown(path: Path, tmp_path: Path) -> None:
    with Site.open_to_write(path) as site:
        merge(site, who="me")
        for person in range(6):
            query_still = read_still(still(tmp_path, person))
            answers = [
                query(site, query_still, Wish(top=top, rerank=rerank), whole=True, who="me")[0].people[0]
                for top in (1, 3, 20)
                for rerank in (False, True)
            ]
            assert len({(answer.seen, answer.verdict) for answer in answers}) == 1
            best = max(match.similarity for match in answers[4].matches)
            assert answers[0].seen == Searcher(site).calibration.is_seen(best, 60, FALSE_ALARMS)


def test_who_was_erased_since_is_not_shown(path: Path) -> None:
    with Site.open_to_write(path) as site:
        searcher = Searcher(site)
        vectors = searcher.index.embeddings(searcher.index.ids[:1])
        (before,) = searcher.search(vectors, Wish(top=5), who="me", still="one")
        gone = before.matches[0].tracklet
        site.erase([gone], AuditEntry(1.0, "me", "forget", {}))
        (after,) = searcher.search(vectors, Wish(top=5), who="you", still="one")
        others = [m.tracklet for m in before.matches[1:]]  # and one more, where the index finds only who is there
        assert [m.tracklet for m in after.matches][: len(others)] == others and len(after.matches) - len(others) in (
            0,
            1,
        )
        assert gone not in [m.tracklet for m in after.matches]
        assert [(entry.who, entry.action) for entry in site.audit()] == [
            *(("me", "query"), ("me", "forget"), ("you", "query")),
        ]


def test_a_damaged_crop_stops_no_search(path: Path) -> None:
    with Site.open_to_write(path) as site:
        tracklet = int(site.tracklet_table().ids[7])
        crop = site.crops(tracklet)[0]
        shard = crop_folder(site.path, crop.camera_id) / f"{crop.footage_id}-000.shard"
        with shard.open("r+b") as file:
            file.seek(crop.shard_range.offset + 9)
            file.write(b"\0\0\0\0")
        report, _ = query(site, int(site.tracklet_table().ids[0]), Wish(top=1000), who="me")
        shown = {match.tracklet: len(match.crops) for match in report.people[0].matches}
        assert shown[tracklet] == 3


@pytest.mark.parametrize(
    ("more_alike", "probability", "finding", "words"),
    [
        (True, 0.8, "seen", "Likely seen here: the best match shows the same person with a probability of 80 %."),
        (False, 0.2, "not seen", "Not seen here: nothing is more alike than strangers are (the best match: 20 %)."),
        (False, 0.89, "perhaps", "Perhaps seen here: the best match has a probability of 89 %, but strangers are as"),
        (True, 0.3, "perhaps", "Perhaps seen here: the best match is more alike than strangers are, but its"),
    ],
)
def test_verdict_and_probability_speak_as_one(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    typed: Typed,
    more_alike: bool,
    probability: float,
    finding: str,
    words: str,
) -> None:
    monkeypatch.setattr("reid.calibration.Calibration.is_seen", lambda *_: more_alike)
    monkeypatch.setattr("app.search.searcher.Searcher._probability", lambda _, ids, *__: np.full(len(ids), probability))
    sheet = tmp_path / "sheet.png"
    asked = typed(app.query.command, still(tmp_path, 2), "--site", path, "--whole", "--json", "--sheet", sheet)
    (answer,) = json.loads(asked.stdout)["people"]
    assert (answer["seen"], answer["finding"]) == (more_alike, finding)
    assert answer["verdict"].startswith(words)
