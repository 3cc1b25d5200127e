"""Every benchmark is a command that says what it does, and some run on toys."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import av
import pytest
import typer
from typer.testing import CliRunner

import bench
import sample_videos
from app.engine.ingest import Thinning, ingest
from app.terminal import alone
from tests.app.scenes import SIZE, people
from tests.app.sites import figure_site
from tests.clips import render_clip

WORK = {
    "ingest_runners",
    "papers_size_work",
    "peers",
    "record_work",
    "tracking_peers_work",
}  # run by a command, elsewhere or apart
COMMANDS = sorted(
    path.stem
    for path in Path(bench.__path__[0]).glob("*.py")
    if "\nif __name__ ==" in path.read_text("utf-8") and path.stem not in WORK
)


def program(name: str) -> typer.Typer:
    return alone(importlib.import_module(f"bench.{name}").command)


def said(name: str, *words: object) -> Any:
    """What a command prints on stdout with --json."""
    ended = CliRunner().invoke(program(name), [*map(str, words), "--json"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_names_its_options(name: str) -> None:
    ended = CliRunner().invoke(program(name), ["--help"])
    assert ended.exit_code == 0
    command: Any = typer.main.get_command(program(name))
    assert command.help.splitlines()[0] in " ".join(ended.stdout.split())
    for parameter in command.params:
        assert parameter.hidden or parameter.help, parameter.name
        for option in parameter.opts:
            assert parameter.hidden or option in ended.stdout


def test_association_of_a_few_tracklets() -> None:
    report = said("association", "--tracklets", 60, "--width", 16)
    assert report["tracklets"] == 60 and report["reciprocal"]["pairs"] > 0
    assert 0 < report["soft_labels"]["own_weight"] <= 1


def test_decoding_a_clip(tmp_path: Path) -> None:
    render_clip(tmp_path / "hall.mp4", people(20), size=SIZE)
    report = said("decode", tmp_path / "hall.mp4", "--rounds", 1)
    assert report["unit"] == "frames per CPU second"
    assert all(speed > 0 for speeds in report["speeds"].values() for speed in speeds.values())


def test_evaluation_of_a_small_set() -> None:
    report = said("evaluation", "--queries", 20, "--gallery", 200, "--rounds", 1, "--threads", 1)
    assert report["equal"] and report["machine"]["threads"] == 1


def test_search_in_a_small_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.search.CAMERAS", 6)  # a file a camera and day, each safe on the disk
    monkeypatch.setattr("bench.search.DAYS", 4)
    report = said("search", "--rows", 1000, "--dimensions", 16, "--queries", 5)
    assert report["exact_agrees"] == report["filtered_agrees"] == 1.0
    assert report["same_person"]["mean"] > report["different_people"]["mean"]


def test_serving_a_small_site(tmp_path: Path) -> None:
    path = tmp_path / "site"
    figure_site(path, people=4, cameras=2)
    report = said("serve", "--site", path, "--clients", 3, "--seconds", 0.5, "--beside", "merge,forget")
    assert report["tracklets"] == 16 and report["memory_mib"] > 50
    assert set(report["answers"]) == {"/", "/cameras", "search", "3 searches at once"}
    assert all(answered["errors"] == 0 and answered["p50_ms"] > 0 for answered in report["answers"].values())
    assert set(report["beside"]) == {"merge", "forget"}
    assert all(ran["failed"] == 0 and ran["done"] + ran["broken_off"] >= 1 for ran in report["beside"].values())


def test_a_live_camera_whose_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.live_camera.KINDS", ("crash",))
    report = said("live_camera", "--minutes", 0.01)
    assert report["back"]["all"]["blows"] == 1 and report["outages"]["crashed"] == 1
    assert report["lost"] == report["times_fell"] == report["left_over"] == 0


def test_live_cameras_that_feed_a_site_while_one_is_killed(tmp_path: Path) -> None:
    """The first keyframes' frames of a sample film in a loop, as two cameras."""
    films = Path(sample_videos.__path__[0]) / "films"
    cut_film(films / "hall.mp4", tmp_path / "hall.mp4")
    (tmp_path / "hall" / "gt").mkdir(parents=True)
    shutil.copy(films / "hall" / "gt" / "gt.txt", tmp_path / "hall" / "gt")
    report = said("live_site", "--films", tmp_path, "--cameras", 2, "--minutes", 0.2, "--compare", 0.1, "--blows", 1)
    assert [camera["camera"] for camera in report["cameras"]] == ["hall-1", "hall-2"]
    assert all(camera["taken"] > 10 and camera["clock_off_s"] < 0.3 for camera in report["cameras"])
    assert report["seen"]["live"]["tracklets"] > 0 and report["seen"]["the very frames"]["purity"] > 0.8
    assert report["delays"]["tracklets and sightings"]["count"] > 0
    assert report["blows"]["camera"]["blows"] == 1 and report["blows"]["camera"]["not_back"] == 0
    assert set(report["memory"]) >= {"app.watch", "hall-1", "hall-2", "servers of the films"}
    assert report["lost"] == report["doubled"] == report["left_over"] == 0


def test_what_a_camera_costs_and_what_many_need(tmp_path: Path) -> None:
    films = Path(sample_videos.__path__[0]) / "films"
    (tmp_path / "videos").mkdir()
    cut_film(films / "hall.mp4", tmp_path / "videos" / "hall.mp4")
    file = tmp_path / "costs.json"
    report = said("camera_costs", tmp_path / "videos", "--out", file)
    assert report["camera_hours"] == pytest.approx(60 / 15 / 3600, rel=0.05)
    costs = report["costs"]
    assert costs["frames"] == pytest.approx(15 * 3600, rel=0.05)
    assert costs["vectors"] >= costs["tracklets"] > 0 and costs["vector_bytes"] == 2056
    assert all(costs[name] > 0 for name in ("commits", "rows", "pictures_mib", "objects"))
    assert report["starting_cpu_seconds"] > 0
    gallery = ("--rows", 10**6, "--filtered-ms", 15, "--unfiltered-ms", 40, "--vectors-mib", 1163, "--index-mib", 1303)
    told = said("scale", "--costs", file, *gallery, "--cameras", 10)
    assert [of["cameras"] for of in told["needs"]] == [10] and len(told["full_from"]) == 5


def cut_film(film: Path, to: Path) -> None:
    """The first 60 frames of a sample film, up to its second keyframe, and its date of creation."""
    with av.open(str(film)) as source, av.open(str(to), "w") as output:
        output.metadata["creation_time"] = source.metadata["creation_time"]
        there = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number == 60:
                break
            packet.stream = there
            output.mux(packet)


def test_fuzzing_the_api_for_seconds() -> None:
    report = said("fuzz_api", "--minutes", 0.1)
    assert report["rounds"] >= 1 and report["requests"] > 0 and report["failures"] == {}


def test_redaction_of_a_short_film(tmp_path: Path) -> None:
    videos, site = tmp_path / "videos", tmp_path / "site"
    videos.mkdir()
    film = Path(sample_videos.__path__[0]) / "films"
    shutil.copy(film / "hall.mp4", videos)
    begin = 1795185010.0  # UTC seconds, of the film
    ingest(videos, site, detector="shipped", thinning=Thinning(begin=begin, end=begin + 2), who="test")
    report = said("redaction", film, "--site", site, "--clips", 1)
    (hall,) = report["cameras"]
    assert hall["camera"] == "hall" and hall["clips"] == 1 and hall["frames"] >= 20
    assert hall["all"]["boxes"] > hall["visible"]["boxes"] > 50
    assert hall["visible"]["head_blurred"] > 0.9 and hall["visible"]["untouched"] == 0
    assert 0 < hall["chosen_kept"] <= 1
