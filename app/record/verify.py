"""Whether every row and every crop of a site is as it should be, also while others write to it.

What looks damaged is looked at once more: another process may just have changed or erased it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
from sqlalchemy import select

from app.errors import SiteError
from app.record.rows import FootageRecord, SegmentRecord
from app.record.schema import cameras, cannot_link, metadata, segments
from app.record.shards import shard_path
from app.record.site import Site
from trackers.tracklets import Kind

Row = TypeVar("Row", FootageRecord, SegmentRecord)


def damage(site: Site) -> Iterator[str]:
    """Every row and crop that is not as it should be, as a sentence each."""
    try:
        yield from _of_the_record(site)
        for record in site.footage():
            yield from _lasting(_of_footage, site, record)
        for segment in site.segments():
            yield from _lasting(_of_segment, site, segment)
    except SiteError as error:
        yield f"the record: {error}"


def _lasting(look: Callable[[Site, Row], list[str]], site: Site, row: Row) -> list[str]:
    """What is wrong with a row and still is, where the row still is there."""
    wrong = look(site, row)
    return [sentence for sentence in wrong if sentence in look(site, row)] if wrong else []


def _of_the_record(site: Site) -> Iterator[str]:
    database = site.database
    if not database.postgres:  # which checks constraints itself, and its files by its own tools
        for row in database.run("PRAGMA integrity_check"):
            if row[0] != "ok":
                yield f"the record: {row[0]}"
        for row in database.run("PRAGMA foreign_key_check"):
            yield f"the record: a row of {row[0]} names one of {row[2]} that does not exist"
    missing = [name for name in metadata.tables if not database.has(name)]
    if missing:
        yield f"the record: it has no table {', '.join(missing)}"
        return
    a, b = segments.alias("a"), segments.alias("b")
    apart = (a.c.footage_id != b.c.footage_id) | (a.c.start > b.c.end) | (b.c.start > a.c.end)
    pairs = (
        select(cameras.c.name, a.c.number, b.c.number)
        .select_from(cannot_link)
        .join(a, a.c.id == cannot_link.c.a)
        .join(b, b.c.id == cannot_link.c.b)
        .join(cameras, cameras.c.id == a.c.camera_id)
        .where((a.c.kind != str(Kind.TRACKLET)) | (b.c.kind != str(Kind.TRACKLET)) | apart)
    )
    for camera, first, second in database.all(pairs):
        yield f"camera {camera}: tracklets {first} and {second} cannot be linked, but were not seen together"


def _of_footage(site: Site, row: FootageRecord) -> list[str]:
    now = site.footage_record(row.id)
    path = shard_path(site.crop_folder(now.camera_id), now.id, now.shard)
    size = path.stat().st_size if path.exists() else 0
    return [f"{path} holds {size:,} bytes of {now.shard_bytes:,} that were committed"] if size < now.shard_bytes else []


def _of_segment(site: Site, row: SegmentRecord) -> list[str]:
    name = f"{row.kind} {row.number} of camera {row.camera}"
    wrong = []
    try:
        frames = site.boxes(row.id).frames
        if len(frames) != row.length or (np.diff(frames) <= 0).any():
            wrong.append(f"{name}: its boxes do not fit its row")
    except ValueError:
        wrong.append(f"{name}: its boxes are damaged")
    except LookupError:  # erased since
        return []
    crops = site.crops(row.id)
    if bool(crops) != (row.kind == Kind.TRACKLET):
        wrong.append(f"{name} has {len(crops)} crops")
    for crop in crops:
        try:
            jpeg = site.crop_jpeg(crop)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
            continue
        if not (jpeg.startswith(b"\xff\xd8") and jpeg.endswith(b"\xff\xd9")):
            wrong.append(f"{name}: crop {crop.number} is no JPEG")
    return wrong
