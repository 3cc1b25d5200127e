"""Drawings are written, changed and removed, and each of that leaves a row in the audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.areas import MOST_AREAS, Area, AreaKind
from app.errors import SiteError
from app.record import Site
from app.record.areas import add_missing_areas, areas_by_camera, areas_of, draw_area, drawn_masks, remove_area
from tests.app.records import run_sql

ZONE = Area(AreaKind.zone, "bench", ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9)))
LINE = Area(AreaKind.line, "door", ((0.5, 0.0), (0.5, 1.0)))
MASK = Area(AreaKind.mask, "screen", ((0.0, 0.0), (0.3, 0.0), (0.3, 0.3)))


def test_drawings_are_kept_a_camera(path: Path) -> None:
    with Site.open_to_write(path) as site:
        draw_area(site.database, "camera0", ZONE, "me")
        draw_area(site.database, "camera1", ZONE, "me")
        draw_area(site.database, "camera0", LINE, "me")
        assert areas_by_camera(site.database) == {"camera0": [ZONE, LINE], "camera1": [ZONE]}
        moved = Area(AreaKind.zone, "bench", MASK.points)
        draw_area(site.database, "camera0", moved, "me")
        assert areas_of(site.database, "camera0") == [moved, LINE]
        renamed = Area(AreaKind.zone, "seat", MASK.points)
        draw_area(site.database, "camera0", renamed, "me", instead_of="bench")
        assert areas_of(site.database, "camera0") == [renamed, LINE]
        with pytest.raises(SiteError, match="'door' on camera0 already"):
            draw_area(site.database, "camera0", LINE, "me", instead_of="seat")
        assert remove_area(site.database, "camera0", "seat", "you")
        assert not remove_area(site.database, "camera0", "seat", "you")
        assert areas_of(site.database, "camera0") == [LINE]
        rows = [(row.who, row.action, row.details["name"]) for row in site.audit()]
        assert rows[-2:] == [("me", "draw area", "seat"), ("you", "remove area", "seat")]
        assert site.audit()[-2].details["points"] == [list(point) for point in MASK.points]


def test_what_makes_no_sense_is_not_written(path: Path) -> None:
    with Site.open_to_write(path) as site:
        before = len(site.audit())
        with pytest.raises(SiteError, match="needs 3 to 50 points"):
            draw_area(site.database, "camera0", Area(AreaKind.zone, "x", ZONE.points[:2]), "me")
        with pytest.raises(SiteError, match="no camera 'attic'"):
            draw_area(site.database, "attic", ZONE, "me")
        with pytest.raises(SiteError, match="no camera 'attic'"):
            remove_area(site.database, "attic", "x", "me")
        for number in range(MOST_AREAS):
            draw_area(site.database, "camera0", Area(AreaKind.zone, f"z{number}", ZONE.points), "me")
        with pytest.raises(SiteError, match="at most 100"):
            draw_area(site.database, "camera0", ZONE, "me")
        assert len(site.audit()) == before + MOST_AREAS


def test_what_was_drawn_goes_before_what_a_file_says(path: Path) -> None:
    with Site.open_to_write(path) as site:
        drawn = Area(AreaKind.zone, "bench", MASK.points)
        draw_area(site.database, "camera0", drawn, "me")
        (remark,) = add_missing_areas(site.database, "camera0", [ZONE, LINE], "ingest")
        assert (remark.count, "bench" in remark.what) == (1, True)
        assert areas_of(site.database, "camera0") == [drawn, LINE]
        assert site.audit()[-1].details["from"] == "site.toml"
        before = len(site.audit())
        assert add_missing_areas(site.database, "camera0", [LINE], "ingest") == []
        assert len(site.audit()) == before


def test_masks_are_told_apart(path: Path) -> None:
    with Site.open_to_write(path) as site:
        for area in (ZONE, MASK, LINE):
            draw_area(site.database, "camera0", area, "me")
        assert drawn_masks(site.database, "camera0") == (MASK.points,)
        assert drawn_masks(site.database, "attic") == ()


def test_a_damaged_drawing_is_told(path: Path) -> None:
    with Site.open_to_write(path) as site:
        draw_area(site.database, "camera0", ZONE, "me")
    run_sql(path, "UPDATE areas SET points = '[[1, 2, 3]]'")
    with Site.open(path) as site, pytest.raises(SiteError, match="the drawing 'bench' of camera0"):
        areas_of(site.database, "camera0")
