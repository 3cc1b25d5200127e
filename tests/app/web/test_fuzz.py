"""No request that the API's description allows, and none that it does not, makes the server break its word."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.web.application import described
from app.web.errors import PROBLEM_TYPE
from app.web.routes import PROBLEMS, SAFE
from tests.app.web.conftest import Served

pytest.importorskip("schemathesis", reason="the API is fuzzed with schemathesis")

SECONDS = 40.0


def test_every_route_of_the_api_tells_of_its_errors(served: Served) -> None:
    schema = described(served.application)
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    assert set(schema["components"]["schemas"]["Problem"]["required"]) == {"status", "title", "detail"}
    for path, methods in schema["paths"].items():
        for method, route in methods.items():
            if not path.startswith("/api/"):
                continue
            told = {int(code): answer for code, answer in route["responses"].items() if int(code) >= 400}
            assert set(PROBLEMS) <= set(told), path
            assert (400 in told) == (method.upper() not in SAFE), path
            assert all(answer["content"][PROBLEM_TYPE] == problem for answer in told.values()), path


def test_nothing_that_is_sent_breaks_the_api(tmp_path: Path) -> None:
    from tests.app.web.fuzz import fuzzed_site

    with fuzzed_site(tmp_path) as fuzz:
        fuzz.run(seed=23, examples=8, until=time.monotonic() + SECONDS)
        assert not fuzz.failures, "\n".join(f"{failure}: {again}" for failure, again in fuzz.failures.items())
        asked = {route.partition(" ")[2] for route in fuzz.statuses}
        assert asked == set(described(fuzz.application)["paths"])
        reached = {route for route, statuses in fuzz.statuses.items() if any(status < 300 for status in statuses)}
        assert len(reached) > len(fuzz.statuses) / 2  # else it would only see refusals
