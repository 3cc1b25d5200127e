"""Format 11: in PostgreSQL, embeddings are a table. SQLite's stay files."""

from alembic import op

from app.record import vectors

revision = "11"
down_revision = "10"


def upgrade() -> None:
    """Makes the tables. What was in files is taken over by who opens the site to write."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        vectors.create(connection)
    else:
        op.execute("PRAGMA user_version = 11")
