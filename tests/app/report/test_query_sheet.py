"""The contact sheet of a query."""

from __future__ import annotations

from pathlib import Path

import cv2

from app.report.query_sheet import write_sheet
from app.report.sheet import CELL, GAP, HEAD
from tests.app.query_views import match, view


def test_the_sheet_has_a_row_a_match(tmp_path: Path) -> None:
    write_sheet(view(), tmp_path / "deep" / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "deep" / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] == CELL[1] + 2 * GAP + 3 * HEAD + 5 * (CELL[1] + GAP)
    long_name = [match(1, 0.5, camera="long " * 50, crops=0)]
    for odd_view in (view(matches=()), view(site="x" * 500), view(matches=long_name)):
        write_sheet(odd_view, tmp_path / "sheet.png")
        odd_sheet = cv2.imread(str(tmp_path / "sheet.png"))
        assert odd_sheet is not None and odd_sheet.shape[1] == sheet.shape[1]
