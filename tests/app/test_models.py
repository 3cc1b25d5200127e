"""The command `models`: versions are listed with the one that serves, and another one comes to serve."""

from __future__ import annotations

import json
from pathlib import Path

from app.encoders.versions import serving, store_of
from app.models import commands
from app.record import Site
from app.record.leases import LEARNING
from tests.app.sites import People, add_version
from tests.app.typed import Typed


def test_versions_are_listed_with_the_one_that_serves(path: Path, typed: Typed) -> None:
    add_version(path, "v1")
    with Site.open_to_write(path) as site, site.lease(LEARNING):  # as while another version is trained
        listed = json.loads(typed(commands, "--site", path, "--json").stdout)
    assert [(model["name"], model["serving"], model["status"]) for model in listed] == [
        ("base", True, "deployed"),
        ("v1", False, "refused"),
    ]
    first, second = typed(commands, "--site", path).stdout.splitlines()[1:]
    assert first.startswith("→") and "base" in first and "the encoder that is shipped" in first
    assert not second.startswith("→") and "v1" in second and "not deployed: a copy" in second


def test_another_version_serves_once_it_has_embedded_all(path: Path, who: People, typed: Typed) -> None:
    add_version(path, "v1")
    done = json.loads(typed(commands, "use", "v1", "--site", path, "--json").stdout)
    assert done == {"before": "base", "now": "v1", "embedded": len(who)}
    with Site.open(path) as site:
        assert serving(site).name == "v1"
        assert store_of(site, "v1").load()[0].tolist() == sorted(who)
        assert (site.audit()[-1].action, site.audit()[-1].details) == ("models use", {"model": "v1", "before": "base"})
    back = typed(commands, "use", "base", "--site", path)
    assert (back.returncode, back.stdout) == (0, "base serves now, v1 did before; 0 tracklets embedded\n")
    with Site.open(path) as site:
        assert serving(site).name == "base"


def test_a_version_that_is_not_there_is_told_with_those_that_are(path: Path, typed: Typed) -> None:
    wrong = typed(commands, "use", "v7", "--site", path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == f"Error: The site at {path} has no model 'v7'; it has base.\n"
