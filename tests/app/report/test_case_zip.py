"""A case leaves as one zip that says what it is, and the audit knows it."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from app.engine.ingest import ingest
from app.record import Site
from app.record.cases import Cases
from app.record.forget import forget
from app.report.case_zip import ERASED, export_case
from tests.app.records import site_in
from tests.app.sites import figure_site
from tests.app.stage import footage_in
from trackers.segments import Kind

TEXT = '../../<script>alert("x")</script>\n\x1b[31m"; rm -rf /'


@pytest.fixture
def filmed(tmp_path: Path) -> Iterator[Site]:
    """A site of which one camera has footage."""
    path = site_in(tmp_path)
    figure_site(path, people=2, cameras=1)
    settings = footage_in(tmp_path)
    ingest(settings["videos"] / "a", path, detector=f"mot:{settings['detections']}", who="test")
    with Site.open_to_write(path) as site:
        yield site


def opened(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


def test_a_case_leaves_as_one_zip(filmed: Site) -> None:
    cases = Cases(filmed)
    seen = filmed.segments("a", kind=Kind.TRACKLET)[0]
    unfilmed = filmed.segments("camera0", kind=Kind.TRACKLET)[0]
    number = cases.open(TEXT.replace("\n", " "), TEXT, who="alice")
    cases.add(number, seen.id, TEXT, who="alice")
    cases.add(number, unfilmed.id, "", who="alice")
    out, heard = io.BytesIO(), []
    done = export_case(filmed, number, out, who="bob", progress=lambda *said: heard.append(said))
    assert heard[-1] == ("items exported", 2, 2)
    data = out.getvalue()
    assert (done.sha256, done.size, done.clips) == (hashlib.sha256(data).hexdigest(), len(data), 1)
    assert len(done.without) == 1 and "not where it was ingested from" in done.without[0]
    archive = opened(data)
    clip = f"clips/00{1 if seen.start < unfilmed.start else 2}.mp4"
    assert sorted(archive.namelist()) == ["SHA256SUMS", "case.json", clip, "report.html"]
    sums = dict(line.split("  ")[::-1] for line in archive.read("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist() if name in sums}
    assert set(sums) == {"case.json", clip, "report.html"}
    played: Any = av.open(io.BytesIO(archive.read(clip)))
    with played as movie:
        assert sum(1 for _ in movie.decode(video=0)) > 10
    said = json.loads(archive.read("case.json"))
    assert said["case"]["id"] == number and said["by"] == "bob"
    by_tracklet = {item["tracklet"]: item for item in said["case"]["items"]}
    assert by_tracklet[seen.id]["clip"] == clip and by_tracklet[seen.id]["note"] == TEXT
    assert by_tracklet[unfilmed.id]["clip"] is None and "put it back" in by_tracklet[unfilmed.id]["why_no_clip"]
    report = archive.read("report.html").decode()
    assert "<script" not in report and "\x1b" not in report and not re.search(r'(src|href)="(?!data:|clips/00)', report)
    assert "put it back" in report and report.count("<img") >= 2 and f'href="{clip}"' in report
    begun, whole = filmed.audit()[-2:]
    assert (begun.action, begun.who, begun.details["tracklets"]) == ("case export", "bob", list(by_tracklet))
    assert whole.action == "case exported"
    assert whole.details == {"case": number, "sha256": done.sha256, "bytes": done.size}
    assert said["audit"] == begun.hash and begun.hash in report


def test_an_empty_case_and_none(filmed: Site) -> None:
    number = Cases(filmed).open("x", "", who="alice")
    out = io.BytesIO()
    assert export_case(filmed, number, out, who="alice").clips == 0
    assert "holds nobody" in opened(out.getvalue()).read("report.html").decode()
    audited = len(filmed.audit())
    with pytest.raises(LookupError):
        export_case(filmed, number + 1, io.BytesIO(), who="alice")
    assert len(filmed.audit()) == audited


def test_who_is_erased_meanwhile_is_not_in_it(filmed: Site) -> None:
    cases = Cases(filmed)
    first, second = filmed.segments("camera0", kind=Kind.TRACKLET)[:2]
    number = cases.open("x", "", who="alice")
    for piece in (first, second):
        cases.add(number, piece.id, "", who="alice")
    out = io.BytesIO()

    def erase(*_: object) -> None:
        if second.id in filmed.searchable_table().ids:
            forget(filmed, who="carol", tracklets=[second.id])

    done = export_case(filmed, number, out, who="alice", progress=erase)
    assert done.without[1] == ERASED
    assert json.loads(opened(out.getvalue()).read("case.json"))["case"]["items"][1]["pictures"] == 0


def test_who_takes_no_more_ends_it(filmed: Site) -> None:
    number = Cases(filmed).open("x", "", who="alice")

    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        export_case(filmed, number, Full(), who="alice")
    assert filmed.audit()[-1].action == "case export"  # and not that it is whole
