"""Format 1: cameras, footage, segments, crops. Whoever has it made it before Alembic: there is nothing to run."""

revision = "1"
down_revision = None


def upgrade() -> None:
    """Never runs on a site: each has this format or a later one."""
