"""Format 5: checksums of rows, of weights and of embeddings, the audit as a chain of hashes, two more indexes.

What is there is taken for sound: checksums and hashes vouch for it from now on.
"""

from alembic import context, op
from sqlalchemy import Connection, Table, bindparam, delete, insert, inspect, select, update

from app.record.audit import hash_of
from app.record.checksums import COLUMN, checksum, crc32, pages
from app.record.folder_embeddings import FolderEmbeddings
from app.record.model_files import weights_digest
from app.record.schema import audit, footage, metadata, models

revision = "5"
down_revision = "4"


def upgrade() -> None:
    """Adds the columns and indexes, and fills them."""
    connection, folder = op.get_bind(), context.config.attributes["folder"]
    postgres = connection.dialect.name == "postgresql"
    whole = "BIGINT" if postgres else "INTEGER"
    op.execute("ALTER TABLE models ADD COLUMN weights_sha256 TEXT")
    op.execute(f"ALTER TABLE footage ADD COLUMN checkpoint_crc32 {whole} NOT NULL DEFAULT 0")
    for column in ("session", "hash"):
        op.execute(f"ALTER TABLE audit ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
    there = inspect(connection).get_table_names()  # others came later
    sealed = [table for table in metadata.tables.values() if COLUMN in table.columns and table.name in there]
    for table in sealed:
        op.execute(f"ALTER TABLE {table.name} ADD COLUMN {COLUMN} {whole} NOT NULL DEFAULT 0")
    for number, checkpoint in connection.execute(select(footage.c.id, footage.c.checkpoint)).fetchall():
        values = {"checkpoint_crc32": crc32(checkpoint)}
        connection.execute(update(footage).where(footage.c.id == number).values(values))
    op.execute("CREATE INDEX footage_by_fingerprint ON footage (fingerprint)")
    op.execute('CREATE INDEX segments_by_kind ON segments (kind, footage_id, camera_id, start, "end")')
    for (name,) in connection.execute(select(models.c.name)).fetchall():
        weights = {"weights_sha256": weights_digest(folder, name)}
        connection.execute(update(models).where(models.c.name == name).values(weights))
    for table in sealed:
        _seal(connection, table)
    before = ""
    for row in connection.execute(select(audit).order_by(audit.c.id)).fetchall():
        before = hash_of(row._mapping, before)
        connection.execute(update(audit).where(audit.c.id == row.id).values(hash=before))
    for store in sorted((folder / "embeddings").glob("*")):
        FolderEmbeddings(store).seal()
    if not postgres:
        op.execute("PRAGMA user_version = 5")


def _seal(connection: Connection, table: Table) -> None:
    """Gives all rows of a table their checksums."""
    key = list(table.primary_key.columns)
    setting = update(table).where(*(column == bindparam(f"its_{column.name}") for column in key))
    setting = setting.values({COLUMN: bindparam("total")})
    for rows in pages(table, lambda page: connection.execute(page).fetchall()):
        sealed = [{**row._mapping, COLUMN: checksum(table, row._mapping)} for row in rows]
        if key:
            named = [{f"its_{c.name}": row[c.name] for c in key} | {"total": row[COLUMN]} for row in sealed]
            connection.execute(setting, named)
        elif sealed:
            connection.execute(delete(table))
            connection.execute(insert(table), sealed)
