"""Templates: what goes in is escaped, what is missing is an error, and times and counts are words."""

from __future__ import annotations

import tomllib
from pathlib import Path

import jinja2
import pytest

from app.report.pages import count_of, data_uri, duration, iso, level, render
from tests.app.query_views import NOON

ROOT = Path(__file__).parents[3]


def test_an_installation_has_all_templates() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    folder = ROOT / "app" / "report"
    installed = {path for pattern in tools["setuptools"]["package-data"]["app.report"] for path in folder.glob(pattern)}
    assert installed == set((folder / "templates").iterdir())


def test_a_page_that_lacks_a_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="'view' is undefined"):
        render("query.html")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (0.5, "0.5 s"),
        (90, "90 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7100, "118 min"),
        (7200, "2 h 0 min"),
        (90_000, "25 h 0 min"),
        (172_800, "2.0 days"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert [count_of(number, "stop") for number in (0, 1, 2, 1234)] == ["0 stops", "1 stop", "2 stops", "1,234 stops"]


def test_levels() -> None:
    probabilities = (0, 0.19, 0.2, 0.4, 0.59, 0.6, 0.79, 0.8, 1)
    assert [level(probability) for probability in probabilities] == [0, 0, 1, 2, 2, 3, 3, 4, 4]


def test_times_and_pictures() -> None:
    assert iso(NOON + 0.9) == "2026-11-21T12:00:00Z"
    assert data_uri(b"\xff\xd8\xff") == "data:image/jpeg;base64,/9j/"
