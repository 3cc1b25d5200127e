"""One frame of a tracklet's moment, as it stands still in the browser, cut from the footage itself."""

from __future__ import annotations

from app.errors import FootageError
from app.footage import open_footage
from app.record import Site
from app.record.rows import SegmentRecord
from app.report.clip import filmed
from app.web.moments import BEFORE, LONGEST, ROUNDING
from deploy.detectors import Frame


def frame_at(site: Site, piece: SegmentRecord, seconds: float) -> Frame:
    """The frame that is shown so long after the moment's begin. Raises FootageError where there is none."""
    footage = filmed(site.footage_record(piece.footage_id), piece.start)
    begin = piece.start - BEFORE
    shown: Frame | None = None
    with open_footage(footage, begin=begin, end=begin + LONGEST) as frames:
        for frame in frames:
            if shown is None:
                until = frame.time + seconds + ROUNDING
            elif frame.time > until:
                break
            shown = frame
    if shown is None:
        raise FootageError(f"The footage {footage.name} of {footage.camera} shows nothing at that time any more.")
    return shown
