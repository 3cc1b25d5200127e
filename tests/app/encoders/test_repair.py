"""One damaged crop stops nothing. What derives from crops is made again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.encoders.repair import repair
from app.encoders.versions import BASE, ONNX, WEIGHTS, calibration_of, folder_of, serving, store_of
from app.learning.adapt import source_of
from app.record import Site
from app.record.folder_embeddings import FolderEmbeddings
from app.record.shards import crop_folder
from app.record.verify import damage
from app.report.contact_sheet import contact_sheet
from app.report.query_page import write_report
from app.search.query import query, view
from app.search.searcher import Wish
from app.site import command
from tests.app.records import run_sql
from tests.app.sites import People
from tests.app.typed import Typed


def spoil_crop(site: Site, tracklet: int, which: int) -> None:
    """A crop's bytes are others."""
    crop = site.crops(tracklet)[which]
    (file,) = crop_folder(site.path, crop.camera_id).glob(f"{crop.footage_id}-*.shard")
    data = bytearray(file.read_bytes())
    start, length = crop.shard_range.offset, crop.shard_range.length
    data[start : start + length] = (bytes(range(1, 256)) * 99)[:length]
    file.write_bytes(data)


@pytest.mark.parametrize("which", [0, 2])
def test_one_damaged_crop_stops_no_query_no_sheet_and_no_adaptation(
    path: Path, who: People, tmp_path: Path, which: int
) -> None:
    tracklet = sorted(who)[3]
    with Site.open_to_write(path) as site:
        spoil_crop(site, tracklet, which)  # 2 is the one that stands for it in a report
        report, _ = query(site, tracklet, Wish(top=1000), who="me")
        assert len(report.people[0].matches) > 10
        write_report(view(site, report, None), tmp_path / "report.html")
        assert report.audit == site.audit_head() and report.audit in (tmp_path / "report.html").read_text("utf-8")
        assert contact_sheet(site, tmp_path / "sheet.png", who="me").of == len(who)
        learned = {t.id: len(t.pictures) for t in source_of(site, sorted(who), 8).tracklets}
        assert learned[tracklet] == 3 and len(learned) == len(who)


def test_the_command_repairs_and_the_site_is_sound(path: Path, who: People, typed: Typed) -> None:
    first, second = sorted(who)[:2]
    with Site.open_to_write(path) as site:
        spoil_crop(site, first, 1)
        store, folder = store_of(site, BASE), folder_of(site, BASE)
        damages = 5
        if isinstance(store, FolderEmbeddings):
            damages = 6
            store.path(2).write_bytes(store.path(2).read_bytes()[:-1])
        else:
            store.drop(2)  # a server's pages are its own matter, so rows are there or not
        (folder / ONNX).write_bytes(b"not a model")
        (folder / WEIGHTS).unlink()
    run_sql(path, f"UPDATE segments SET boxes = substr(boxes, 3) WHERE id = {second}")
    run_sql(path, "UPDATE models SET calibration = '{' WHERE name = 'base'")
    told = typed(command, "--site", path, "--verify", "--json")
    assert told.returncode == 1 and len(json.loads(told.stdout)["damage"]) == damages
    done = typed(command, "--site", path, "--repair", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["damage"] == [] and report["tracklets"] == len(who) - 1 and len(report["repaired"]) >= damages
    with Site.open_to_write(path) as site:
        assert list(damage(site)) == [] and calibration_of(serving(site))
        np.testing.assert_array_equal(store_of(site, BASE).load()[0], site.tracklet_table().ids)
        assert len(site.crops(first)) == 3
        assert repair(site, who="me") == []
