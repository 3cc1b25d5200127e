"""Users and their keys: what is kept of them, who may be one, and what the audit says."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from app.errors import SiteError
from app.record import Site
from app.record.schema import api_keys, users
from app.record.users import LONGEST, SHORTEST, Role, Users
from app.record.verify import damage
from tests.app.sites import figure_site

PASSWORD = "correct horse battery"


@pytest.fixture
def known(site: Site) -> Users:
    made = Users(site.database)
    made.add("root", PASSWORD, Role.ADMIN, None, who="me")
    return made


def test_neither_passwords_nor_keys_are_kept(site: Site, known: Users) -> None:
    secret = known.add_key("root", "backup", ["audit"], who="root")
    stored = str(site.database.all(select(users)) + site.database.all(select(api_keys)))
    assert "argon2id" in stored and PASSWORD not in stored and secret not in stored
    assert PASSWORD not in repr(known.user("root")) and "argon2" not in repr(known.user("root"))
    assert PASSWORD not in str(site.audit()) and secret not in str(site.audit())
    assert list(damage(site)) == []


def test_what_was_done_is_noted(site: Site, known: Users) -> None:
    known.add("bob", PASSWORD, Role.VIEWER, [], who="root")
    known.change("bob", Role.OPERATOR, None, who="root")
    known.set_password("bob", PASSWORD * 2, who="bob")
    known.add_key("bob", "phone", ["search", "flow"], who="bob")
    known.remove_key("bob", "phone", who="root")
    known.remove("bob", who="root")
    noted = [(entry.action, entry.who, entry.details) for entry in site.audit()]
    assert noted == [
        ("user added", "me", {"user": "root", "role": "admin", "cameras": "all"}),
        ("user added", "root", {"user": "bob", "role": "viewer", "cameras": []}),
        ("user changed", "root", {"user": "bob", "role": "operator", "cameras": "all"}),
        ("user changed", "bob", {"user": "bob", "password": "another one"}),
        ("key added", "bob", {"user": "bob", "key": "phone", "scopes": ["flow", "search"]}),
        ("key removed", "root", {"user": "bob", "key": "phone"}),
        ("user removed", "root", {"user": "bob"}),
    ]


@pytest.mark.parametrize("name", ["", "a b", "<script>", "../x", "-x", "x" * 65, "a\nb", "é"])
def test_names_that_can_not_be(known: Users, name: str) -> None:
    with pytest.raises(SiteError, match="A user's name has"):
        known.add(name, PASSWORD, Role.VIEWER, None, who="me")


def test_what_is_refused(site: Site, known: Users) -> None:
    for password in ("", "x" * (SHORTEST - 1), "x" * (LONGEST + 1)):
        with pytest.raises(SiteError, match="A password has"):
            known.add("bob", password, Role.VIEWER, None, who="me")
    with pytest.raises(SiteError, match="a user root already"):
        known.add("root", PASSWORD, Role.VIEWER, None, who="me")
    with pytest.raises(SiteError, match="has no camera attic"):
        known.add("bob", PASSWORD, Role.VIEWER, ["attic"], who="me")
    with pytest.raises(SiteError, match="An admin sees all cameras"):
        known.add("bob", PASSWORD, Role.ADMIN, [], who="me")
    with pytest.raises(SiteError, match="There is no user bob"):
        known.set_password("bob", PASSWORD, who="me")
    with pytest.raises(SiteError, match="opens one part"):
        known.add_key("root", "x", ["everything"], who="me")
    known.add_key("root", "x", ["flow"], who="me")
    with pytest.raises(SiteError, match="has a key x already"):
        known.add_key("root", "x", ["flow"], who="me")
    with pytest.raises(SiteError, match="no key y"):
        known.remove_key("root", "y", who="me")
    assert [user.name for user in known.all()] == ["root"]


def test_the_last_admin_stays_while_there_are_others(known: Users) -> None:
    known.add("bob", PASSWORD, Role.VIEWER, None, who="me")
    with pytest.raises(SiteError, match="the last admin"):
        known.remove("root", who="me")
    with pytest.raises(SiteError, match="the last admin"):
        known.change("root", Role.OPERATOR, None, who="me")
    known.change("bob", Role.ADMIN, None, who="me")
    known.remove("root", who="bob")
    known.remove("bob", who="bob")
    assert not known


def test_rights_name_cameras_of_the_site(empty: Path) -> None:
    figure_site(empty, people=1, cameras=2)
    with Site.open_to_write(empty) as site:
        made = Users(site.database)
        made.add("bob", PASSWORD, Role.VIEWER, ["camera1"], who="me")
        user = made.user("bob")
        assert user is not None and user.cameras == frozenset({"camera1"})
        assert made.signed_in("bob", PASSWORD) == user and made.signed_in("bob", PASSWORD[:-1]) is None
        assert made.signed_in("nobody", PASSWORD) is None
