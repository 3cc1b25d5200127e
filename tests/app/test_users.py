"""`python -m app.users`: a password from stdin, a list, keys that are shown once."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import pytest

import app.users
from app.record import Site
from app.record.users import Users
from tests.app.sites import figure_site
from tests.app.typed import Typed

PASSWORD = "correct horse battery"


def test_users_come_and_go(tmp_path: Path, typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site"
    figure_site(path, people=1, cameras=2)

    def ask(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        return typed(app.users.commands, *words, "--site", path)

    assert ask("add", "root", "--role", "admin", stdin=f"{PASSWORD}\n").returncode == 0
    assert ask("add", "bob", "--camera", "camera1", stdin=PASSWORD).returncode == 0
    assert "No password came" in ask("add", "eve").stderr
    assert ask("add", "eve", stdin="short\n").returncode == 2
    shown = json.loads(ask("--json").stdout)
    assert [(user["name"], user["role"], user["cameras"]) for user in shown] == [
        ("bob", "viewer", ["camera1"]),
        ("root", "admin", None),
    ]
    assert "camera1" in ask().stdout
    secret = json.loads(ask("key", "add", "bob", "phone", "--scope", "search", "--json").stdout)["key"]
    assert [key["name"] for key in json.loads(ask("key", "--json").stdout)] == ["phone"]
    assert secret not in ask("key").stdout
    assert ask("key", "remove", "bob", "phone").returncode == 0
    assert ask("change", "bob", "--role", "operator").returncode == 0
    assert ask("password", "bob", stdin=f"{PASSWORD}!\n").returncode == 0
    with Site.open(path) as site:
        user = Users(site.database).signed_in("bob", f"{PASSWORD}!")
        assert user is not None and user.cameras is None and user.role.name == "OPERATOR"
    assert "the last admin" in ask("remove", "root").stderr
    assert ask("remove", "bob").returncode == 0 and ask("remove", "root").returncode == 0
