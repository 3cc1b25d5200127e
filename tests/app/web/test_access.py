"""Links open one session each, and sessions end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.record import Site
from app.record.users import Role, Users
from app.web.access import IDLE_SECONDS, LINK_SECONDS, MOST_SESSIONS, SESSION_SECONDS, Access
from app.web.attempts import FIRST_WAIT, LONGEST_WAIT, OF_ADDRESS, OF_BOTH, Attempts
from app.web.errors import Refused
from tests.app.web.conftest import Clock

Making = Callable[[Clock], Access]
PASSWORD = "correct horse battery"


@pytest.fixture
def made(site: Site) -> Making:
    return lambda clock: Access(Users(site.database), "alice", clock)


def test_a_link_opens_one_session(made: Making) -> None:
    access = made(Clock())
    link = access.new_link()
    secret = access.enter(link, "127.0.0.1")
    assert secret is not None and secret != link
    session = access.session(secret)
    assert session is not None
    assert (session.user, session.role, session.came_from) == ("alice", Role.ADMIN, "127.0.0.1")
    assert access.enter(link, "127.0.0.1") is None
    assert access.session(link) is None and access.session(None) is None and access.session("guess") is None
    assert access.enter("", "127.0.0.1") is None


def test_a_link_waits_ten_minutes(made: Making) -> None:
    clock = Clock()
    access = made(clock)
    early, late = access.new_link(), access.new_link()
    clock.seconds = LINK_SECONDS
    assert access.enter(early, "x") is not None
    clock.seconds = LINK_SECONDS + 1
    assert access.enter(late, "x") is None


def test_a_session_ends_idle_or_after_half_a_day(made: Making) -> None:
    clock = Clock()
    access = made(clock)
    idle, busy = (access.enter(access.new_link(), "x") for _ in range(2))
    while clock.seconds < SESSION_SECONDS - IDLE_SECONDS:
        clock.seconds += IDLE_SECONDS
        assert access.session(busy) is not None
    assert access.session(idle) is None
    clock.seconds = SESSION_SECONDS + 1
    assert access.session(busy) is None


def test_leaving_ends_a_session(made: Making) -> None:
    access = made(Clock())
    secret = access.enter(access.new_link(), "x")
    access.leave(None)
    assert access.session(secret) is not None
    access.leave(secret)
    assert access.session(secret) is None


def test_sessions_are_bounded(made: Making) -> None:
    clock = Clock()
    access = made(clock)
    secrets = []
    for _ in range(MOST_SESSIONS + 1):
        clock.seconds += 1
        secrets.append(access.enter(access.new_link(), "x"))
    assert access.session(secrets[0]) is None
    assert all(access.session(secret) is not None for secret in secrets[1:])


def test_each_session_has_a_key_of_its_own(made: Making) -> None:
    access = made(Clock())
    sessions = [access.session(access.enter(access.new_link(), "x")) for _ in range(2)]
    assert sessions[0] is not None and sessions[1] is not None
    assert sessions[0].form_key != sessions[1].form_key


def test_a_password_opens_a_session_with_its_users_rights(site: Site, made: Making) -> None:
    clock = Clock()
    access = made(clock)
    users = access.users
    users.add("bob", PASSWORD, Role.OPERATOR, None, who="me")
    assert access.sign_in("bob", PASSWORD + "x", "x") is None and access.sign_in("eve", PASSWORD, "x") is None
    secret = access.sign_in("bob", PASSWORD, "192.0.2.1")
    session = access.session(secret)
    assert session is not None
    assert (session.user, session.role, session.cameras) == ("bob", Role.OPERATOR, None)
    assert session.came_from == "192.0.2.1"
    users.add("root", PASSWORD, Role.ADMIN, None, who="me")
    users.change("bob", Role.VIEWER, [], who="root")
    again = access.session(secret)
    assert again is not None and (again.role, again.cameras) == (Role.VIEWER, frozenset())
    users.set_password("bob", PASSWORD + "!", who="root")
    assert access.session(secret) is None
    secret = access.sign_in("bob", PASSWORD + "!", "x")
    users.remove("bob", who="root")
    users.add("bob", PASSWORD + "!", Role.ADMIN, None, who="root")
    assert access.session(secret) is None  # it was another bob's


def test_guessing_waits_ever_longer(made: Making) -> None:
    clock = Clock()
    access = made(clock)
    access.users.add("bob", PASSWORD, Role.VIEWER, None, who="me")
    for _ in range(OF_BOTH):
        assert access.sign_in("bob", "wrong password", "192.0.2.1") is None
    with pytest.raises(Refused) as refused:
        access.sign_in("bob", PASSWORD, "192.0.2.1")
    assert refused.value.status == 429
    assert access.sign_in("bob", PASSWORD, "192.0.2.2") is not None  # from elsewhere its owner comes in
    clock.seconds += FIRST_WAIT
    assert access.sign_in("bob", PASSWORD, "192.0.2.1") is not None
    for _ in range(OF_BOTH - 1):
        assert access.sign_in("bob", "wrong password", "192.0.2.1") is None


def test_waits_double_up_to_a_quarter_of_an_hour() -> None:
    clock = Clock()
    attempts = Attempts(clock)
    waits = []
    for _ in range(OF_BOTH + 12):
        began = clock.seconds
        while True:
            try:
                with attempts.at("bob", "x"):
                    break
            except Refused:
                clock.seconds += 1
        waits.append(clock.seconds - began)
    assert waits[:OF_BOTH] == [0.0] * OF_BOTH
    assert waits[OF_BOTH : OF_BOTH + 4] == [5.0, 10.0, 20.0, 40.0] and waits[-1] == LONGEST_WAIT


def test_one_address_can_not_try_many_names() -> None:
    attempts = Attempts(Clock())
    for k in range(OF_ADDRESS):
        with attempts.at(f"name{k}", "x"):
            pass
    with pytest.raises(Refused), attempts.at("another", "x"):
        pass
    with attempts.at("another", "y") as attempt:
        attempt.succeeded = True


def test_a_keys_session_opens_its_scopes(made: Making) -> None:
    access = made(Clock())
    access.users.add("bob", PASSWORD, Role.VIEWER, None, who="me")
    secret = access.users.add_key("bob", "dashboard", ["flow"], who="bob")
    owned = access.users.of_key(secret)
    assert owned is not None and (owned[0].name, owned[1].scopes) == ("bob", ("flow",))
    access.users.remove_key("bob", "dashboard", who="bob")
    assert access.users.of_key(secret) is None and access.users.of_key("") is None
