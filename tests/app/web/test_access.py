"""Links open one session each, and sessions end."""

from __future__ import annotations

from app.web.access import IDLE_SECONDS, LINK_SECONDS, MOST_SESSIONS, SESSION_SECONDS, Access, Role
from tests.app.web.conftest import Clock


def test_a_link_opens_one_session() -> None:
    access = Access("alice", Clock())
    link = access.new_link()
    secret = access.enter(link, "127.0.0.1")
    assert secret is not None and secret != link
    session = access.session(secret)
    assert session is not None
    assert (session.user, session.role, session.came_from) == ("alice", Role.ADMIN, "127.0.0.1")
    assert access.enter(link, "127.0.0.1") is None
    assert access.session(link) is None and access.session(None) is None and access.session("guess") is None
    assert access.enter("", "127.0.0.1") is None


def test_a_link_waits_ten_minutes() -> None:
    clock = Clock()
    access = Access("alice", clock)
    early, late = access.new_link(), access.new_link()
    clock.seconds = LINK_SECONDS
    assert access.enter(early, "x") is not None
    clock.seconds = LINK_SECONDS + 1
    assert access.enter(late, "x") is None


def test_a_session_ends_idle_or_after_half_a_day() -> None:
    clock = Clock()
    access = Access("alice", clock)
    idle, busy = (access.enter(access.new_link(), "x") for _ in range(2))
    while clock.seconds < SESSION_SECONDS - IDLE_SECONDS:
        clock.seconds += IDLE_SECONDS
        assert access.session(busy) is not None
    assert access.session(idle) is None
    clock.seconds = SESSION_SECONDS + 1
    assert access.session(busy) is None


def test_leaving_ends_a_session() -> None:
    access = Access("alice", Clock())
    secret = access.enter(access.new_link(), "x")
    access.leave(None)
    assert access.session(secret) is not None
    access.leave(secret)
    assert access.session(secret) is None


def test_sessions_are_bounded() -> None:
    clock = Clock()
    access = Access("alice", clock)
    secrets = []
    for _ in range(MOST_SESSIONS + 1):
        clock.seconds += 1
        secrets.append(access.enter(access.new_link(), "x"))
    assert access.session(secrets[0]) is None
    assert all(access.session(secret) is not None for secret in secrets[1:])


def test_each_session_has_a_key_of_its_own() -> None:
    access = Access("alice", Clock())
    sessions = [access.session(access.enter(access.new_link(), "x")) for _ in range(2)]
    assert sessions[0] is not None and sessions[1] is not None
    assert sessions[0].form_key != sessions[1].form_key
