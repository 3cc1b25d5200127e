"""Live cameras feed a site: the same people as from files, found soon, through outages, full disks and deaths."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from app.areas import Area, AreaKind
from app.encoders.versions import BASE, calibrate, store_of
from app.engine import stretch
from app.engine.feed import LiveSource, Watched
from app.engine.watch import WatchReport, watch
from app.errors import Busy, StorageError
from app.footage import Camera
from app.footage.live import Counts, Shape
from app.footage.live_camera import LiveEvent, LiveFrame, LiveState
from app.footage.outage import Outage, Why
from app.record import Site
from app.record.areas import areas_of, draw_area, masks_in_force
from app.record.camera_clocks import ClockRecord, clocks_of, keep_clock
from app.record.database import Database
from app.record.intake import Intake
from app.record.leases import of_camera
from app.record.live_cameras import LiveRecord, live_cameras_of
from app.record.live_pictures import FOLDER, read_live_picture
from app.record.outages import outages_of
from app.record.rows import ModelRecord
from app.record.verify import damage
from app.search.query import query
from deploy.detectors import Frame
from reid.calibration import Calibration
from tests.app.scenes import SIZE, START, people
from tests.clips import draw_frame
from trackers.detections import Detections
from trackers.segments import Kind

RATE = 10.0  # frames/s
TRUTH = people(120)


class Seeing:
    """Finds just the people who are in a scene, and tells sources which of their frames it has seen."""

    name, sha256, batch, calls = "seeing", "0" * 64, 4, 1

    def __init__(self, sources: dict[str, Played]) -> None:
        self._sources = sources

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        for frame in frames:
            self._sources[frame.camera].seen.release()
        return [Detections(TRUTH[frame.index], np.full(len(TRUTH[frame.index]), 0.9, np.float32)) for frame in frames]


class Played:
    """A scene as a live camera shows it, whose next frame comes when the one before was seen: so none is skipped.

    Where the script says so, the camera is away.
    """

    def __init__(
        self,
        camera: str,
        away: dict[int, float] | None = None,
        begin: float = START,
        shown: Callable[[int], None] = lambda index: None,
    ) -> None:
        self._camera, self._away, self._begin, self._shown = camera, away or {}, begin, shown
        self.taken = threading.Event()  # all of it
        self.seen = threading.Semaphore(1)
        self._stopped = threading.Event()
        self.state = LiveState(shape=Shape("h264", *SIZE, Fraction(10), None), ahead=2.5)

    def __iter__(self) -> Iterator[LiveEvent]:
        late = 0.0
        for index, boxes in enumerate(TRUTH):
            if index in self._away:
                begin = self._begin + index / RATE + late
                yield Outage(begin, None, Why.STALLED, "Nothing arrives.")
                late += self._away[index]
                yield Outage(begin, begin + self._away[index], Why.STALLED, "Nothing arrives.")
            while not self.seen.acquire(timeout=0.1):
                if self._stopped.is_set():
                    return
            now = self._begin + index / RATE + late
            self.state = replace(self.state, counts=Counts(decoded=10 * (index + 1), thinned=5 * (index + 1)))
            yield LiveFrame(Frame(self._camera, index, now, draw_frame(index, boxes, SIZE)), now, None, 0)
            self._shown(index)
            time.sleep(0.02)  # some seconds in all, for what goes by the clock
        self.taken.set()
        self._stopped.wait()

    def stop(self) -> None:
        self._stopped.set()


def watched(source: LiveSource, name: str = "hall") -> Watched:
    return Watched(Camera(name, ()), source, Path("recordings"))


def run(
    path: Path, sources: dict[str, Played], cameras: Sequence[Watched] = (), *, seconds: float = 20.0
) -> WatchReport:
    """Watches until all sources have shown all, and a little longer."""
    stop = threading.Event()

    def end() -> None:
        for source in sources.values():
            source.taken.wait(seconds)
        time.sleep(0.3)
        stop.set()

    ending = threading.Thread(target=end)
    ending.start()
    cameras = cameras or [watched(source, name) for name, source in sources.items()]
    report = watch(path, cameras, Seeing(sources), stop, who="test")
    ending.join()
    return report


def test_a_live_camera_gives_the_people_it_shows(empty: Path) -> None:
    report = run(empty, {"hall": Played("hall"), "yard": Played("yard")})
    assert {camera.camera for camera in report.cameras} == {"hall", "yard"}
    with Site.open_to_write(empty) as site:
        for name in ("hall", "yard"):
            tracklets = site.segments(name, kind=Kind.TRACKLET)
            assert len(tracklets) == 2 and {piece.cut for piece in tracklets} == {"end"}
            assert all(piece.start == pytest.approx(START, abs=1.0) for piece in tracklets)
            assert all(site.crops(piece.id) for piece in tracklets)
            (record,) = site.footage(name)
            assert (record.status, record.start_source) == ("done", "camera")
            assert record.name == "live 2026-11-20T14.30.00.000000Z"
        ids = site.searchable_table().ids
        assert store_of(site, BASE).load()[0].tolist() == sorted(ids.tolist())
        assert list(damage(site)) == []


def test_an_outage_is_noted_and_a_long_one_ends_the_stretch(empty: Path) -> None:
    report = run(empty, {"hall": Played("hall", away={40: 1.0, 80: 60.0})})
    assert (report.cameras[0].outages, report.cameras[0].away) == (2, "")
    with Site.open_to_write(empty) as site:
        noted = outages_of(site.database)
        assert [outage.reason for outage in noted] == ["Nothing arrives."] * 2
        assert [outage.end and round(outage.end - outage.start) for outage in noted] == [60, 1]
        assert len(site.footage("hall")) == 2


def test_the_hour_ends_a_stretch_and_tracks_go_on(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "LENGTH", 6.0)
    run(empty, {"hall": Played("hall", begin=START + 0.5)})  # START is a full hour
    with Site.open_to_write(empty) as site:
        assert [record.status for record in site.footage("hall")] == ["done"] * 3
        tracks = {piece.track for piece in site.segments("hall", kind=Kind.TRACKLET)}
        assert len(tracks) == 2  # as many as people, though each was cut at the hours


def test_who_is_in_sight_when_the_program_dies_is_a_tracklet_of_the_next(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stretch, "LATE", 0.2)

    class Death(BaseException):
        pass

    def die(*_: object) -> None:
        raise Death

    source = Played("hall")
    with monkeypatch.context() as patched:
        patched.setattr("app.engine.watch._ended", die)  # nothing is ended, as a kill leaves it
        with pytest.raises(Death):
            run(empty, {"hall": source})
    with Site.open_to_write(empty) as site:
        (record,) = site.footage("hall")
        assert record.status == "running" and not site.segments("hall")
    again = Played("hall", begin=START + 100.0)
    run(empty, {"hall": again})
    with Site.open_to_write(empty) as site:
        assert [record.status for record in site.footage("hall")] == ["done", "done"]
        assert len(site.segments("hall", kind=Kind.TRACKLET)) == 4
        assert list(damage(site)) == []


def test_a_disk_that_is_full_for_a_while_loses_nobody(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.AGAIN", 0.05)
    commit, refused = Intake.commit, []

    def full(self: Intake, *arguments: object, done: bool) -> None:
        if len(refused) < 5:
            refused.append(done)
            raise StorageError("the disk is full")
        commit(self, *arguments, done=done)  # type: ignore[arg-type]

    monkeypatch.setattr(Intake, "commit", full)
    monkeypatch.setattr(stretch, "LATE", 0.2)
    run(empty, {"hall": Played("hall")})
    assert len(refused) == 5
    with Site.open_to_write(empty) as site:
        tracklets = site.segments("hall", kind=Kind.TRACKLET)
        assert len(tracklets) == 2 and {piece.number for piece in site.segments("hall")} == {1, 2}


def test_a_camera_that_somebody_else_takes_in_is_left_to_them(empty: Path) -> None:
    with Site.open_to_write(empty) as site, site.lease(of_camera("hall")):
        with pytest.raises(Busy):
            run(empty, {"hall": Played("hall")}, seconds=0.1)
        report = run(empty, {"hall": Played("hall"), "yard": Played("yard")}, seconds=3.0)
    assert [camera.camera for camera in report.cameras] == ["yard"] and len(report.busy) == 1


def test_who_stands_in_a_mask_that_is_drawn_meanwhile_is_left_out(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretch, "MASKS", 0.1)
    monkeypatch.setattr(stretch, "LATE", 0.2)
    middle = (TRUTH[0][0, 3] + TRUTH[0][1, 3]) / 2 / SIZE[1]  # between the feet of the two
    below = Area(AreaKind.mask, "desk", ((0.0, middle), (1.0, middle), (1.0, 1.0), (0.0, 1.0)))
    zone = Area(AreaKind.zone, "door", ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0)))

    def draw(index: int) -> None:
        if index == 50:
            with Site.open_to_write(empty) as site:
                draw_area(site.database, "hall", below, "me")

    source = Played("hall", shown=draw)
    each = Watched(Camera("hall", (), areas=(zone,)), source, Path("recordings"))
    run(empty, {"hall": source}, [each])
    with Site.open_to_write(empty) as site:
        before, after = (
            [piece for piece in site.segments("hall") if piece.footage_id == record.id]
            for record in site.footage("hall")
        )
        assert (len(before), len(after)) == (2, 1)
        assert site.boxes(after[0].id).boxes[:, 3].max() < middle * SIZE[1]
        assert masks_in_force(site.database, "hall") == [below.points]
        assert zone in areas_of(site.database, "hall")
        assert list(damage(site)) == []


def test_a_site_that_has_only_live_cameras_can_be_searched_before_anything_was_merged(empty: Path) -> None:
    run(empty, {"hall": Played("hall"), "yard": Played("yard")})
    with Site.open_to_write(empty) as site:
        ids = [piece.id for piece in site.segments(kind=Kind.TRACKLET)]
        report, _ = query(site, ids[0], who="test")
        assert {match.tracklet for match in report.people[0].matches} <= set(ids[1:])


def test_live_cameras_calibrate_whenever_there_are_twice_as_many_tracklets(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def calibrated(site: Site, model: ModelRecord, *, afresh: bool) -> Calibration:
        counts.append(site.tracklet_count())
        return calibrate(site, model, afresh=afresh)

    monkeypatch.setattr("app.encoders.live.calibrate", calibrated)
    run(empty, {"hall": Played("hall", away={60: 60.0})})  # two people, each in two pieces
    assert counts == [0, 2, 4]


def test_how_cameras_do_is_written_while_they_are_followed(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.TELL", 0.3)
    monkeypatch.setattr("app.engine.feed.WINDOW", 1.0)
    monkeypatch.setattr("app.engine.feed.PICTURE", 0.0)
    seen: list[LiveRecord] = []
    pictures = []
    sources = {"hall": Played("hall"), "yard": Played("yard", away={5: 0.5})}
    stop = threading.Event()
    with Site.open_to_write(empty) as site:

        def told(report: WatchReport) -> None:
            states = live_cameras_of(site.database, time.time())
            if "hall" in states:
                seen.append(states["hall"])
                pictures.append(read_live_picture(empty, "hall"))
            if sources["hall"].taken.is_set():
                stop.set()

        cameras = [watched(source, name) for name, source in sources.items()]
        watch(empty, cameras, Seeing(sources), stop, who="test", told=told)
        assert live_cameras_of(site.database, time.time()) == {}  # nobody watches them now
        assert list(damage(site)) == []
    last = seen[-1]
    assert (last.away, last.width, last.height, last.decoder) == ("", *SIZE, "h264, processor")
    assert last.frames > 60 and last.ahead == 2.5 and last.since <= last.written
    assert last.shares and 0 < last.rate < last.offered  # five times as many were wanted
    assert any("follows" in sentence for sentence in last.warnings)
    assert any("2.5 s ahead of this machine" in sentence for sentence in last.warnings)
    (shown,) = [picture for picture in pictures[-1:] if picture is not None]
    assert (shown.width, shown.height) == SIZE and shown.jpeg.startswith(b"\xff\xd8")
    assert not list((empty / FOLDER).iterdir())


def test_what_a_cameras_own_clock_says_is_kept(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.TELL", 0.1)

    def shown(index: int) -> None:
        if index == 30:
            hall.state = replace(hall.state, ahead=2.6)  # it wavers
        elif index == 60:
            hall.state = replace(hall.state, ahead=-1.0, drift=3.0)
        elif index == 90:
            hall.state = replace(hall.state, connections=2)

    hall, away, untold = Played("hall", shown=shown), Played("away"), Played("untold")
    away.state = replace(away.state, outage=Outage(START, None, Why.REFUSED, "It refuses."))
    untold.state = replace(untold.state, ahead=None)
    before = time.time()
    run(empty, {"hall": hall, "away": away, "untold": untold})
    with Site.open_to_write(empty) as site:
        kept = clocks_of(site.database, "hall")
        assert [(record.ahead, record.drift) for record in kept] == [(-1.0, 3.0), (-1.0, 3.0), (2.5, None)]
        assert all(before <= record.time <= time.time() for record in kept)
        assert clocks_of(site.database, "away") == clocks_of(site.database, "untold") == []


def test_a_clock_that_the_disk_did_not_take_is_kept_later(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.TELL", 0.1)
    tries: list[ClockRecord] = []

    def full_at_first(database: Database, record: ClockRecord) -> None:
        tries.append(record)
        if len(tries) == 1:
            raise StorageError("The disk is full.")
        keep_clock(database, record)

    monkeypatch.setattr("app.engine.feed.keep_clock", full_at_first)
    run(empty, {"hall": Played("hall")})
    with Site.open_to_write(empty) as site:
        assert len(tries) == 2 and clocks_of(site.database, "hall") == tries[1:]


def test_cameras_come_and_go_and_change_while_others_go_on(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.CHANGES", 0.2)
    sources = {"hall": Played("hall"), "yard": Played("yard"), "gate": Played("gate")}
    stays, leaves, comes = (watched(source, name) for name, source in sources.items())
    wanted: list[list[Watched]] = [[stays, comes]]
    stop = threading.Event()
    followed: list[set[str]] = []

    def told(report: WatchReport) -> None:
        followed.append({camera.camera for camera in report.cameras})
        if sources["hall"].taken.is_set() and sources["gate"].taken.is_set():
            stop.set()

    def changed() -> list[Watched] | None:
        return wanted.pop() if wanted else None

    report = watch(empty, [stays, leaves], Seeing(sources), stop, who="test", told=told, changed=changed)
    assert {"hall", "yard"} in followed and {camera.camera for camera in report.cameras} == {"hall", "gate"}
    with Site.open_to_write(empty) as site:
        assert site.footage("hall")[0].frames == len(TRUTH)  # it lost no frame over it
        assert all(record.status == "done" for record in site.footage())
        assert len(site.segments("gate", kind=Kind.TRACKLET)) == 2
        with site.lease(of_camera("yard")):
            pass


def test_a_camera_that_somebody_else_took_in_is_taken_over(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.engine.watch.CHANGES", 0.2)
    sources = {"hall": Played("hall"), "yard": Played("yard")}
    stop = threading.Event()
    with Site.open_to_write(empty) as site, ExitStack() as other:
        other.enter_context(site.lease(of_camera("yard")))

        def told(report: WatchReport) -> None:
            if report.busy:
                other.close()
            if sources["yard"].taken.is_set():
                stop.set()

        cameras = [watched(source, name) for name, source in sources.items()]
        report = watch(empty, cameras, Seeing(sources), stop, who="test", told=told)
    assert {camera.camera for camera in report.cameras} == {"hall", "yard"} and report.busy == []
