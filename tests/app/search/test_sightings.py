"""Sightings: who was seen too shortly, or too small, to learn from is found, marked, and learned from by nobody."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.encoders.seen import seen_tracklets
from app.encoders.versions import calibration_of, serving, store_of
from app.query import command
from app.record import Site
from app.record.forget import forget
from app.record.verify import damage
from app.report.accuracy import evaluate_tracking
from app.report.motchallenge import searchable_rows
from app.search.gallery import gallery_of
from app.search.merging import merge
from app.search.query import query, view
from app.search.searcher import Wish
from tests.app.records import site_in
from tests.app.sites import People, figure_site
from tests.app.typed import Typed
from tests.reid.figures import figure
from trackers.motchallenge import FRAME, ID, text_of
from trackers.segments import Kind

PEOPLE, ALONE = 8, 2  # of whom the last are seen in sightings only


@pytest.fixture
def who(tmp_path: Path) -> People:
    return figure_site(site_in(tmp_path), people=PEOPLE, cameras=2, sightings=ALONE)


def of_sightings(who: People) -> set[int]:
    return {tracklet for tracklet, person in who.items() if person >= PEOPLE - ALONE}


def still(folder: Path, person: int) -> Path:
    path = folder / "still.png"
    cv2.imwrite(str(path), figure(np.random.default_rng(99), person, 0, 0)[:, :, ::-1])
    return path


def test_who_was_only_sighted_is_found_and_marked(who: People, tmp_path: Path, typed: Typed) -> None:
    path, page, sheet = site_in(tmp_path), tmp_path / "found.html", tmp_path / "found.png"
    asked = (still(tmp_path, PEOPLE - 1), "--site", path, "--whole", "--top", 4)
    answer = json.loads(typed(command, *asked, "--json").stdout)["people"][0]
    assert answer["gallery"] == len(who)
    best = next(match for match in answer["matches"] if who[match["tracklet"]] == PEOPLE - 1)
    assert all(match["is_sighting"] == (match["tracklet"] in of_sightings(who)) for match in answer["matches"])
    told = typed(command, *asked, "--report", page, "--sheet", sheet)
    assert told.returncode == 0, told.stderr
    assert f"sighting {best['tracklet']}" in told.stdout
    assert f"sighting {best['tracklet']}" in page.read_text("utf-8") and sheet.exists()


def test_a_sighting_can_be_asked_for(who: People, tmp_path: Path) -> None:
    asked = min(of_sightings(who))
    with Site.create(site_in(tmp_path)) as site:
        report, picture = query(site, asked, Wish(top=3), who="me")
        assert who[report.people[0].matches[0].tracklet] == who[asked]
        assert view(site, report, picture).still.ndim == 3


def test_nobody_learns_from_sightings(who: People, tmp_path: Path) -> None:
    with Site.create(site_in(tmp_path)) as site:
        tracklets = sorted(who.keys() - of_sightings(who))
        assert site.tracklet_table().ids.tolist() == tracklets
        assert site.searchable_table().ids.tolist() == sorted(who)
        assert not site.are_tracklets(np.array(sorted(who)))
        assert not np.isin(site.cannot_link(), sorted(of_sightings(who))).any()
        assert seen_tracklets(site, store_of(site, "base")).ids.tolist() == tracklets
        merge(site, who="me")
        merging = site.merging()
        assert merging is not None and merging.ids.tolist() == tracklets
        alone = gallery_of(site, "base")
        together = gallery_of(site, "base", site.searchable_table())
        assert np.array_equal(together.own[np.isin(together.ids, tracklets)], alone.own)
        calibration = calibration_of(serving(site)).to_json()
        forget(site, who="me", tracklets=sorted(of_sightings(who)))
        merge(site, who="me")
        assert calibration_of(serving(site)).to_json() == calibration


def test_sightings_are_erased_and_embedded_again_as_tracklets_are(who: People, tmp_path: Path) -> None:
    path, (gone, *kept) = site_in(tmp_path), sorted(of_sightings(who))
    with Site.create(path) as site:
        forgotten = forget(site, who="me", tracklets=[gone])
        assert (forgotten.tracklets, forgotten.embeddings, forgotten.found) == (1, 1, [])
        assert sorted(site.searchable_table().ids.tolist()) == sorted(who.keys() - {gone})
        for footage in site.footage():
            store_of(site, "base").drop(footage.id)
        report, _ = query(site, kept[0], Wish(top=1000), who="me")
        assert {match.tracklet for match in report.people[0].matches} == who.keys() - {gone, kept[0]}
        assert not list(damage(site))


def test_evaluation_counts_sightings_and_those_on_nobody(who: People, tmp_path: Path) -> None:
    """Truth knows nothing of the frames in which the first sighting is."""
    with Site.create(site_in(tmp_path)) as site:
        camera = site.cameras()[0].camera
        sightings = [segment.number for segment in site.segments(camera, kind=Kind.SIGHTING)]
        rows = searchable_rows(site, camera)
    frames_of = {number: set(rows[rows[:, ID] == number, FRAME]) for number in sightings}
    unknown = frames_of[sightings[0]]
    known = rows[~np.isin(rows[:, FRAME], list(unknown))]
    on_nobody = [number for number in sightings if frames_of[number] <= unknown]
    (tmp_path / "truth" / camera / "gt").mkdir(parents=True)
    (tmp_path / "truth" / camera / "gt" / "gt.txt").write_bytes(text_of(known))
    (row,) = evaluate_tracking(tmp_path / "truth", site=site_in(tmp_path)).cameras
    assert len(sightings) > len(on_nobody)
    assert (row.sightings, row.sightings_of_nobody) == (len(sightings), len(on_nobody))
