"""Format 4: in the record what stood in `adapt/held-back.json`, indexes for erasing, no views.

`user_version` follows for older programs: they refuse what they can't read.
"""

import json

from alembic import context, op

revision = "4"
down_revision = "3"


def upgrade() -> None:
    """Moves the split into the record and makes the indexes."""
    for view in ("tracklets", "tracks"):
        op.execute(f"DROP VIEW IF EXISTS {view}")
    op.execute(
        "CREATE TABLE splits (tracklet_id INTEGER NOT NULL REFERENCES segments (id), held INTEGER NOT NULL, "
        "PRIMARY KEY (tracklet_id)) STRICT, WITHOUT ROWID"
    )
    for table, column in (("cannot_link", "b"), ("corrections", "a"), ("corrections", "b")):
        op.execute(f"CREATE INDEX {table}_by_{column} ON {table} ({column})")
    held_back = context.config.attributes["folder"] / "adapt" / "held-back.json"
    if held_back.is_file():
        split = json.loads(held_back.read_text(encoding="utf-8"))
        held = set(split["held"])
        connection = op.get_bind()
        for tracklet in split["seen"]:
            connection.exec_driver_sql(
                "INSERT INTO splits SELECT id, ? FROM segments WHERE id = ? AND kind = 'tracklet'",
                (int(tracklet in held), tracklet),
            )
    op.execute("PRAGMA user_version = 4")
