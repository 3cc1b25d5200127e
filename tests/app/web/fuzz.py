"""The API attacked from its own description: with what it says that it takes, and with what it does not.

Half of the numbers, names and files that a request carries are ones that earlier answers or the caller gave. So
requests also reach what is there, and not just "there is no such thing".
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok

from app.record import Site
from app.record.users import SCOPES, Role, Users
from app.search.merging import merge
from app.web.access import Access
from app.web.application import described, make_application
from tests.app.records import site_in
from tests.app.sites import figure_site

__all__ = ["Fuzz", "fuzzed_site"]

HOST = "127.0.0.1:8080"
CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
IDENTIFYING = ("id", "name", "camera")  # what answers call that by which a thing is asked for
MOST_KNOWN = 200  # values of one name
LONGEST_KNOWN = 200  # characters


@contextmanager
def fuzzed_site(folder: Path) -> Iterator[Fuzz]:
    """A small merged site that may be broken, and who breaks it."""
    path = site_in(folder)
    figure_site(path, people=4, cameras=2, sightings=1)
    with Site.open_to_write(path) as site:
        merge(site, who="test")
        users = Users(site.database)
        users.add("root", "correct horse battery", Role.ADMIN, None, who="test")
        key = users.add_key("root", "fuzz", SCOPES, who="root")
        still = site.crop_jpeg(site.crops(int(site.tracklet_table().ids[0]))[0])
        application = make_application(site, Access(users, "alice"), {HOST})
        application.state.streams.end_with(lambda: True)  # nobody does the jobs that streams would tell of
        yield Fuzz(application, f"http://{HOST}", key, [still])


@dataclass
class Fuzz:
    """Requests of an admin's program to an application, and what came of them."""

    application: FastAPI
    base_url: str
    key: str  # which opens all parts of the API
    files: Sequence[bytes] = ()  # that uploads bring, beside random ones
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))  # by route
    failures: dict[str, str] = field(default_factory=dict)  # by route and failure, how to send it again
    _known: dict[type, dict[str, list[Any]]] = field(default_factory=lambda: {int: {}, str: {}})

    def __post_init__(self) -> None:
        load_all_checks()
        self._checks = [check for check in CHECKS.get_all() if check.__name__ in CHECKED]
        assert len(self._checks) == len(CHECKED)
        self._schema = schemathesis.openapi.from_dict(described(self.application))

    def run(self, seed: int, examples: int, until: float) -> None:
        """Sends that many random requests to each route, in random order. until: of the monotonic clock."""
        chosen = random.Random(seed)
        operations = [result.ok() for result in self._schema.get_all_operations() if isinstance(result, Ok)]
        assert operations
        chosen.shuffle(operations)
        operations.sort(key=lambda operation: "{" in operation.path)  # lists first: they tell what there is
        for operation in operations:
            cases = strategies.one_of(
                operation.as_strategy(GenerationMode.POSITIVE), operation.as_strategy(GenerationMode.NEGATIVE)
            )

            @hypothesis.seed(seed)
            @hypothesis.settings(
                max_examples=examples,
                database=None,
                deadline=None,
                phases=[hypothesis.Phase.generate],
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=cases)
            def send(case: Any) -> None:
                if time.monotonic() < until:
                    self._send(case, chosen)

            send()

    def _send(self, case: Any, chosen: random.Random) -> None:
        for place in ("path_parameters", "query", "body"):
            setattr(case, place, self._with_known(getattr(case, place), chosen))
        if "" in (case.path_parameters or {}).values():
            return  # that is the address of another route
        for name, value in (case.path_parameters or {}).items():
            if isinstance(value, str):  # with these, or empty, it would be another route's address
                case.path_parameters[name] = re.sub(r"[/?#\\]", "-", value) or "-"
        if self.files and case.media_type == "multipart/form-data" and isinstance(case.body, dict):
            for name in case.body:
                if chosen.random() < 0.5:
                    case.body[name] = chosen.choice(self.files)
        route = case.operation.label
        try:
            answer = case.call(
                app=self.application, base_url=self.base_url, headers={"authorization": f"Bearer {self.key}"}
            )
        except Exception as error:  # noqa: BLE001, the server's own error, which its client raises again
            self.statuses[route][500] += 1
            self.failures.setdefault(f"{route}: {type(error).__name__}", f"{error!r} {case.as_curl_command()}")
            return
        self.statuses[route][answer.status_code] += 1
        try:
            case.validate_response(answer, checks=self._checks)
        except FailureGroup as failures:
            for failure in failures.exceptions:
                again = f"{failure.message} {case.as_curl_command()} {answer.text[:300]}"
                self.failures.setdefault(f"{route}: {type(failure).__name__}: {answer.status_code}", again)
        if answer.status_code < 300 and "json" in str(answer.headers.get("content-type")):
            self._learn("", answer.json())

    def _with_known(self, value: Any, chosen: random.Random) -> Any:
        """The same, with half of all numbers and texts from what is known."""
        if isinstance(value, dict):
            return {name: self._with_known(part, chosen) for name, part in value.items()}
        if isinstance(value, list):
            return [self._with_known(part, chosen) for part in value]
        known = self._known.get(type(value))
        if not known or chosen.random() < 0.5:
            return value
        identifying = [name for name in IDENTIFYING if name in known] if chosen.random() < 0.7 else []
        return chosen.choice(known[chosen.choice(identifying or sorted(known))])

    def _learn(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, part in value.items():
                self._learn(key, part)
        elif isinstance(value, list):
            for part in value[:50]:
                self._learn(name, part)
        elif type(value) in (int, str) and len(str(value)) <= LONGEST_KNOWN:
            values = self._known[type(value)].setdefault(name, [])
            if len(values) < MOST_KNOWN and value not in values:
                values.append(value)
