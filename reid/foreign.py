"""Text that others chose, as the names of files and cameras: how it is shown, and how files are named after it."""

from __future__ import annotations

import itertools
import os
import re
import unicodedata
from collections.abc import Iterable

NAME_BYTES = 200  # file systems stop at 255, and endings add to the name

# Controls, marks that turn the direction of text or that nobody sees, line separators and halves of characters. The
# joiners U+200C and U+200D stay, as Persian and Indian words need them.
_LATER = (
    "\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_UNSEEN = re.compile(f"[\x00-\x1f{_LATER}]")
_UNSEEN_IN_JSON = re.compile(f"[{_LATER}]")  # it has escapes of its own for the first ones, and line ends are its form


def visible(text: str) -> str:
    r"""A text in one line whose characters are all seen, as `\x1b` for an escape. None acts on a terminal."""
    return _UNSEEN.sub(lambda unseen: unseen[0].encode("unicode_escape").decode("ascii"), text)


def visible_json(text: str) -> str:
    """JSON in which each character can be seen. Its value stays the same."""
    return _UNSEEN_IN_JSON.sub(_json_escape, text)


def readable(name: str) -> str:
    """A file's name as text that can be stored. Bytes that are no UTF-8 are read as Western European ones."""
    try:
        return os.fsencode(name).decode()
    except UnicodeDecodeError:
        return os.fsencode(name).decode("cp1252", "replace")


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A file's name, without an ending, for each name.

    It can't leave its folder. No two are alike, whether or not a file system tells capitals apart. A name that can be a
    file's stays as it is, unless an earlier one has it.
    """
    taken: set[str] = set()
    files: dict[str, str] = {}
    for name in sorted(dict.fromkeys(names), key=lambda name: _plain(name) != name):
        plain = _plain(name)
        for number in itertools.count(1):
            file = plain if number == 1 else f"{plain}-{number}"
            folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", file).casefold())
            if folded not in taken:
                break
        taken.add(folded)
        files[name] = file
    return files


def _plain(name: str) -> str:
    plain = re.sub(r"[/\\]", "_", _UNSEEN.sub("_", name)).strip().lstrip(".")
    return plain.encode("utf-8")[:NAME_BYTES].decode("utf-8", "ignore").strip() or "unnamed"


def _json_escape(unseen: re.Match[str]) -> str:
    units = unseen[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
