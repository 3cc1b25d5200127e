"""Pages from the templates beside this file. Whatever text goes in is escaped."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from app.search.matches import percent
from reid.foreign import visible

if TYPE_CHECKING:
    import jinja2

_LEVEL_EDGES = (0, 20, 40, 60, 80, 100)  # percent, where a probability changes its colour


def render(template: str, *, room: str = "app.report", **values: object) -> str:
    """One page as HTML.

    Args:
        template: a file in the room's `templates/`, or in those beside this file.
        room: a package.
        values: all that the template names. A missing one raises jinja2.UndefinedError.
    """
    return _environment(room).get_template(template).render(**values)


@cache
def _environment(room: str) -> jinja2.Environment:
    import jinja2  # 75 ms, for which only who writes a page should wait

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name) for name in dict.fromkeys((room, "app.report"))]),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count_of": count_of,
        "data_uri": data_uri,
        "decimals": decimals,
        "duration": duration,
        "duration_of": duration_of,
        "in_address": in_address,
        "iso": iso,
        "level": level,
        "percent": percent,
        "svg_uri": svg_uri,
        "utc": utc,
    }
    environment.globals["level_ranges"] = list(itertools.pairwise(_LEVEL_EDGES))
    return environment


def _printable(value: object) -> object:
    """Text whose controls can be seen, as HTML forbids most. Markup was made of such text and stays."""
    return visible(value) if type(value) is str else value


def count_of(number: int, noun: str) -> str:
    """A number and what is counted, as `1 stop` or `1,234 tracklets`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def data_uri(jpeg: bytes) -> str:
    """A picture as an address that holds the picture itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def decimals(number: float, places: int) -> str:
    """A number with this many decimal places."""
    return f"{number:.{places}f}"


def duration(seconds: float) -> str:
    """A length of time, as `0.4 s`, `90 s`, `5 min`, `3 h 20 min` or `2.5 days`."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 2880 else f"{minutes / 1440:.1f} days"


def duration_of(seconds: float) -> str:
    """As `duration`, also of less than nothing."""
    return duration(seconds) if seconds >= 0 else f"-{duration(-seconds)}"


def in_address(name: str) -> str:
    """A name as one part of an address, encoded twice: servers take `%2F` for a slash, and browsers take `..` away."""
    once = quote(name, safe="")
    return quote(once.replace(".", "%2E") if not once.strip(".") else once, safe="")


def svg_uri(svg: bytes) -> str:
    """A drawing as an address that holds the drawing itself."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def level(probability: float) -> int:
    """Which of the five colours a probability has, from 0."""
    return sum(100 * probability >= edge for edge in _LEVEL_EDGES[1:-1])


def utc(time: float, style: str) -> str:
    """A time in UTC seconds, written as `strftime` has it."""
    return f"{datetime.fromtimestamp(time, UTC):{style}}"


def iso(time: float) -> str:
    """A time in UTC seconds, as `2026-11-21T12:00:00Z`."""
    return utc(time, "%Y-%m-%dT%H:%M:%SZ")
