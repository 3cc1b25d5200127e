"""Retention: what is older than a camera keeps leaves with all its bytes, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.engine.ingest import ingest
from app.record import Site
from app.record.camera_clocks import ClockRecord, clocks_of, keep_clock
from app.record.forget import forget
from app.record.job_logs import JobLogs
from app.record.jobs import Status, ask, begin_next, end, latest_jobs
from app.record.retention import DAY, JOBS_KEPT, retain, tidy
from app.record.rows import AuditEntry
from app.record.settings import SiteSettings, write_settings
from app.record.uploads import STALE, Uploads, Wish
from app.record.verify import damage
from tests.app.scenes import SIZE, START, bytes_of, people, write_detections
from tests.app.sites import People
from tests.clips import render_clip
from trackers.segments import SEARCHABLE

pytestmark = pytest.mark.usefixtures("record")


def keep(site: Site, **days: float) -> None:
    write_settings(site.database, SiteSettings(retention=days), who="alice")


def test_a_camera_forgets_what_is_too_old(path: Path, who: People) -> None:
    with Site.open_to_write(path) as site:
        end_of = {row.id: row.end for camera in ("camera0", "camera1") for row in site.segments(camera)}
        limit = sorted(row.end for row in site.segments("camera1"))[8]
        old = [row.id for row in site.segments("camera1") if row.end < limit]
        secret = [site.crop_jpeg(crop) for number in old for crop in site.crops(number)]
        keep(site, camera1=3.0, camera2=10_000.0, nowhere=1.0)
        done = retain(site, who="nightly", now=limit + 3 * DAY)
        assert done.tracklets == {"camera1": len(old)} and done.found == [] and len(old) == 8
        assert len(site.segments("camera0")) == 20 and len(site.segments("camera1")) == 12
        assert all(end_of[row.id] >= limit for row in site.segments("camera1"))
        (entry,) = [row for row in site.audit() if row.action == "forget"]
        assert (entry.who, entry.details["of camera"]) == ("nightly", "camera1")
        assert retain(site, who="nightly", now=limit + 3 * DAY).tracklets == {}
        assert list(damage(site)) == []
    everything = bytes_of(path)
    assert len(secret) > 8 and not any(picture in everything for picture in secret)


def test_what_a_cameras_clock_said_leaves_too(path: Path) -> None:
    with Site.open_to_write(path) as site:
        for camera in ("camera0", "camera1", "camera2"):
            for days in (1.0, 3.5, 9.0):
                keep_clock(site.database, ClockRecord(camera, START + days * DAY, 2.0, None))

        def kept(camera: str) -> list[float]:
            return [(record.time - START) / DAY for record in clocks_of(site.database, camera)]

        keep(site, camera1=7.0)
        assert retain(site, who="nightly", now=START + 10 * DAY).tracklets
        assert kept("camera1") == [9.0, 3.5]
        retain(site, who="nightly", now=START + 11 * DAY)  # when nobody's time was over
        assert kept("camera1") == [9.0] and kept("camera0") == [9.0, 3.5, 1.0]
        forget(site, who="me", before=START + 2 * DAY, of_camera="camera0")
        assert kept("camera0") == [9.0, 3.5] and kept("camera2") == [9.0, 3.5, 1.0]
        forget(site, who="me", before=START + 4 * DAY)
        assert kept("camera0") == kept("camera1") == kept("camera2") == [9.0]
        assert list(damage(site)) == []


def uploaded(site: Site, film: Path, camera: str, *, made: float | None = None) -> str:
    """Sends a film to a site. Returns the upload's id."""
    uploads, data = Uploads(site.path), film.read_bytes()
    upload = uploads.begin(Wish(camera, "x.mp4", len(data), ".mp4", start=START), who="alice")
    assert uploads.append(upload, 0, data) == len(data)
    uploads.finish(upload, lambda path, wish: None)
    return upload.id


def test_an_uploaded_film_leaves_when_it_is_too_old_or_shows_nobody(site: Site, tmp_path: Path) -> None:
    uploads = Uploads(site.path)
    boxes = people(30)
    for shift, camera in enumerate(("old", "emptied", "new")):
        clip = render_clip(tmp_path / f"{camera}.mp4", people(30, shift=40 * shift), size=SIZE)
        number = uploaded(site, clip.path, camera)
        write_detections(tmp_path / "detections" / f"{camera}.txt", boxes)
        upload = uploads.get(number)
        assert upload is not None
        ingest(uploads.for_ingest(upload, site.database), site.path, detector=f"mot:{tmp_path / 'detections'}", who="a")
    films = {film.camera: film.path for film in site.footage()}
    assert len(films) == 3 and all(path.is_file() for path in films.values())
    site.erase([row.id for row in site.segments("emptied")], AuditEntry(START, "a", "forget", {}))
    keep(site, old=2.0, new=20.0)
    old = [row for row in site.segments("old") if row.kind in SEARCHABLE]
    done = retain(site, who="nightly", now=START + 3 * DAY)
    assert (done.files, done.tracklets) == (2, {"old": len(old)})
    assert {camera for camera, path in films.items() if path.exists()} == {"new"}
    rows = [entry.details for entry in site.audit() if entry.action == "upload removed"]
    assert sorted(row["camera"] for row in rows) == ["emptied", "old"]
    assert [upload.wish.camera for upload in uploads.all()] == ["new"]


def test_what_nobody_needs_is_tidied_up(site: Site, tmp_path: Path) -> None:
    film = render_clip(tmp_path / "a.mp4", 5).path
    waiting = uploaded(site, film, "waiting")
    uploaded(site, film, "forgotten")
    began = Uploads(site.path).all()[0].made
    logs = JobLogs(site.path)
    for number in (1, 2):
        ask(site.database, "merge", {}, who="alice")
        begin_next(site.database)
        logs.append(number, "secret")
        end(site.database, number, Status.done)
    ask(site.database, "ingest", {"upload": waiting}, who="alice")
    assert tidy(site, who="server", now=began + STALE - 60).files == 0
    done = tidy(site, who="server", now=began + JOBS_KEPT + STALE)
    assert (done.files, done.jobs) == (1, 2)
    assert [upload.id for upload in Uploads(site.path).all()] == [waiting]
    assert [job.id for job in latest_jobs(site.database, 9)] == [3] and logs.read(1) == ""
    assert not list((site.path / "jobs").iterdir())
