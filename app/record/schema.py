"""The tables of a site's record, the same in SQLite and PostgreSQL.

A track and a segment are numbered from 1 within their camera. A segment's id is `camera id · 2³² + number`, so ids do
not depend on which camera was faster. Other rows get the next free number.

Each row has a checksum of all its other columns, see `app.record.checksums`. Those of the audit have a hash instead,
see `app.record.audit`.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite

FORMAT = "11"  # Alembic's name of the newest format, see `migrations`

# SQLite's strict tables know four types. PostgreSQL's INTEGER would be too short for ids.
Whole = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
Real: Double = Double().with_variant(sqlite.REAL(), "sqlite")

metadata = MetaData()
_ZERO: dict[str, Any] = {"server_default": text("0")}
_EMPTY: dict[str, Any] = {"server_default": text("''")}


def _table(name: str, *parts: Column | UniqueConstraint | Index, rowid: bool = True, checksum: bool = True) -> Table:
    last = (_whole("checksum", **_ZERO),) if checksum else ()
    return Table(name, metadata, *parts, *last, sqlite_strict=True, sqlite_with_rowid=rowid)


def _whole(name: str, **options: Any) -> Column:
    return Column(name, Whole, nullable=False, **options)


def _real(name: str) -> Column:
    return Column(name, Real, nullable=False)


def _text(name: str, **options: Any) -> Column:
    return Column(name, Text, nullable=False, **options)


def _of(name: str, table: str, **options: Any) -> Column:
    """A column that names a row of another table."""
    return Column(name, Whole, ForeignKey(f"{table}.id"), nullable=False, **options)


cameras = _table(
    "cameras",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name", unique=True),
    Column("time_zone", Text),
    _text("mask"),  # JSON
    Column("min_height", Real),
    _whole("last_track", **_ZERO),  # the largest numbers given to what was erased: nobody else gets them
    _whole("last_segment", **_ZERO),
)
footage = _table(
    "footage",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("camera_id", "cameras"),
    _text("name"),
    _text("path"),
    _whole("size"),
    _text("fingerprint"),
    _real("start"),  # UTC seconds, as all times
    _text("start_source"),
    _text("status", server_default=text("'new'")),
    Column("settings", Text),  # JSON
    _whole("first_track", server_default=text("1")),
    _whole("first_segment", server_default=text("1")),
    _whole("source_frames", **_ZERO),
    _whole("frames", **_ZERO),
    _whole("detections", **_ZERO),
    Column("seconds", Real, nullable=False, **_ZERO),
    _whole("shard", **_ZERO),
    _whole("shard_bytes", **_ZERO),
    Column("checkpoint", LargeBinary),
    _text("problems", server_default=text("'[]'")),  # JSON
    _whole("checkpoint_crc32", **_ZERO),
    UniqueConstraint("camera_id", "name"),
    Index("footage_by_fingerprint", "fingerprint"),
)
outages = _table(  # when a live camera was not to be had
    "outages",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("camera_id", "cameras"),
    _real("start"),
    Column("end", Real),  # None while it lasts
    _text("reason"),
    Index("outages_by_camera", "camera_id", "start"),
)
live_cameras = _table(  # how cameras that are followed do. Their watcher writes it anew every few seconds
    "live_cameras",
    _of("id", "cameras", primary_key=True, autoincrement=False),
    _real("written"),
    _real("since"),  # when it began to be followed
    _whole("frames"),
    _whole("skipped"),
    _real("rate"),  # frames a second that are followed
    _real("offered"),  # that the camera offers
    _whole("outages"),
    _text("away"),  # why it is not to be had, empty where it is
    Column("away_since", Real),
    Column("latest", Real),  # when its last frame was taken
    Column("ahead", Real),  # s by which its clock is ahead
    Column("drift", Real),  # s a day by which its stamps run fast
    _whole("width"),
    _whole("height"),
    _text("decoder"),
    _text("unrecorded"),  # why its film isn't recorded, empty where it is or need not be
)
camera_clocks = _table(  # what live cameras' own clocks said beside this machine's
    "camera_clocks",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("camera_id", "cameras"),
    _real("time"),  # by this machine's clock
    _real("ahead"),  # s by which the camera's was ahead
    Column("drift", Real),  # s a day by which its stamps ran fast
    Index("camera_clocks_by_camera", "camera_id", "time"),
)
remarks = _table(  # what ingest told beside errors: of a footage, or of a folder that it looked through
    "remarks",
    _whole("footage_id"),  # 0 where it is of a folder
    _text("folder"),
    _text("what"),
    _whole("count"),
    _text("why"),
    Index("remarks_by_footage", "footage_id"),
)
segments = _table(
    "segments",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("camera_id", "cameras"),
    _of("footage_id", "footage"),
    _whole("number"),
    _whole("track"),
    _text("kind"),
    _text("cut"),
    _real("start"),
    _real("end"),
    _whole("length"),  # boxes
    _real("height"),  # px
    Column("boxes", LargeBinary, nullable=False),
    Index("segments_by_track", "camera_id", "track"),
    Index("segments_by_footage", "footage_id"),
    # A row is a kilobyte, for its boxes. This has what lists of tracklets need, in a thirtieth of that.
    Index("segments_by_kind", "kind", "footage_id", "camera_id", "start", "end"),
)
crops = _table(
    "crops",
    _of("tracklet_id", "segments", primary_key=True, autoincrement=False),
    _whole("number", primary_key=True, autoincrement=False),
    _whole("frame"),
    _real("time"),
    *(_real(name) for name in ("x1", "y1", "x2", "y2", "score", "overlap", "border", "sharpness", "height_ratio")),
    *(_whole(name) for name in ("shard", "offset", "length", "crc32")),
    rowid=False,
)
cannot_link = _table(
    "cannot_link",
    _of("a", "segments", primary_key=True, autoincrement=False),
    _of("b", "segments", primary_key=True, autoincrement=False),
    Index("cannot_link_by_b", "b"),
    rowid=False,
)
splits = _table(  # tracklets that adapting has divided: those held back judge, and no version learns from them
    "splits",
    _of("tracklet_id", "segments", primary_key=True, autoincrement=False),
    _whole("held"),
    rowid=False,
)
models = _table(
    "models",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name", unique=True),
    _real("made"),
    _text("sha256"),
    _text("status"),
    _text("reason"),
    _text("summary"),  # JSON
    Column("calibration", Text),  # JSON
    _whole("serving", **_ZERO),
    Column("weights_sha256", Text),  # None where there were none, or nobody looked
)
Index(
    "one_model_serves",
    models.c.serving,
    unique=True,
    sqlite_where=models.c.serving == 1,
    postgresql_where=models.c.serving == 1,
)
merges = _table(
    "merges",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _real("made"),
    _text("model"),
    _text("settings"),  # JSON
    _text("summary"),  # JSON
)
members = _table(
    "members",
    _of("merge_id", "merges", primary_key=True, autoincrement=False),
    _of("tracklet_id", "segments", primary_key=True, autoincrement=False),
    _whole("trajectory"),
    _whole("identity"),
    Index("members_by_tracklet", "tracklet_id"),
    rowid=False,
)
corrections = _table(
    "corrections",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _real("made"),
    _text("who"),
    _text("kind"),
    _of("a", "segments"),
    _of("b", "segments"),
    Index("corrections_by_a", "a"),
    Index("corrections_by_b", "b"),
)
areas = _table(  # drawn on a camera's picture
    "areas",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("camera_id", "cameras"),
    _text("kind"),  # zone, line or mask
    _text("name"),
    _text("points"),  # JSON: x, y in shares of the picture
    UniqueConstraint("camera_id", "name"),
)
cases = _table(  # what somebody collects who looks for a person
    "cases",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name"),
    _text("note"),
    _text("who"),
    _real("made"),
    Column("closed", Real),  # None while it is open
)
case_items = _table(
    "case_items",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("case_id", "cases"),
    _of("tracklet_id", "segments"),
    _text("note"),
    _text("who"),
    _real("made"),
    UniqueConstraint("case_id", "tracklet_id"),
    Index("case_items_by_tracklet", "tracklet_id"),
)
jobs = _table(  # work that was asked for by a page or a program
    "jobs",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("kind"),
    _text("options"),  # JSON
    _text("who"),
    _text("session"),  # where `who` sat
    _text("status"),
    _real("made"),
    Column("started", Real),
    Column("ended", Real),
    Column("report", Text),  # JSON, of what is done
    _text("problem", **_EMPTY),  # why it failed, a sentence
)
searches = _table(  # that are kept, to be asked again or to alert
    "searches",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name", unique=True),
    _text("who"),
    _real("made"),
    Column("tracklet_id", Whole, ForeignKey("segments.id")),  # whom it searches, or…
    Column("picture", LargeBinary),  # …a JPEG of them
    _text("filters"),  # JSON
    Column("alert_from", Real),  # the probability from which a match alerts, None where none does
    _text("told"),  # JSON: up to which number each camera's segments were looked at
    Index("searches_by_tracklet", "tracklet_id"),
)
settings = _table(  # of the site
    "settings",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name", unique=True),
    _text("value"),  # JSON
)
users = _table(  # who may sign in
    "users",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _text("name", unique=True),
    _text("password"),  # an Argon2 hash
    _text("role"),
    Column("cameras", Text),  # JSON: names of those that they may see, None for all
    _real("made"),
)
api_keys = _table(  # of users, for programs
    "api_keys",
    Column("id", Whole, primary_key=True, autoincrement=False),
    _of("user_id", "users"),
    _text("name"),
    _text("digest", unique=True),  # SHA-256
    _text("scopes"),  # JSON
    _real("made"),
    UniqueConstraint("user_id", "name"),
)
audit = _table(
    "audit",
    Column("id", Whole, primary_key=True),
    _real("time"),
    _text("who"),
    _text("action"),
    _text("details"),  # JSON
    _text("session", **_EMPTY),  # where `who` sat
    _text("hash", **_EMPTY),  # SHA-256 of this row and of the hash before
    checksum=False,
)
erasures = _table(  # what has left the record, and of which bytes may still be on the disk
    "erasures",
    *(_whole(name) for name in ("tracklet_id", "camera_id", "footage_id", "shard", "offset", "length")),
)
