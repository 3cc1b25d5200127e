"""Format 7: areas, cases, jobs, saved searches, settings and users have tables."""

from alembic import op

from app.record.schema import api_keys, areas, case_items, cases, jobs, searches, settings, users

revision = "7"
down_revision = "6"


def upgrade() -> None:
    """Makes the tables and their indexes."""
    connection = op.get_bind()
    for table in (areas, cases, case_items, jobs, searches, settings, users, api_keys):
        table.create(connection)
    if connection.dialect.name != "postgresql":
        op.execute("PRAGMA user_version = 7")
