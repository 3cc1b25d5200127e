"""What a search is narrowed to, and which time is counted, as an address has it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Query

from app.movement.flow import Interval
from app.movement.flow import Wish as FlowWish
from app.search.searcher import Wish
from app.web.errors import Refused
from app.web.visit import Visit

LONGEST = 1000  # characters of words
_WORD = re.compile(r'\s*([^\s:"]*):("(?:[^"\\]|\\.)*"(?=\s|$)|[^\s"]\S*)')
_PLAIN = re.compile(r'[^\s"\\]+')
_HINT = 'Write camera:NAME, camera:"A NAME WITH SPACES", after:2026-11-20T14:30 or before:2026-11-20T15:00.'


@dataclass(frozen=True, slots=True)
class Filters:
    """Cameras and times."""

    camera: list[str]
    after: str
    before: str

    def wish(self, here: Visit, top: int = 20) -> Wish:
        """For a visitor's search. Raises Refused where a time is none, or for a camera that is not there."""
        cameras = here.searched_cameras(self.camera)
        return Wish(cameras, time_of(self.after, "after"), time_of(self.before, "before"), top=top)

    def pairs(self) -> list[tuple[str, str]]:
        """Each filter's name and what it holds, as an address has them."""
        times = (("after", self.after), ("before", self.before))
        return [("camera", name) for name in self.camera] + [(name, text) for name, text in times if text]

    def chips(self, address: str, kept: Mapping[str, object]) -> list[tuple[str, str]]:
        """Each filter as a word, and the address of the same search without it. kept: what else that address has."""
        pairs = self.pairs()
        return [
            (word_of(name, text), f"{address}?{urlencode([*kept.items(), *pairs[:k], *pairs[k + 1 :]])}")
            for k, (name, text) in enumerate(pairs)
        ]


def filters(
    camera: Annotated[list[str] | None, Query(description="Only these cameras.")] = None,
    after: Annotated[str, Query(max_length=40, description="Only from this time on, ISO 8601, UTC.")] = "",
    before: Annotated[str, Query(max_length=40, description="Only before this time.")] = "",
    words: Annotated[str, Query(max_length=LONGEST, description="The same as words: `camera:hall after:…`.")] = "",
) -> Filters:
    """The filters of an address. Raises Refused for words that are no filters."""
    return with_words(Filters(list(dict.fromkeys(name for name in camera or [] if name)), after, before), words)


def with_words(narrowed: Filters, words: str) -> Filters:
    """Filters, and those that somebody typed: their times count. Raises Refused for what is none."""
    typed = parsed(words)
    cameras = [*narrowed.camera, *(text for name, text in typed if name == "camera")]
    times = {name: text for name, text in typed if name != "camera"}
    return Filters(
        list(dict.fromkeys(cameras)), times.get("after", narrowed.after), times.get("before", narrowed.before)
    )


def parsed(words: str) -> list[tuple[str, str]]:
    """Words such as `camera:hall camera:"back door" after:2026-11-20T14:30`, as names and what they hold.

    Between quotes, a backslash stands before a quote or a backslash. Raises Refused for anything else, in a sentence.
    """
    pairs: list[tuple[str, str]] = []
    words = words.rstrip()
    at = 0
    while at < len(words):
        found = _WORD.match(words, at)
        if found is None:
            raise _no_filter(words[at:].split()[0])
        name, text = found[1], found[2]
        if name not in ("camera", "after", "before"):
            raise _no_filter(f"{name}:{text}")
        if name != "camera" and name in dict(pairs):
            raise Refused(422, f"{name}: stands there twice", "Only one time can count: take the other away.")
        pairs.append((name, re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text))
        if not pairs[-1][1]:
            raise _no_filter(f"{name}:{text}")
        at = found.end()
    return pairs


def word_of(name: str, text: str) -> str:
    """A filter as `parsed` reads it."""
    if _PLAIN.fullmatch(text):
        return f"{name}:{text}"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}:"{escaped}"'


def _no_filter(word: str) -> Refused:
    shown = word if len(word) <= 40 else f"{word[:40]}…"
    return Refused(422, f"{shown} is no filter", _HINT)


def counted(
    after: Annotated[str, Query(max_length=40, description="From this time on, ISO 8601, UTC.")] = "",
    before: Annotated[str, Query(max_length=40, description="Before this time.")] = "",
    by: Interval = Interval.whole,
) -> FlowWish:
    """Which time an address asks to count. Raises Refused where a time is none."""
    return FlowWish(time_of(after, "after"), time_of(before, "before"), by)


def time_of(text: str, name: str) -> float | None:
    """UTC seconds of an ISO 8601 time, which is UTC unless it has an offset. Raises Refused where it is none."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        seconds = (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refused(422, f"{name} is no time", "Write it like 2026-11-20T14:30:05.") from error
    if not math.isfinite(seconds):
        raise Refused(422, f"{name} is no time", "Write it like 2026-11-20T14:30:05.")
    return seconds
