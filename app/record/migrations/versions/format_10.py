"""Format 10: what live cameras' own clocks said has a table."""

from alembic import op

from app.record.schema import camera_clocks

revision = "10"
down_revision = "9"


def upgrade() -> None:
    """Makes the table and its index."""
    connection = op.get_bind()
    camera_clocks.create(connection)
    if connection.dialect.name != "postgresql":
        op.execute("PRAGMA user_version = 10")
