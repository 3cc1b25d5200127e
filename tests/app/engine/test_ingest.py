"""The real command on small footage of several cameras."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import app.engine.camera_jobs
import app.engine.ingest
import app.engine.tracking
import app.ingest
from app.areas import Area, AreaKind
from app.engine.crops import MOST
from app.engine.following import Thinning
from app.engine.ingest import CameraReport, IngestReport
from app.footage import discover, site_config
from app.record import Site
from app.record.areas import areas_of, draw_area
from app.record.forget import forget
from app.record.leases import of_camera
from app.record.rows import BoxCounts, Chunk, CropRecord, SegmentRecord, segment_id
from app.record.verify import damage
from app.remarks import Starts
from deploy.detectors.load import load_detector
from tests.app.records import copy_of, on_postgres, run_sql, site_in
from tests.app.scenes import (
    CREATED,
    SIZE,
    START,
    World,
    begin,
    crowd,
    driver,
    dump,
    frames_done,
    ingest,
    people,
    said,
    segment,
    shards,
    three_cameras,
    write_detections,
)
from tests.clips import COLOURS, render_clip
from trackers import TRACKERS
from trackers.segments import Kind

pytestmark = pytest.mark.usefixtures("record")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return three_cameras(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def ingested(record: str, world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A site that the real command made of `world`, and what it printed. Only to be read."""
    site = site_in(tmp_path_factory.mktemp("ingested"))
    done = ingest(world, site, "--json")
    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == []  # the first line names the detector and its hash
    return site, json.loads(done.stdout)


@pytest.fixture
def own(world: World, tmp_path: Path) -> World:
    """A copy of `world` that a test may change."""
    shutil.copytree(world.videos, tmp_path / "videos")
    shutil.copytree(world.detections, tmp_path / "detections")
    return World(tmp_path / "videos", tmp_path / "detections")


def here(world: World, site: Path, videos: Path | None = None, **options: Any) -> IngestReport:
    """The same work in this process."""
    return app.engine.ingest.ingest(videos or world.videos, site, detector=world.detector, who="test", **options)


def tracklets(site: Site, camera: str) -> list[SegmentRecord]:
    return site.segments(camera, kind=Kind.TRACKLET)


def picture(site: Site, crop: CropRecord) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(site.crop_jpeg(crop), np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(image, np.uint8)


def colour(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean of the middle of a picture."""
    height, width = image.shape[:2]
    return image[height // 4 : -height // 4, width // 4 : -width // 4].reshape(-1, 3).mean(axis=0)


# --- what is in the site


def test_everybody_is_one_tracklet_and_numbers_go_on_over_segments(ingested: tuple[Path, dict[str, Any]]) -> None:
    with Site.open(ingested[0]) as site:
        rows = {
            camera.camera: [(s.number, s.track, s.kind, s.length) for s in site.segments(camera.camera)]
            for camera in site.cameras()
        }
        assert list(damage(site)) == []
    assert rows == {
        "gate": [(1, 1, "tracklet", 40), (2, 2, "tracklet", 40)],
        "hall": [(1, 1, "tracklet", 75), (2, 2, "tracklet", 75)],
        "yard": [(k, k, "tracklet", 75 if k < 3 else 60) for k in (1, 2, 3, 4)],
    }


def test_boxes_and_times_are_those_of_the_film(ingested: tuple[Path, dict[str, Any]]) -> None:
    begins = {"gate": [START] * 2, "hall": [START] * 2, "yard": [START, START, START + 3, START + 3]}
    truths = {"gate": people(40), "hall": people(75, shift=40), "yard": people(75, shift=80)}
    with Site.open(ingested[0]) as site:
        for camera, truth in truths.items():
            for tracklet, start in zip(tracklets(site, camera), begins[camera], strict=True):
                boxes = site.boxes(tracklet.id)
                who = (tracklet.track - 1) % 2
                expected = np.array([frame[who] for frame in truth[: tracklet.length]])
                assert boxes.frames.tolist() == list(range(tracklet.length))
                assert np.abs(boxes.boxes - expected).max() < 1.1
                assert boxes.scores.min() >= 0.85
                rate = 10 if camera == "gate" else 25
                assert boxes.times == pytest.approx(start + np.arange(tracklet.length) / rate, abs=1e-3)
                assert (tracklet.start, tracklet.end) == (boxes.times[0], boxes.times[-1])


def test_crops_are_pictures_of_the_person_at_the_time_they_say(ingested: tuple[Path, dict[str, Any]]) -> None:
    with Site.open(ingested[0]) as site:
        for camera in ("gate", "hall", "yard"):
            for tracklet in tracklets(site, camera):
                crops, boxes = site.crops(tracklet.id), site.boxes(tracklet.id)
                assert 12 <= len(crops) <= MOST
                assert crops[0].time - tracklet.start < 0.2 and tracklet.end - crops[-1].time < 0.4
                for crop in crops:
                    at = int(np.searchsorted(boxes.frames, crop.frame))
                    assert (crop.frame, crop.time) == (boxes.frames[at], boxes.times[at])
                    assert crop.box == pytest.approx(boxes.boxes[at].tolist(), abs=1e-4)
                    image = picture(site, crop)
                    assert abs(image.shape[1] - 28) <= 3 and abs(image.shape[0] - 58) <= 3
                    assert np.abs(colour(image) - COLOURS[(tracklet.track - 1) % 2]).max() < 25


def test_people_seen_together_cannot_be_linked_and_no_others(ingested: tuple[Path, dict[str, Any]]) -> None:
    with Site.open(ingested[0]) as site:
        name = {s.id: (s.camera, s.number) for s in site.segments()}
        pairs = sorted((name[a], name[b]) for a, b in site.cannot_link().tolist())
    assert pairs == [
        ((camera, k), (camera, k + 1)) for camera, k in (("gate", 1), ("hall", 1), ("yard", 1), ("yard", 3))
    ]


STANDING = people(1, shift=10)  # there a compressed drawing looks alike in all frames


@pytest.mark.parametrize("together", [True, False])
def test_tracks_go_on_from_file_to_file(tmp_path: Path, together: bool) -> None:
    """Also where the second file is taken in later. Not where it begins a minute later."""
    world = World(tmp_path / "videos", tmp_path / "detections")
    yard = world.videos / "yard"
    yard.mkdir(parents=True)
    write_detections(world.detections / "yard.txt", STANDING * 75)  # of each file, as all stand still
    for name, length in (("14-30-00", 75), ("14-30-03", 60), ("14-31-00", 50)):
        render_clip(yard / f"2026-11-20_{name}.mp4", STANDING * length, size=SIZE)
        if not together:
            here(world, site_in(tmp_path))
    here(world, site_in(tmp_path))
    with Site.open_to_write(site_in(tmp_path)) as site:
        segments = site.segments("yard")
        assert [sorted({s.track for s in segments if s.footage_id == film.id}) for film in site.footage()] == [
            [1, 2],
            [1, 2],
            [3, 4],
        ]
        assert site.cameras()[0].tracks == 4
        assert list(damage(site)) == []


def test_who_was_erased_does_not_go_on(tmp_path: Path) -> None:
    world, site = World(tmp_path / "videos", tmp_path / "detections"), site_in(tmp_path)
    (world.videos / "yard").mkdir(parents=True)
    write_detections(world.detections / "yard.txt", STANDING * 75)
    render_clip(world.videos / "yard" / "2026-11-20_14-30-00.mp4", STANDING * 75, size=SIZE)
    here(world, site)
    with Site.open_to_write(site) as opened:
        gone, _ = tracklets(opened, "yard")
        assert forget(opened, who="me", tracklets=[gone.id]).open_tracks == 1
    render_clip(world.videos / "yard" / "2026-11-20_14-30-03.mp4", STANDING * 60, size=SIZE)
    here(world, site)
    with Site.open(site) as opened:
        assert sorted(s.track for s in opened.segments("yard")) == [2, 2, 3]


def test_the_footage_says_where_it_came_from(world: World, ingested: tuple[Path, dict[str, Any]]) -> None:
    with Site.open(ingested[0]) as site:
        footage = site.footage()
    assert [(f.camera, f.name, f.start, f.start_source) for f in footage] == [
        ("gate", "gate", START, "given"),
        ("hall", "hall.mp4", START, "container"),
        ("yard", "2026-11-20_14-30-00.mp4", START, "name"),
        ("yard", "2026-11-20_14-30-03.mp4", START + 3, "name"),
    ]
    assert {f.status for f in footage} == {"done"}
    assert {f.settings["tracker"] for f in footage if f.settings} == {"appearance"}
    # One key more or less, and every site would be told that it was ingested with other settings.
    recorded = {"detector", "sha256", "tracker", "every", "fps", "begin", "end", "mask", "min_height"}
    assert all(set(f.settings or {}) == recorded for f in footage)
    assert footage[1].size == (world.videos / "hall.mp4").stat().st_size


def test_a_moment_that_two_files_show_is_taken_once(tmp_path: Path) -> None:
    yard = tmp_path / "videos" / "yard"
    yard.mkdir(parents=True)
    render_clip(yard / "2026-11-20_14-30-00.mp4", people(75), size=SIZE)
    render_clip(yard / "event 2026-11-20_14-30-01.mp4", people(25, shift=25), size=SIZE)  # within the first
    render_clip(yard / "2026-11-20_14-30-01.mp4", people(100, shift=25), size=SIZE)  # goes on for two seconds
    write_detections(tmp_path / "detections" / "yard.txt", people(100))
    site = site_in(tmp_path)
    done = ingest(World(tmp_path / "videos", tmp_path / "detections"), site, "--json")
    [camera] = json.loads(done.stdout)["cameras"]
    assert (done.returncode, camera["frames"]) == (0, 125)
    [remark] = camera["remarks"]
    assert remark["what"] == "frames of moments that other footage of the camera shows"
    assert remark["count"] == 25 + 50
    with Site.open(site) as opened:
        assert [summary.hours * 3600 for summary in opened.cameras()] == pytest.approx([5.0], abs=0.1)
        times = [opened.boxes(segment.id).times for segment in opened.segments()]
    per_person = np.sort(np.concatenate(times))
    assert np.unique(per_person, return_counts=True)[1].max() <= 2  # two people, each seen once a moment


# --- what it prints


def test_json_is_one_object_of_the_documented_shape(ingested: tuple[Path, dict[str, Any]]) -> None:
    site, report = ingested
    assert list(report) == ["site", "seconds", "cameras", "left_out", "remarks", "encoder", "encoder_problem"]
    assert (report["left_out"], report["remarks"]) == ([], [])
    assert report["site"] == str(site) and report["seconds"] > 0
    keys = ["camera", "footage", "frames", "frames_per_second", "detections", "tracks", "tracklets", "sightings"]
    keys += ["crops", "errors", "starts", "remarks", "boxes"]
    assert [list(camera) for camera in report["cameras"]] == [keys] * 3
    assert all(camera.pop("frames_per_second") > 0 for camera in report["cameras"])
    with Site.open(site) as opened:
        crops = {camera.camera: camera.crops for camera in opened.cameras()}
    assert report["cameras"] == [
        {"camera": camera, "footage": footage, "frames": frames, "detections": 2 * frames, "tracks": people}
        | {"tracklets": people, "sightings": 0, "crops": crops[camera], "errors": [], "remarks": []}
        | {"starts": [{"source": source, "certainty": certainty, "count": footage}]}
        | {"boxes": asdict(BoxCounts(tracklets=2 * frames))}
        for camera, footage, frames, people, source, certainty in (
            ("gate", 1, 40, 2, "given", "sure"),
            ("hall", 1, 75, 2, "container", "likely"),
            ("yard", 2, 135, 4, "name", "sure"),
        )
    ]


def test_without_json_it_is_a_plain_table(world: World, tmp_path: Path) -> None:
    done = ingest(World(world.videos / "hall.mp4", world.detections), site_in(tmp_path))
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert done.stderr.splitlines()[1:] == []  # the first line names the detector and its hash
    heads = ["camera", "frames", "frames/s", "detections", "tracks", "tracklets", "sightings", "crops", "errors"]
    assert lines[0].split() == [*heads, "starts", "known", "by"]
    cells = lines[1].split()
    assert cells[:2] + cells[3:] == ["hall", "75", "150", "2", "2", "0", "30", "0", "1", "container", "(likely)"]
    assert lines[2].startswith("Of 150 boxes 150 are in tracklets, 0 in sightings, 0 in crossings, ")
    assert lines[3].startswith(f"Site {tmp_path / 'site'}, ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--tracker", "magic"], "'magic' is none of appearance, bytetrack, ocsort, sort."),
        (["--from", "noon"], "'noon' is no time like 2026-11-20T14:30:05"),
        (["--to", "25:00"], "'25:00' is no time like"),
        (["--start", ""], "'' is no time like"),
        (["--every", "0"], "--every"),
        (["--fps", "0"], "must be above 0"),
        (["--fps", "nan"], "must be above 0"),
        (["--fps", "inf"], "must be above 0"),
        (["--fps", "5", "--every", "2"], "not given together with --every"),
        (["--detector", "mot:nowhere"], "There are no detections at nowhere"),
        (["--config", "nowhere.toml"], "nowhere.toml can't be read"),
        (["--colour", "red"], "No such option: --colour"),
    ],
)
def test_what_makes_no_sense_is_refused_with_exit_2(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    code, _, complaint = command(
        capsys, world.videos, "--site", site_in(tmp_path), "--detector", world.detector, *options
    )
    assert code == 2
    assert sentence in complaint and "Traceback" not in complaint


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """The command as a person runs it, but in this process: exit code, stdout, stderr."""
    from app.terminal import run as run_command

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["ingest", *map(str, arguments)])
        patched.setenv("COLUMNS", "300")
        patched.setenv("TERMINAL_WIDTH", "300")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run_command(app.ingest.command)
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_the_site_may_be_named_by_the_environment(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_SITE", str(tmp_path / "elsewhere"))
    code, _, _ = command(capsys, world.videos / "hall.mp4", "--detector", world.detector)
    assert code == 0 and (tmp_path / "elsewhere" / "site.db").is_file()


# --- again


def test_ingesting_twice_adds_nothing(world: World, tmp_path: Path) -> None:
    first = here(world, site_in(tmp_path))
    before = dump(site_in(tmp_path)), shards(site_in(tmp_path))
    second = here(world, site_in(tmp_path))
    for camera in first.cameras:
        camera.frames_per_second = 0.0
    assert second.cameras == first.cameras
    assert (dump(site_in(tmp_path)), shards(site_in(tmp_path))) == before


def test_the_same_film_under_another_name_adds_nothing(own: World, tmp_path: Path) -> None:
    here(own, site_in(tmp_path))
    before = dump(site_in(tmp_path)), shards(site_in(tmp_path))
    (own.videos / "hall.mp4").rename(own.videos / "yard" / "2026-11-20_18-00-00.mp4")
    report = here(own, site_in(tmp_path))
    assert [(c.camera, c.tracklets, c.errors) for c in report.cameras] == [("gate", 2, []), ("yard", 4, [])]
    assert (dump(site_in(tmp_path)), shards(site_in(tmp_path))) == before


@pytest.mark.parametrize("copy", ["yard/2026-11-20_15-00-00.mp4", "a copy.mp4"])
def test_one_film_under_two_names_is_taken_in_once(own: World, tmp_path: Path, copy: str) -> None:
    shutil.copy(own.videos / "yard" / "2026-11-20_14-30-03.mp4", own.videos / copy)
    write_detections(own.detections / "a copy.txt", people(75, shift=80), seed=3)
    report = here(own, site_in(tmp_path))
    assert not [error for camera in report.cameras for error in camera.errors]
    assert sum(camera.tracklets for camera in report.cameras) == 8
    with Site.open(site_in(tmp_path)) as site:
        assert len(site.footage()) == 4
        assert list(damage(site)) == []
    before = dump(site_in(tmp_path)), shards(site_in(tmp_path))
    here(own, site_in(tmp_path))
    assert (dump(site_in(tmp_path)), shards(site_in(tmp_path))) == before


def test_a_new_segment_is_added_to_the_others(own: World, tmp_path: Path) -> None:
    late = own.videos / "yard" / "2026-11-20_14-30-03.mp4"
    aside = late.rename(own.videos.parent / late.name)
    first = here(own, site_in(tmp_path))
    aside.rename(late)
    second = here(own, site_in(tmp_path))
    assert [c.tracklets for c in first.cameras] == [2, 2, 2]
    assert [c.tracklets for c in second.cameras] == [2, 2, 4]
    whole = site_in(tmp_path, "whole")
    here(own, whole)
    assert dump(site_in(tmp_path)) == dump(whole) and shards(site_in(tmp_path)) == shards(whole)


def test_an_earlier_segment_that_comes_late_does_not_collide_with_an_interrupted_one(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_in(tmp_path)
    early = own.videos / "yard" / "2026-11-20_14-30-00.mp4"
    aside = early.rename(own.videos.parent / early.name)
    interrupt(own, site, monkeypatch, camera="yard", after=35)
    aside.rename(early)
    report = here(own, site)
    assert [(c.tracklets, c.errors) for c in report.cameras] == [(2, []), (2, []), (4, [])]
    with Site.open(site) as opened:
        assert {s.number for s in opened.segments("yard")} == {1, 2, 3, 4}
        assert list(damage(opened)) == []


def test_a_segment_that_was_out_of_reach_meanwhile_does_not_collide_with_others(
    own: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_in(tmp_path)
    early = own.videos / "yard" / "2026-11-20_14-30-00.mp4"
    interrupt(own, site, monkeypatch, camera="yard", after=35)
    aside = early.rename(own.videos.parent / early.name)
    here(own, site)
    aside.rename(early)
    report = here(own, site)
    assert [(c.tracklets, c.errors) for c in report.cameras] == [(2, []), (2, []), (4, [])]
    with Site.open(site) as opened:
        assert len(opened.segments("yard")) == 4
        assert list(damage(opened)) == []


def interrupt(world: World, site: Path, monkeypatch: pytest.MonkeyPatch, *, camera: str, after: int) -> None:
    """An ingest that is interrupted at this frame of a camera, having committed every tenth."""
    take = app.engine.tracking.FootageTracker.take

    def interrupted(self: Any, frame: Any, detections: Any) -> Any:
        if frame.camera == camera and frame.index == after:
            raise KeyboardInterrupt
        return take(self, frame, detections)

    with monkeypatch.context() as patched:
        patched.setattr(app.engine.ingest, "CHUNK", 10)
        patched.setattr(app.engine.tracking.FootageTracker, "take", interrupted)
        with pytest.raises(KeyboardInterrupt):
            here(world, site)
    with Site.open(site) as opened:
        assert any(f.status == "running" and f.frames == after // 10 * 10 for f in opened.footage(camera))


# --- footage or settings that changed


def all_jpegs(site: Path, camera: str) -> list[bytes]:
    with Site.open(site) as opened:
        return [opened.crop_jpeg(crop) for s in opened.segments(camera) for crop in opened.crops(s.id)]


def holding(site: Path, pieces: list[bytes]) -> list[str]:
    """Files of a site in which any of these bytes stand."""
    files = [path for path in site.rglob("*") if path.is_file()]
    return [path.name for path in files if any(piece in path.read_bytes() for piece in pieces)]


def test_a_changed_film_is_noticed_and_replaced_without_a_trace(
    own: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = site_in(tmp_path)
    here(own, site)
    before, old = (dump(site), shards(site)), all_jpegs(site, "hall")
    assert len(old) == 30 and holding(site, old) == ["2-000.shard"]
    kept = all_jpegs(site, "gate") + all_jpegs(site, "yard")

    reversed_boxes = [boxes[::-1] for boxes in people(50, shift=200)]
    render_clip(own.videos / "hall.mp4", reversed_boxes, size=SIZE, creation_time=CREATED)
    write_detections(own.detections / "hall.txt", reversed_boxes, seed=9)
    arguments = (own.videos, "--site", site, "--detector", own.detector, "--json")
    code, out, _ = command(capsys, *arguments)
    hall = json.loads(out)["cameras"][1]
    assert code == 1
    assert hall["tracklets"] == 2 and len(hall["errors"]) == 1
    assert "hall.mp4 has changed since it was ingested" in hall["errors"][0] and "--replace" in hall["errors"][0]
    assert (dump(site), shards(site)) == before
    assert json.loads(command(capsys, *arguments)[1])["cameras"][1]["errors"] == hall["errors"]

    code, out, _ = command(capsys, *arguments, "--replace")
    hall = json.loads(out)["cameras"][1]
    assert code == 0
    assert (hall["frames"], hall["tracklets"], hall["errors"]) == (50, 2, [])
    assert holding(site, old) == []
    assert all_jpegs(site, "gate") + all_jpegs(site, "yard") == kept
    with Site.open(site) as opened:
        assert list(damage(opened)) == []
        for tracklet in tracklets(opened, "hall"):
            for crop in opened.crops(tracklet.id):
                assert np.abs(colour(picture(opened, crop)) - COLOURS[crop.box[1] < 60]).max() < 25
    assert command(capsys, *arguments)[0] == 0


def test_a_film_that_has_grown_is_noticed(tmp_path: Path) -> None:
    world, site = World(tmp_path / "videos", tmp_path / "detections"), site_in(tmp_path)
    world.videos.mkdir()
    film = render_clip(world.videos / "live.ts", people(100), size=SIZE)
    write_detections(world.detections / "live.txt", film)
    whole = film.path.read_bytes()
    film.path.write_bytes(whole[: len(whole) // 188 // 2 * 188])
    first = here(world, site, start=START)
    assert 20 < first.cameras[0].frames < 100
    film.path.write_bytes(whole)
    second = here(world, site, start=START)
    error = second.cameras[0].errors[-1]
    assert second.cameras[0].errors[:-1] == first.cameras[0].errors  # the last frame was there in part only
    assert "live.ts has grown since it was ingested" in error
    assert second.cameras[0].frames == first.cameras[0].frames
    third = here(world, site, start=START, replace=True)
    assert (third.cameras[0].frames, third.cameras[0].tracklets, third.cameras[0].errors) == (100, 2, [])


def test_a_sequence_that_has_grown_is_noticed(own: World, tmp_path: Path) -> None:
    images = own.videos / "gate" / "img1"
    later = [path.rename(tmp_path / path.name) for path in sorted(images.iterdir())[25:]]
    (own.videos / "gate" / "seqinfo.ini").write_text("[Sequence]\nframeRate=10\nimDir=img1\n")
    here(own, site_in(tmp_path))
    for path in later:
        path.rename(images / path.name)
    gate = here(own, site_in(tmp_path)).cameras[0]
    assert gate.frames == 25 and "gate has grown since it was ingested" in gate.errors[0]
    gate = here(own, site_in(tmp_path), replace=True).cameras[0]
    assert gate.frames == 40 and gate.errors == []


def test_another_detector_is_noticed(
    own: World, tmp_path: Path, ingested: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    site = copy_of(ingested[0], tmp_path)
    before = dump(site), shards(site)
    code, out, _ = command(capsys, own.videos, "--site", site, "--detector", own.detector, "--json")
    for camera in json.loads(out)["cameras"]:
        assert len(camera["errors"]) == camera["footage"]
        assert all(f"(now {own.detector}): run with --replace" in error for error in camera["errors"])
    assert code == 1 and (dump(site), shards(site)) == before


def test_which_class_is_a_person_is_a_setting(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, hall = site_in(tmp_path), world.videos / "hall.mp4"
    own = load_detector(world.detector)
    monkeypatch.setattr(app.engine.ingest, "load_detector", lambda *_, **__: own)
    here(world, site, hall, person_class="7")
    with Site.open(site) as opened:
        assert [footage.settings["person_class"] for footage in opened.footage() if footage.settings] == ["7"]
    for other in ("3", None):
        (error,) = here(world, site, hall, person_class=other).cameras[0].errors
        assert f"was ingested with person_class 7 (now {other}): run with --replace" in error


def test_a_site_keeps_its_tracker_where_none_is_named(world: World, tmp_path: Path) -> None:
    site, videos = site_in(tmp_path), world.videos
    here(world, site, videos / "hall.mp4", tracker="ocsort")
    for film in ("hall.mp4", "gate"):
        assert here(world, site, videos / film).cameras[0].errors == []
    with Site.open(site) as opened:
        assert {f.settings["tracker"] for f in opened.footage() if f.settings} == {"ocsort"}


def test_other_settings_are_noticed(world: World, tmp_path: Path) -> None:
    site, hall = site_in(tmp_path), world.videos / "hall.mp4"
    here(world, site, hall)
    before = dump(site), shards(site)
    for options, what in (
        ({"tracker": "sort"}, "tracker appearance (now sort)"),
        ({"thinning": Thinning(every=2)}, "every 1 (now 2)"),
        ({"thinning": Thinning(fps=5.0)}, "fps None (now 5.0)"),
        ({"thinning": Thinning(begin=START)}, f"begin None (now {START})"),
    ):
        (error,) = here(world, site, hall, **options).cameras[0].errors
        assert f"was ingested with {what}: run with --replace" in error
        assert (dump(site), shards(site)) == before
    (camera,) = here(world, site, hall, thinning=Thinning(every=3), replace=True).cameras
    assert (camera.frames, camera.tracks, camera.errors) == (25, 2, [])
    (camera,) = here(world, site, hall, replace=True).cameras
    assert camera.frames == 75
    assert shards(site) == before[1]


# --- which frames


def frames_of(site: Path) -> list[int]:
    with Site.open(site) as opened:
        return sorted({int(frame) for s in opened.segments() for frame in opened.boxes(s.id).frames})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--every", "3"], range(0, 75, 3)),
        (["--fps", "5"], range(0, 75, 5)),
        (["--from", "2026-11-20T14:30:01"], range(25, 75)),
        (["--to", "2026-11-20T14:30:02Z"], range(50)),
        (["--from", "2026-11-20T15:30:01+01:00", "--to", "2026-11-20T14:30:02", "--every", "2"], range(26, 50, 2)),
    ],
)
def test_only_the_chosen_frames_are_looked_at(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], expected: range
) -> None:
    arguments = (world.videos / "hall.mp4", "--site", site_in(tmp_path), "--detector", world.detector, "--json")
    code, out, _ = command(capsys, *arguments, *options)
    (camera,) = json.loads(out)["cameras"]
    assert (code, camera["frames"], camera["tracks"]) == (0, len(expected), 2)
    assert frames_of(site_in(tmp_path)) == list(expected)
    assert command(capsys, *arguments, *options)[0] == 0


def test_start_is_for_footage_that_does_not_tell(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    render_clip(tmp_path / "hall.mp4", people(30, shift=40), size=SIZE)
    arguments = ("--site", site_in(tmp_path), "--detector", world.detector, "--start", "2026-11-20T14:30:00Z")
    assert command(capsys, tmp_path / "hall.mp4", *arguments)[0] == 0
    with Site.open(site_in(tmp_path)) as site:
        assert {s.start for s in site.segments()} == {START}


# --- site.toml


@pytest.mark.parametrize("mask", ["[[[0, 0], [1, 0], [1, 0.6], [0, 0.6]]]", "[[[0, 0], [240, 0], [240, 80], [0, 80]]]"])
def test_the_mask_of_a_camera_is_respected(world: World, tmp_path: Path, mask: str) -> None:
    (tmp_path / "own.toml").write_text(f"[cameras.hall]\nmask = {mask}\n")
    report = here(world, site_in(tmp_path), world.videos / "hall.mp4", config=tmp_path / "own.toml")
    assert [(c.detections, c.tracklets) for c in report.cameras] == [(75, 1)]
    with Site.open(site_in(tmp_path)) as site:
        (tracklet,) = site.segments()
        assert site.boxes(tracklet.id).boxes[:, 1].min() > 60  # the person in the lower row


def test_a_mask_that_was_drawn_holds_from_the_next_ingest_on(world: World, tmp_path: Path) -> None:
    path, film = site_in(tmp_path), world.videos / "hall.mp4"
    assert here(world, path, film).cameras[0].tracklets == 2
    mask = Area(AreaKind.mask, "wall", ((0, 0), (1, 0), (1, 0.6), (0, 0.6)))
    with Site.open_to_write(path) as site:
        draw_area(site.database, "hall", mask, "me")
    (told,) = here(world, path, film).cameras[0].errors
    assert "was ingested with mask" in told and "--replace" in told
    report = here(world, path, film, replace=True)
    assert [(c.detections, c.tracklets, c.errors) for c in report.cameras] == [(75, 1, [])]


def test_zones_and_lines_of_site_toml_are_written_where_the_site_has_none(world: World, tmp_path: Path) -> None:
    path, film = site_in(tmp_path), world.videos / "hall.mp4"
    (tmp_path / "own.toml").write_text(
        "[cameras.hall.zones]\nbench = [[0, 0], [1, 0], [1, 1]]\n[cameras.hall.lines]\ndoor = [[0.5, 0], [0.5, 1]]\n"
    )
    assert here(world, path, film, config=tmp_path / "own.toml").remarks == []
    moved = Area(AreaKind.zone, "bench", ((0, 0), (0.5, 0), (0.5, 1)))
    with Site.open_to_write(path) as site:
        assert [area.name for area in areas_of(site.database, "hall")] == ["bench", "door"]
        draw_area(site.database, "hall", moved, "me")
    (remark,) = here(world, path, film, config=tmp_path / "own.toml").remarks
    assert "hall" in remark.what and "(bench)" in remark.what
    with Site.open(path) as site:
        assert areas_of(site.database, "hall")[0] == moved
        assert remark in site.remarks()


def test_small_people_are_no_tracklets(own: World, tmp_path: Path) -> None:
    (own.videos / "site.toml").write_text("[cameras.hall]\nmin_person_height = 70\n")
    report = here(own, site_in(tmp_path), start=START)
    assert {c.camera: (c.tracks, c.tracklets, c.sightings) for c in report.cameras} == {
        "gate": (2, 2, 0),
        "hall": (2, 0, 2),
        "yard": (4, 4, 0),
    }


# --- one writer


def test_a_second_ingest_into_the_same_site_is_refused(world: World, tmp_path: Path) -> None:
    site = site_in(tmp_path)
    first = begin(driver(world, site, chunk=1, pause=0.2))
    try:
        limit = time.monotonic() + 60
        while not frames_done(site):
            assert first.poll() is None and time.monotonic() < limit
            time.sleep(0.02)
        second = ingest(world, site, "--json")
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    assert (second.returncode, second.stdout) == (2, "")
    assert said(second.stderr) == [
        f"Error: Another process (process {first.pid}{', -c' if on_postgres() else ''}) is ingesting yard at the site "
        f"{site}: wait until it is done, then run the same command again."
    ]
    assert not any(camera.errors for camera in here(world, site).cameras)


def test_a_camera_that_another_process_takes_in_is_said_and_the_others_go_on(world: World, tmp_path: Path) -> None:
    site = site_in(tmp_path)
    with Site.create(site) as holder, holder.lease(of_camera("hall")):
        reports = {camera.camera: camera for camera in here(world, site).cameras}
        assert [reports[name].tracklets for name in ("gate", "hall", "yard")] == [2, 0, 4]
        (error,) = reports["hall"].errors
        assert "is ingesting hall at the site" in error and "run the same command again" in error
        assert reports["gate"].errors == reports["yard"].errors == []
    assert [camera.tracklets for camera in here(world, site).cameras] == [2, 2, 4]


def test_people_may_be_erased_while_an_ingest_is_interrupted(world: World, tmp_path: Path) -> None:
    """What goes on names tracklets that are not there any more."""
    site = site_in(tmp_path)
    with Site.create(site) as opened:
        camera = next(c for c in discover(world.videos, site_config(world.videos), None) if c.name == "hall")
        ((record, _),) = opened.intake.register([camera], {"hall": {}}, who="test")[0]
        record = opened.intake.begin(record, {})
        opened.intake.commit(record, Chunk([segment(1)], {1: []}, b"state", 10, 10, 10, 1.0), done=False)
        forget(opened, who="me", tracklets=[segment_id(record.camera_id, 1)])
        pieces = [segment(2, track=2, cannot_link=[1]), segment(3, track=3, cannot_link=[1, 2])]
        opened.intake.commit(record, Chunk(pieces, {}, b"", 20, 20, 20, 2.0), done=True)
        assert (opened.cannot_link() - segment_id(record.camera_id, 0)).tolist() == [[2, 3]]


# --- scheduling


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Four cameras on which people cross and come and go."""
    folder = tmp_path_factory.mktemp("busy")
    world = World(folder / "videos", folder / "detections")
    world.videos.mkdir()
    for number, frames in enumerate((120, 60, 90, 150)):
        name = f"camera{number}"
        film = render_clip(
            world.videos / f"{name}.mp4",
            crowd(frames, seed=number),
            size=SIZE,
            creation_time=CREATED,
            codec_options={"preset": "ultrafast"},
        )
        write_detections(world.detections / f"{name}.txt", film, seed=number)
    return world


@pytest.fixture(scope="module")
def together(
    record: str, busy: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, list[str]], dict[str, bytes]]:
    site = site_in(tmp_path_factory.mktemp("together"))
    assert not [error for camera in here(busy, site).cameras for error in camera.errors]
    return dump(site), shards(site)


def test_cameras_taken_alone_give_the_same_rows_and_bytes(
    busy: World, together: tuple[dict[str, list[str]], dict[str, bytes]], tmp_path: Path
) -> None:
    for film in sorted(busy.videos.iterdir()):
        here(busy, site_in(tmp_path), film)
    assert dump(site_in(tmp_path)) == together[0]
    assert shards(site_in(tmp_path)) == together[1]
    assert sum(map(len, together[1].values())) > 100_000


@pytest.mark.parametrize("slow", [0, 3])
@pytest.mark.parametrize("chunk", [7, 300])
def test_which_camera_is_slower_does_not_matter(
    busy: World,
    together: tuple[dict[str, list[str]], dict[str, bytes]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    slow: int,
    chunk: int,
) -> None:
    decode = app.engine.camera_jobs.decode

    def slowly(site: Site, of_camera: Any, *arguments: Any) -> Any:
        for item in decode(site, of_camera, *arguments):
            if of_camera.camera.name == f"camera{slow}":
                time.sleep(0.002)
            yield item

    monkeypatch.setattr(app.engine.camera_jobs, "decode", slowly)
    monkeypatch.setattr(app.engine.ingest, "CHUNK", chunk)
    here(busy, site_in(tmp_path))
    assert dump(site_in(tmp_path)) == together[0]
    assert shards(site_in(tmp_path)) == together[1]


def test_every_tracker_gives_a_sound_site(busy: World, tmp_path: Path) -> None:
    for tracker in TRACKERS:
        report = here(busy, site_in(tmp_path, tracker), busy.videos / "camera2.mp4", tracker=tracker)
        with Site.open(site_in(tmp_path, tracker)) as site:
            assert list(damage(site)) == []
        assert report.cameras[0].tracklets + report.cameras[0].sightings >= 4  # all four can be found


def test_the_report_is_plain_data(world: World, tmp_path: Path) -> None:
    report = here(world, site_in(tmp_path), world.videos / "hall.mp4")
    rate = report.cameras[0].frames_per_second
    assert rate > 0
    starts = [Starts("container", "likely", 1)]
    assert report.cameras == [CameraReport("hall", 1, 75, rate, 150, 2, 2, 0, 30, [], starts, boxes=BoxCounts(150))]


def test_the_record_is_left_whole_behind(ingested: tuple[Path, dict[str, Any]]) -> None:
    last = "SELECT count(*), count(DISTINCT camera_id) FROM footage WHERE checkpoint IS NOT NULL"
    assert run_sql(ingested[0], last) == [(3, 3)]  # of each camera's last footage, for that which may follow
    if not on_postgres():
        assert run_sql(ingested[0], "PRAGMA integrity_check") == [("ok",)]
        assert not (ingested[0] / "site.db-wal").exists()
