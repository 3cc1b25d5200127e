"""Pictures that leave a site show one person."""

from __future__ import annotations

import numpy as np
import pytest

from app.record import Site
from app.record.beside import tracks_between
from app.report.redacted import box_at
from app.report.redacted_crops import MOST, redacted_crops
from reid.pictures import decode_picture
from trackers.segments import SEARCHABLE


def test_others_inside_of_a_picture_are_blurred(hall: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.report.redacted_crops.MOST", 32)
    blurred = 0
    for piece in [row for row in hall.segments("hall") if row.kind in SEARCHABLE]:
        others = tracks_between(hall, "hall", piece.start, piece.end, without=piece.id)
        others.pop(piece.track, None)
        crops = hall.crops(piece.id)
        shown = redacted_crops(hall, piece)
        if len(shown) < len(crops):  # enough of them are clear
            continue
        for crop, jpeg in zip(crops, shown, strict=True):
            before, after = (decode_picture(data).astype(int) for data in (hall.crop_jpeg(crop), jpeg))
            left, top = (max(0, int(edge)) for edge in crop.box[:2])
            hidden = np.zeros(before.shape[:2], bool)
            for other in others.values():
                for x1, y1, x2, y2 in np.rint(box_at(other, crop.time)).astype(int).tolist():
                    hidden[max(0, y1 - top) : max(0, y2 - top), max(0, x1 - left) : max(0, x2 - left)] = True
            assert np.abs(after - before)[~hidden].mean() < 6 if (~hidden).any() else True  # JPEG, twice
            if hidden.mean() > 0.2:
                rows = np.abs(np.diff(after, axis=0)).sum(axis=2)[hidden[1:] & hidden[:-1]]
                assert rows.mean() < 12
                blurred += 1
    assert blurred > 3


def test_a_few_are_chosen_that_show_least_of_others(hall: Site) -> None:
    for piece in [row for row in hall.segments("hall") if row.kind in SEARCHABLE]:
        stored = hall.crops(piece.id)
        shown = redacted_crops(hall, piece)
        assert len(shown) == min(MOST, len(stored))
        shapes = [decode_picture(hall.crop_jpeg(crop)).shape for crop in stored]
        assert all(decode_picture(jpeg).shape in shapes for jpeg in shown)


def test_a_damaged_picture_is_left_out(hall: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    piece = next(row for row in hall.segments("hall") if row.kind in SEARCHABLE)
    monkeypatch.setattr(Site, "crop_jpeg", lambda *_: b"\xff\xd8 no more")
    assert redacted_crops(hall, piece) == []
