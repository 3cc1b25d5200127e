"""Format 8: outages of live cameras have a table."""

from alembic import op

from app.record.schema import outages

revision = "8"
down_revision = "7"


def upgrade() -> None:
    """Makes the table and its index."""
    connection = op.get_bind()
    outages.create(connection)
    if connection.dialect.name != "postgresql":
        op.execute("PRAGMA user_version = 8")
