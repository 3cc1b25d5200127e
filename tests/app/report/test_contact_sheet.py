"""Contact sheets: a row a tracklet, its own crops in it, and fewer rows evenly over the cameras."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.errors import SiteError
from app.record import Site
from app.report.contact_sheet import contact_sheet
from app.report.sheet import CELL, GAP, HEAD, LABEL
from tests.app.scenes import run
from tests.clips import COLOURS


def test_a_contact_sheet_has_a_row_of_crops_for_each_tracklet(ingested: Path, tmp_path: Path) -> None:
    done = run("-m", "app.contact_sheet", tmp_path / "a" / "sheet.png", "--site", ingested, "--columns", 6, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"path": str(tmp_path / "a" / "sheet.png"), "tracklets": 8, "of": 8}
    sheet = np.asarray(cv2.imread(str(tmp_path / "a" / "sheet.png"), cv2.IMREAD_COLOR_RGB), np.uint8)
    row = CELL[1] + GAP
    assert sheet.shape == (3 * HEAD + 8 * row, LABEL + 6 * (CELL[0] + GAP), 3)
    tops = [HEAD, HEAD + row, 2 * HEAD + 2 * row, 2 * HEAD + 3 * row] + [3 * HEAD + k * row for k in (4, 5, 6, 7)]
    for who, top in enumerate(tops):
        label = sheet[top : top + CELL[1], :LABEL]
        assert label.std() > 5
        for column in range(6):
            left = LABEL + column * (CELL[0] + GAP)
            middle = sheet[top + CELL[1] // 4 : top + 3 * CELL[1] // 4, left + CELL[0] // 4 : left + 3 * CELL[0] // 4]
            assert np.abs(middle.reshape(-1, 3).mean(axis=0) - COLOURS[who % 2]).max() < 25


def test_a_contact_sheet_of_one_camera_and_of_fewer_rows(ingested: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    done = run("-m", "app.contact_sheet", sheet, "--site", ingested, "--camera", "yard", "--rows", 2)
    assert (done.returncode, done.stdout) == (0, f"{sheet}: 2 of 4 tracklets\n")
    assert np.asarray(cv2.imread(str(sheet))).shape[0] == HEAD + 2 * (CELL[1] + GAP)
    for options in (["--camera", "nowhere"], ["--site", str(tmp_path / "no site")]):
        done = run("-m", "app.contact_sheet", tmp_path / "none.png", "--site", ingested, *options)
        assert done.returncode == 2 and done.stderr.startswith("Error: ") and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none.png").exists()


def test_every_camera_keeps_a_row(ingested: Path, tmp_path: Path) -> None:
    with Site.open_to_write(ingested) as site:
        sheet = contact_sheet(site, tmp_path / "sheet.png", rows=4, columns=2, who="test")
    assert (sheet.tracklets, sheet.of) == (4, 8)  # 1 of 2, 1 of 2, 2 of 4
    shape = np.asarray(cv2.imread(str(tmp_path / "sheet.png"))).shape
    assert shape == (3 * HEAD + 4 * (CELL[1] + GAP), LABEL + 2 * (CELL[0] + GAP), 3)


def test_what_can_not_be_drawn_says_so(ingested: Path, tmp_path: Path) -> None:
    with Site.create(tmp_path / "empty") as site, pytest.raises(SiteError, match="is empty"):
        contact_sheet(site, tmp_path / "sheet.png", who="test")
    (tmp_path / "file").write_bytes(b"")
    with Site.open_to_write(ingested) as site:
        with pytest.raises(SiteError, match=r"sheet\.png can't be written \(.*\): check the folder and the disk"):
            contact_sheet(site, tmp_path / "file" / "sheet.png", who="test")
        with pytest.raises(SiteError, match="has no camera 'attic'"):
            contact_sheet(site, tmp_path / "sheet.png", camera="attic", who="test")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file"]
