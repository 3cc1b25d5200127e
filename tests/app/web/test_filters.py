"""Filters that are typed as words, and chips that take them away again."""

from __future__ import annotations

import itertools
from urllib.parse import parse_qsl, urlsplit

import pytest

from app.web.errors import Refused
from app.web.filters import Filters, parsed, with_words, word_of

READ = {
    "": [],
    "  \t ": [],
    "camera:hall": [("camera", "hall")],
    " camera:hall  camera:yard ": [("camera", "hall"), ("camera", "yard")],
    'camera:"back door"': [("camera", "back door")],
    'camera:"a \\"b\\" \\\\ c"': [("camera", 'a "b" \\ c')],
    "camera:a\\b": [("camera", "a\\b")],
    'camera:a"b': [("camera", 'a"b')],
    "camera:a:b": [("camera", "a:b")],
    'camera:"camera:x after:1"': [("camera", "camera:x after:1")],
    "after:2026-11-20T14:00 before:2026-11-20": [("after", "2026-11-20T14:00"), ("before", "2026-11-20")],
    'after:"2026-11-20 14:00"': [("after", "2026-11-20 14:00")],
}


@pytest.mark.parametrize(("words", "pairs"), list(READ.items()))
def test_words_are_read(words: str, pairs: list[tuple[str, str]]) -> None:
    assert parsed(words) == pairs


REFUSED = (
    "hall",
    "camera:hall nonsense",
    "camera:hall person:bob",
    "Camera:hall",
    "camera:",
    'camera:""',
    "camera: hall",
    'camera:"back door',
    'camera:"back"door',
    ":hall",
    '"camera":hall',
    "after:2026 after:2027",
    "camera:hall,after:2026 x",
    "<b>",
)


@pytest.mark.parametrize("words", REFUSED)
def test_other_words_are_refused_in_a_sentence(words: str) -> None:
    with pytest.raises(Refused) as told:
        parsed(words)
    assert told.value.status == 422 and ("is no filter" in told.value.title or "twice" in told.value.title)
    assert len(told.value.title) < 80 and told.value.detail.endswith(".")


def test_what_is_written_is_read_again() -> None:
    for length in (1, 2, 3):
        for letters in itertools.product('a "\\:é', repeat=length):
            name = "".join(letters)
            assert parsed(f"{word_of('camera', name)} after:2026") == [("camera", name), ("after", "2026")], name


def test_words_join_the_fields_and_their_times_count() -> None:
    fields = Filters(["hall"], "2026-11-20", "2026-11-22")
    joined = with_words(fields, "camera:yard camera:hall after:2026-11-21")
    assert joined == Filters(["hall", "yard"], "2026-11-21", "2026-11-22")
    assert with_words(fields, "") == fields


def test_each_chip_is_taken_away_by_its_address() -> None:
    narrowed = Filters(["hall", 'back "door" & co'], "2026-11-20T14:00", "")
    chips = narrowed.chips("/tracklets/5/search", {"person": 2})
    assert [word for word, _ in chips] == ["camera:hall", 'camera:"back \\"door\\" & co"', "after:2026-11-20T14:00"]
    for k, (_, address) in enumerate(chips):
        left = narrowed.pairs()
        left.pop(k)
        parts = urlsplit(address)
        assert (parts.path, parse_qsl(parts.query)) == ("/tracklets/5/search", [("person", "2"), *left])
