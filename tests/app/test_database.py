"""What is a site, what is not, and who may write to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.database import FILE, LOCK, VERSION, Database, SiteError
from app.record import Site

SCHEMA = (
    """
CREATE TABLE things (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE) STRICT;
-- a comment; with a semicolon
CREATE VIEW names AS SELECT name FROM things;
""",
    "CREATE TABLE later (id INTEGER PRIMARY KEY);\n",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Database.open_for_writing(tmp_path / "site", SCHEMA).close()
    return tmp_path / "site"


def test_a_new_site_is_made_with_its_parents(tmp_path: Path) -> None:
    database = Database.open_for_writing(tmp_path / "a" / "b", SCHEMA)
    database.execute("INSERT INTO things (name) VALUES (?)", "one")
    database.close()
    reader = Database.open(tmp_path / "a" / "b")
    assert [row["name"] for row in reader.all("SELECT * FROM names")] == ["one"]
    reader.close()


def test_a_site_is_for_the_owners_eyes_only(folder: Path) -> None:
    assert folder.stat().st_mode & 0o077 == 0


def test_it_is_durable_and_forgets_what_is_deleted(folder: Path) -> None:
    with closing(Database.open_for_writing(folder, SCHEMA)) as database:
        pragmas = {
            name: database.one(f"PRAGMA {name}")[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


def test_where_there_is_no_site_none_is_read(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match=r"There is no site at .*/nowhere .*app\.ingest.*--site"):
        Database.open(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file")
    with pytest.raises(SiteError, match="is a file, not a site folder"):
        Database.open_for_writing(tmp_path / "site", SCHEMA)
    with pytest.raises(SiteError, match="There is no site"):
        Database.open(tmp_path / "site")
    assert (tmp_path / "site").read_text() == "a file"


def test_a_folder_below_a_file_is_no_site(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with pytest.raises(SiteError, match="can't be written"):
        Database.open_for_writing(tmp_path / "file" / "site", SCHEMA)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"picture")
    with pytest.raises(SiteError, match="holds other files and is no site"):
        Database.open_for_writing(tmp_path, SCHEMA)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_an_empty_folder_becomes_a_site(tmp_path: Path) -> None:
    Database.open_for_writing(tmp_path, SCHEMA).close()
    assert {FILE, LOCK} <= {path.name for path in tmp_path.iterdir()}


def test_a_database_of_another_program_is_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.executescript("CREATE TABLE recipes (name TEXT); PRAGMA user_version = 1")
    for opening in (lambda: Database.open(tmp_path), lambda: Database.open_for_writing(tmp_path, SCHEMA)):
        with pytest.raises(SiteError, match=r"site\.db was not made by Sightline"):
            opening()
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["recipes"]


def test_a_database_of_another_program_without_a_version_is_not_touched(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(SiteError, match=r"site\.db was not made by Sightline"):
        Database.open_for_writing(tmp_path, SCHEMA)
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        assert [row[0] for row in other.execute("SELECT name FROM sqlite_master")] == ["recipes"]


def test_something_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is not a database at all, but it is long enough to be looked at" * 40)
    with pytest.raises(SiteError, match="can't be read"):
        Database.open(tmp_path)
    with pytest.raises(SiteError, match=r"site\.db is damaged \(file is not a database\)"):
        Database.open_for_writing(tmp_path, SCHEMA)


def test_a_newer_format_is_refused_with_what_to_do(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for opening in (lambda: Database.open(folder), lambda: Database.open_for_writing(folder, SCHEMA)):
        with pytest.raises(SiteError, match=f"has format {VERSION + 1}, this program reads {VERSION}: use the version"):
            opening()


def test_one_process_writes_at_a_time_and_others_may_read(folder: Path) -> None:
    first = Database.open_for_writing(folder, SCHEMA)
    with pytest.raises(SiteError, match="Another process is writing to the site"):
        Database.open_for_writing(folder, SCHEMA)
    with closing(Database.open(folder)) as reader:
        with first.transaction():
            first.execute("INSERT INTO things (name) VALUES ('new')")
            assert reader.one("SELECT count(*) FROM things")[0] == 0
        assert reader.one("SELECT count(*) FROM things")[0] == 1
    first.close()
    Database.open_for_writing(folder, SCHEMA).close()


def test_a_refused_opening_gives_the_lock_back(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(SiteError):
        Database.open_for_writing(folder, SCHEMA)
    with closing(sqlite3.connect(folder / FILE)) as database:
        database.execute(f"PRAGMA user_version = {VERSION}")
    Database.open_for_writing(folder, SCHEMA).close()


def test_a_reader_cannot_write(folder: Path) -> None:
    with closing(Database.open(folder)) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("INSERT INTO things (name) VALUES ('new')")


def test_damage_is_told_as_such(folder: Path) -> None:
    with closing(Database.open_for_writing(folder, SCHEMA)) as database:
        (page,) = database.one("SELECT rootpage FROM sqlite_master WHERE name = 'things'")
        (size,) = database.one("PRAGMA page_size")
    with (folder / FILE).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * 100)
    with closing(Database.open(folder)) as reader, pytest.raises(SiteError, match=r"site\.db is damaged .*backup"):
        reader.all("SELECT * FROM things")


def interrupted(database: Database) -> None:
    with database.transaction():
        database.execute("INSERT INTO things (name) VALUES ('two')")
        raise KeyboardInterrupt


def test_a_transaction_is_whole_or_not_at_all(folder: Path) -> None:
    with closing(Database.open_for_writing(folder, SCHEMA)) as database:
        with pytest.raises(sqlite3.IntegrityError), database.transaction():
            database.execute_many("INSERT INTO things (name) VALUES (?)", [("one",), ("one",)])
        with pytest.raises(KeyboardInterrupt):
            interrupted(database)
        assert database.all("SELECT * FROM things") == []
        with database.transaction():
            database.execute_many("INSERT INTO things (name) VALUES (?)", [("three",), ("four",)])
        assert [row["name"] for row in database.all("SELECT name FROM things ORDER BY id")] == ["three", "four"]


def test_a_schema_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="can't be written"):
        Database.open_for_writing(tmp_path / "site", (*SCHEMA, "CREATE TABLE things (id INTEGER);\n"))
    with closing(Database.open_for_writing(tmp_path / "site", SCHEMA)) as database:
        assert database.one("SELECT count(*) FROM things")[0] == 0


def test_a_site_opens_through_the_same_door(tmp_path: Path) -> None:
    with Site.open_for_writing(tmp_path / "site") as site:
        assert site.cameras() == [] and site.footage() == []
        with pytest.raises(SiteError, match="Another process"):
            Site.open_for_writing(tmp_path / "site")
    with Site.open(tmp_path / "site") as site:
        assert list(site.verify()) == []


def test_a_site_that_was_never_begun_is_told_from_one_of_others(tmp_path: Path) -> None:
    """Killed before the first commit: an empty database file."""
    (tmp_path / FILE).touch()
    with pytest.raises(SiteError, match="was never begun"):
        Database.open(tmp_path)
    Database.open_for_writing(tmp_path, SCHEMA).close()
    Database.open(tmp_path).close()


def test_a_site_of_an_older_format_gets_what_it_lacks_when_it_is_opened_to_write(tmp_path: Path) -> None:
    with closing(Database.open_for_writing(tmp_path, (SCHEMA[0],))) as database:
        database.execute("INSERT INTO things (name) VALUES ('kept')")
        database.execute("PRAGMA user_version = 1")
    with pytest.raises(SiteError, match=r"has format 1.*brings it up to date"):
        Database.open(tmp_path)
    with closing(Database.open_for_writing(tmp_path, SCHEMA)) as database:
        assert database.one("SELECT name FROM things")[0] == "kept"
        assert database.one("SELECT count(*) FROM later")[0] == 0
    Database.open(tmp_path).close()


def test_rows_can_be_added_beside_a_writer(tmp_path: Path) -> None:
    with closing(Database.open_for_writing(tmp_path, SCHEMA)) as writer:
        with closing(Database.open(tmp_path, append=True)) as other, other.transaction():
            other.execute("INSERT INTO things (name) VALUES ('note')")
        assert writer.one("SELECT name FROM things")[0] == "note"
