"""Format 6: what ingest tells beside errors has a table."""

from alembic import op

from app.record.schema import remarks

revision = "6"
down_revision = "5"


def upgrade() -> None:
    """Makes the table and its index."""
    connection = op.get_bind()
    remarks.create(connection)
    if connection.dialect.name != "postgresql":
        op.execute("PRAGMA user_version = 6")
