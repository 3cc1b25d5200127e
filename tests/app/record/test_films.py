"""The film that shows a moment: the file, or of a live camera the recording that had begun by then."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.record.films import film_of
from app.record.rows import FootageRecord

RECORD = FootageRecord(
    **dict.fromkeys(FootageRecord.__slots__, 0)
    | {"camera": "hall", "name": "a.mp4", "start": 1000.0, "seconds": 60.0, "start_source": "given"}
    | {"fingerprint": "x", "status": "done", "settings": {}, "problems": []}
)


def test_a_file_is_its_film_while_it_is_there(tmp_path: Path) -> None:
    record = replace(RECORD, path=tmp_path / "a.mp4")
    assert film_of(record) is None
    record.path.touch()
    film = film_of(record)
    assert film is not None and (film.path, film.start, film.camera) == (record.path, 1000.0, "hall")


def test_a_live_stretch_has_the_recording_that_had_begun(tmp_path: Path) -> None:
    names = ("19700101T001630.000000Z.mp4", "19700101T001700.500000Z.mp4", "19700101T002000.000000Z.mp4")
    record = replace(RECORD, path=tmp_path, start_source="camera")
    assert film_of(record) is None
    for name in names:
        (tmp_path / name).write_bytes(b"film")
    for time, name, start in ((1000.0, names[0], 990.0), (1021.0, names[1], 1020.5), (None, names[1], 1020.5)):
        film = film_of(record, time)
        assert film is not None and (film.path.name, film.start, film.size) == (name, start, 4)
    assert film_of(record, 980.0) is None
