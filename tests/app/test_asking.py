"""Who asks is who the system knows, whatever is said."""

from __future__ import annotations

import os
import pwd

import pytest

from app import asking
from app.asking import in_session, this_session, this_user


def test_no_variable_makes_somebody_else_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "alice")
    assert this_user() == pwd.getpwuid(os.getuid()).pw_name != "alice"


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.asking.os.getuid", lambda: 4242424)
    assert this_user() == "user 4242424"


def test_a_session_is_what_the_kernel_knows_and_an_address_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    asking._started_from.cache_clear()
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 5000 192.0.2.1 22")
    assert "says SSH from 192.0.2.7" in this_session()
    asking._started_from.cache_clear()
    monkeypatch.setenv("SSH_CONNECTION", "\x1b[31m[bold]evil")
    assert "evil" not in this_session() and "SSH" not in this_session()
    asking._started_from.cache_clear()


def test_who_asks_from_elsewhere_says_where_they_are() -> None:
    here = this_session()
    with in_session("web, 192.0.2.7"):
        assert this_session() == "web, 192.0.2.7"
        with in_session("web, 192.0.2.8"):
            assert this_session() == "web, 192.0.2.8"
        assert this_session() == "web, 192.0.2.7"
    assert this_session() == here
