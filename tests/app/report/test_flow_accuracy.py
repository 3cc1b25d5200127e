"""Counts are held against truth, and leave as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import app.evaluate
import app.flow
from app.errors import SiteError
from app.movement.flow import Interval
from app.record import Site
from app.record.areas import draw_area
from app.report import flow_files
from app.report.flow_accuracy import AREAS, evaluate_flow
from app.terminal import alone
from tests.app.sites import People, merge_truly, write_truth
from tests.app.typed import Typed


def test_a_site_that_knows_everybody_has_no_error(path: Path, who: People, tmp_path: Path) -> None:
    with Site.open_to_write(path) as site:
        write_truth(site, who, tmp_path / "truth")
        merge_truly(site, who)
        scores = evaluate_flow(site, tmp_path / "truth")
        assert scores.true_people == scores.people.identities == len(set(who.values()))
        assert (scores.count_error, scores.way_error) == (0, 0)
        assert (scores.stays, scores.ways) == (scores.true_stays, scores.true_ways)
        assert scores.transit_error == pytest.approx(0, abs=0.3)  # a frame lasts until the next
        assert scores.length_error == pytest.approx(0, abs=0.3)
        assert scores.zone_people == scores.true_zone_people > 0
        assert (scores.zone_error, scores.crossings, scores.true_crossings, scores.crossing_error) == (0, 0, 0, 0)


def test_fragments_are_errors(path: Path, who: People, tmp_path: Path, typed: Typed) -> None:
    with Site.open_to_write(path) as site:
        write_truth(site, who, tmp_path / "truth")
        merge_truly(site, {tracklet: number for number, tracklet in enumerate(who)})  # nobody was joined
        scores = evaluate_flow(site, tmp_path / "truth", Interval.whole)
        assert scores.people.identities == len(who)
        assert scores.count_error == pytest.approx(1)  # two pieces a person and camera
        assert (scores.ways, scores.way_error) == (0, 1)
        assert scores.transit_error is None
        elsewhere = tmp_path / "other" / "attic" / "gt" / "gt.txt"
        elsewhere.parent.mkdir(parents=True)
        elsewhere.write_text("1,1,0,0,10,90,1,1,1\n")
        with pytest.raises(SiteError, match="none of the cameras"):
            evaluate_flow(site, tmp_path / "other")
    done = typed(app.evaluate.commands, "flow", "--truth", tmp_path / "truth", "--site", path)
    assert done.returncode == 0, done.stderr
    assert "100 %" in done.stdout


def test_flow_leaves_as_tables_and_plots(path: Path, who: People, tmp_path: Path, typed: Typed) -> None:
    with Site.open_to_write(path) as site:
        merge_truly(site, who)
        for area in AREAS:
            draw_area(site.database, "camera0", area, "test")
    out = tmp_path / "out"
    done = typed(alone(app.flow.command), "--site", path, "--by", "minute", "--csv", out, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert {file.name for file in out.iterdir()} == {
        *(f"{name}.csv" for name in flow_files.TABLES),
        *(f"{name}.svg" for name in flow_files.PLOTS),
        *(f"{kind}-camera{k}.png" for kind in ("heat", "jams") for k in range(3)),
    }
    assert all(file.stat().st_mode & 0o077 == 0 for file in out.iterdir())
    with (out / "counts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["people"]) for row in rows] == [count["people"] for count in said["counts"]]
    with (out / "ways.csv").open(newline="") as file:
        ways = list(csv.reader(file))
    assert ways[0] == ["origin", "destination", "count", "median_seconds", "p10_seconds", "p90_seconds"]
    assert len(ways) == 1 + len(said["ways"])
    for name in flow_files.PLOTS:
        drawn = (out / f"{name}.svg").read_bytes()
        assert drawn.startswith(b"<?xml") and (b"camera1" in drawn or b"(camera0)" in drawn)
        assert b"<script" not in drawn
    with (out / "zones.csv").open(newline="") as file:
        zones = list(csv.DictReader(file))
    assert [int(row["people"]) for row in zones] == [count["people"] for count in said["zones"]]
    assert {row["zone"] for row in zones} == {"left half", "right half"}
    with (out / "lines.csv").open(newline="") as file:
        assert csv.DictReader(file).fieldnames == list(said["lines"][0])
    shown = typed(alone(app.flow.command), "--site", path)
    assert "left half" in shown.stdout and "upright" in shown.stdout and "is guessed" in shown.stderr
    assert "camera0  camera1" in shown.stdout and f"of {len(set(who.values()))} identities" in shown.stdout
    early = typed(alone(app.flow.command), "--site", path, "--from", "2026-11-21", "--to", "2026-11-20")
    assert (early.returncode, "ends before it begins" in early.stderr) == (2, True)


def test_a_name_is_no_formula() -> None:
    assert [flow_files._harmless(value) for value in ("=1+1", "@x", "hall", 3)] == ["'=1+1", "'@x", "hall", 3]
