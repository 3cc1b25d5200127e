"""A site's tracks and tracklets as MOTChallenge text, and the ground truth that they are compared with."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.errors import FootageError
from app.record import Site
from app.record.private_files import check_writable, write_private
from app.record.rows import AuditEntry, Boxes
from app.remarks import Remark, summed
from reid.foreign import file_names
from trackers.motchallenge import FRAME, ID, Note, Rows, read_rows, text_of, to_rows
from trackers.segments import SEARCHABLE, Kind
from trackers.visits import FrameTimes


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written."""

    files: list[str]
    boxes: int


def truth_files(folder: Path) -> dict[str, Path]:
    """The files `folder/<camera>/gt/gt.txt` by camera. Raises FootageError where there are none."""
    files = {path.parents[1].name: path for path in sorted(folder.glob("*/gt/gt.txt"))}
    if not files:
        raise FootageError(
            f"There is no ground truth in {folder}: it should hold <camera>/gt/gt.txt in MOTChallenge columns."
        )
    return files


def read_files(files: dict[str, Path], kind: str) -> tuple[dict[str, Rows], list[Remark]]:
    """Rows by camera of files that one program wrote, and what is to be told of them.

    kind: names the files in remarks. Raises MotFormatError and OSError where one can't be read.
    """
    notes: list[Note] = []
    rows = {camera: read_rows(path, notes.append, beside=files.values()) for camera, path in files.items()}
    return rows, summed(Remark(f"{kind} {note.what}", note.count, note.why) for note in notes)


def track_rows(site: Site, camera: str) -> Rows:
    """MOTChallenge rows of one camera's tracks. Tracks with a single box were tentative and are left out."""
    rows = _rows(site, camera)
    ids, boxes = np.unique(rows[:, ID], return_counts=True)
    return rows[np.isin(rows[:, ID], ids[boxes > 1])]


def tracklet_rows(site: Site, camera: str) -> Rows:
    """MOTChallenge rows of one camera's tracklets."""
    return _rows(site, camera, (Kind.TRACKLET,))


def searchable_rows(site: Site, camera: str) -> Rows:
    """MOTChallenge rows of one camera's tracklets and sightings."""
    return _rows(site, camera, SEARCHABLE)


def _rows(site: Site, camera: str, kinds: Collection[Kind] = ()) -> Rows:
    """Rows `(N, 7)` of one camera, by frame and id. With kinds only those segments, by their own numbers.

    Frames are counted from 1 over all of a camera's footage in the order of time.
    """
    frames_before, offset = {}, 0
    for footage in site.footage(camera):
        frames_before[footage.id] = offset
        offset += footage.source_frames
    parts = [np.zeros((0, 7))]
    for segment in site.segments(camera):
        if kinds and segment.kind not in kinds:
            continue
        boxes = site.boxes(segment.id)
        number = segment.number if kinds else segment.track
        frames = boxes.frames + frames_before[segment.footage_id] + 1
        parts.append(to_rows(frames, np.full(segment.length, number), boxes.boxes, boxes.scores))
    rows = np.concatenate(parts)
    return rows[np.lexsort((rows[:, ID], rows[:, FRAME]))]


def frame_times(site: Site, camera: str, frames: int) -> FrameTimes | None:
    """When a camera's frames are shown, in UTC seconds, in the numbering of its rows. There are at least `frames`.

    The record has the times of frames with boxes, and when each footage began and ended. The rest lie evenly between.
    Frames beyond the footage go on at its rate. None where the site has no footage of the camera.
    """
    boxes_of: dict[int, list[Boxes]] = {}
    for segment in site.segments(camera):
        boxes_of.setdefault(segment.footage_id, []).append(site.boxes(segment.id))
    parts = []
    for footage in site.footage(camera):
        boxes, last = boxes_of.get(footage.id, []), footage.source_frames - 1
        known, first = np.unique(np.concatenate([*(b.frames for b in boxes), [0, last]]), return_index=True)
        times = np.concatenate([*(b.times for b in boxes), [footage.start, footage.start + footage.seconds]])
        parts.append(FrameTimes.lasting(np.interp(np.arange(last + 1), known, times[first])))
    begin, end = (np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in ("begin", "end"))
    if not len(begin):
        return None
    if frames > len(begin):
        beyond = end[-1] + np.arange(frames - len(begin) + 1) * (end[-1] - begin[-1])
        begin, end = np.append(begin, beyond[:-1]), np.append(end, beyond[1:])
    return FrameTimes(begin, end)


def export_rows(site: Site, out: Path, *, kind: Kind | None, who: str) -> ExportReport:
    """Writes `out/<camera>.txt` for every camera: tracks, or with a kind only tracklets. Notes that `who` did.

    Only their owner may read the files. Raises SiteError where they can't be written.
    """
    paths = {camera: out / f"{name}.txt" for camera, name in file_names(c.camera for c in site.cameras()).items()}
    check_writable(*paths.values())
    details = {"of": "tracks" if kind is None else "tracklets", "cameras": list(paths), "to": str(out)}
    site.note(AuditEntry(time.time(), who, "export", details))
    boxes = 0
    for camera, path in paths.items():
        rows = track_rows(site, camera) if kind is None else tracklet_rows(site, camera)
        write_private(path, text_of(rows))
        boxes += len(rows)
    return ExportReport([str(path) for path in paths.values()], boxes)
