"""Format 2: models, what merging found, corrections, who asked what, bytes that are still to be erased."""

from alembic import op

revision = "2"
down_revision = "1"

TABLES = """
CREATE TABLE models (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, made REAL NOT NULL, sha256 TEXT NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, summary TEXT NOT NULL, calibration TEXT,
  serving INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE UNIQUE INDEX one_model_serves ON models (serving) WHERE serving = 1;
CREATE TABLE merges (
  id INTEGER PRIMARY KEY, made REAL NOT NULL, model TEXT NOT NULL,
  settings TEXT NOT NULL, summary TEXT NOT NULL) STRICT;
CREATE TABLE members (
  merge_id INTEGER NOT NULL REFERENCES merges (id), tracklet_id INTEGER NOT NULL REFERENCES segments (id),
  trajectory INTEGER NOT NULL, identity INTEGER NOT NULL, PRIMARY KEY (merge_id, tracklet_id)) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_tracklet ON members (tracklet_id);
CREATE TABLE corrections (
  id INTEGER PRIMARY KEY, made REAL NOT NULL, who TEXT NOT NULL, kind TEXT NOT NULL,
  a INTEGER NOT NULL REFERENCES segments (id), b INTEGER NOT NULL REFERENCES segments (id)) STRICT;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, time REAL NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, details TEXT NOT NULL) STRICT;
CREATE TABLE erasures (
  tracklet_id INTEGER NOT NULL, camera_id INTEGER NOT NULL, footage_id INTEGER NOT NULL,
  shard INTEGER NOT NULL, "offset" INTEGER NOT NULL, length INTEGER NOT NULL) STRICT
"""


def upgrade() -> None:
    """Makes the tables that are new."""
    for statement in TABLES.split(";"):
        op.execute(statement)
