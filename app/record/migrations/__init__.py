"""From each format of the record to the next, by Alembic: a file a format in `versions`.

Formats 1 to 3 were SQLite's alone and stand in its `user_version`. From 4 on, Alembic's own table names the format, in
both dialects. A new record is made at once in the newest format. A test holds that both ways end in the same tables.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from app.record.schema import metadata
from app.record.vectors import is_ours

if TYPE_CHECKING:  # only who makes or upgrades a record waits for its import
    from alembic.config import Config
    from alembic.script import ScriptDirectory


def stamp(connection: Connection, revision: str) -> None:
    """Says that a record has a format."""
    from alembic.migration import MigrationContext

    MigrationContext.configure(connection).stamp(_scripts(), revision)


def upgrade(connection: Connection, folder: Path) -> None:
    """Brings a record to the newest format, in the caller's transaction. `folder`: of the site."""
    from alembic.runtime.environment import EnvironmentContext

    scripts = _scripts()
    newest = scripts.get_current_head()
    assert newest is not None
    config = _config()
    config.attributes |= {"connection": connection, "folder": folder}
    with EnvironmentContext(config, scripts, fn=lambda current, _: scripts._upgrade_revs(newest, current)):
        scripts.run_env()


def differences(connection: Connection) -> list[str]:
    """What of a record's tables is not as the schema says."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"compare_type": True, "include_name": _is_of_both}
    changes = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    flat = [change[0] if isinstance(change, list) else change for change in changes]
    # SQLite never lets a row's own number be missing, said or not.
    return [_said(change) for change in flat if change[0] != "modify_nullable" or change[3] != "id"]


def _is_of_both(name: str | None, kind: str, _: Any) -> bool:
    """PostgreSQL's vectors are no part of the schema, which both dialects have."""
    return kind != "table" or name is None or not is_ours(name)


def _said(change: tuple[Any, ...]) -> str:
    return " ".join(str(part) for part in change[:4] if isinstance(part, str) or hasattr(part, "name"))


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
