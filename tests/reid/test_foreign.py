"""Foreign text: all of it can be seen, none of it acts, and files named after it stay apart and in their folder."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path

import pytest

from reid import command
from reid.foreign import NAME_BYTES, file_names, visible, visible_json

HOSTILE = (
    "[red]hall[/red]",
    "\x1b]8;;http://example.org\x1b\\click\x1b]8;;\x1b\\",
    "\u202egnp.exe\u202c",
    "hall\nError: all is erased",
    "../../evil",
    "..",
    "nul\x00l",
    "long" * 500,
    os.fsdecode(b"Caf\xe9"),
    "\x9b31m",
    "Hall",
    "hall",
    "",
)


def test_each_character_is_seen() -> None:
    assert visible("hall\n\x1b[31m") == r"hall\n\x1b[31m"
    assert visible("\u202e\u2066\ufeff\x7f\x9b") == r"\u202e\u2066\ufeff\x7f\x9b"
    assert visible(os.fsdecode(b"Caf\xe9")) == r"Caf\udce9"
    assert visible("Café Zürich 東京 می‌خواهم 👩‍👧") == "Café Zürich 東京 می‌خواهم 👩‍👧"
    assert all(visible(visible(name)) == visible(name) for name in HOSTILE)


def test_nothing_that_turns_or_ends_a_line_is_left() -> None:
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        if unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(letter) in turning:
            assert visible(letter) != letter, hex(code)


def test_json_stays_the_same_value() -> None:
    value = {name: [name, "\U000e0041"] for name in HOSTILE}
    text = visible_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert all(visible(line) == line for line in text.split("\n"))


def test_files_stay_in_their_folder_and_apart(tmp_path: Path) -> None:
    names = file_names(HOSTILE)
    assert set(names) == set(HOSTILE) and len({name.casefold() for name in names.values()}) == len(HOSTILE)
    assert names["Hall"] == "Hall" and names["hall"] == "hall-2"
    assert names["../../evil"] == "_.._evil" and names[".."] == "unnamed"
    for name in names.values():
        assert (tmp_path / f"{name}.mp4").resolve().parent == tmp_path.resolve()
        assert visible(name) == name and len(name.encode()) <= NAME_BYTES + 3
        (tmp_path / f"{name}.mp4").write_bytes(b"")


def test_a_name_that_can_stay_does(tmp_path: Path) -> None:
    assert file_names(["a/b", "a_b"]) == {"a_b": "a_b", "a/b": "a_b-2"}
    assert file_names(["é", "e\u0301"]) == {"é": "é", "e\u0301": "e\u0301-2"}  # one file on some disks


@pytest.mark.parametrize("name", HOSTILE)
def test_a_console_shows_one_line_without_markup(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command.output.print(name, markup=True)
    assert capsys.readouterr().out == f"{visible(name)}\n"
