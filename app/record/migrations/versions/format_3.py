"""Format 3: the largest numbers that a camera has given to what was forgotten, which nobody else gets."""

from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Adds the two columns to the cameras."""
    for column in ("last_track", "last_segment"):
        op.execute(f"ALTER TABLE cameras ADD COLUMN {column} INTEGER NOT NULL DEFAULT 0")
