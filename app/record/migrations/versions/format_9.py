"""Format 9: how live cameras do has a table."""

from alembic import op

from app.record.schema import live_cameras

revision = "9"
down_revision = "8"


def upgrade() -> None:
    """Makes the table."""
    connection = op.get_bind()
    live_cameras.create(connection)
    if connection.dialect.name != "postgresql":
        op.execute("PRAGMA user_version = 9")
