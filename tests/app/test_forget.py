"""The command `forget`: what it asks for, what it says of what it erased, and of what it cannot reach."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.forget import command
from app.record import Site, searches
from app.record.searches import SearchFilters
from app.record.settings import SiteSettings, write_settings
from app.search.merging import merge
from tests.app.scenes import bytes_of
from tests.app.sites import START, People, add_version
from tests.app.typed import Typed


def left_in(path: Path) -> list[int]:
    with Site.open(path) as site:
        return site.tracklet_table().ids.tolist()


def test_tracklets_and_identities_leave_together(path: Path, who: People, typed: Typed) -> None:
    with Site.open_to_write(path) as site:
        merge(site, who="me")
        merged = site.merging()
    assert merged is not None
    identity = int(merged.identities[0])
    members = merged.ids[merged.identities == identity].tolist()
    others = [tracklet for tracklet in sorted(who) if tracklet not in members]
    words = ("--identity", identity, "--tracklet", others[0], "--tracklet", others[1])
    done = typed(command, *words, "--site", path, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["tracklets"], said["segments"], said["models"]) == (len(members) + 2, len(members) + 2, [])
    assert left_in(path) == others[2:]


def test_all_before_a_time_leave_and_the_time_may_have_an_offset(path: Path, typed: Typed) -> None:
    with Site.open(path) as site:
        table = site.tracklet_table()
    later = table.ids[table.end >= START + 30].tolist()
    assert 0 < len(later) < len(table)
    done = typed(command, "--before", "2026-11-20T15:30:30+01:00", "--site", path)
    assert done.returncode == 0, done.stderr
    gone = len(table) - len(later)
    assert f"{gone} tracklets erased ({gone} pieces of tracks in all)" in done.stdout
    assert left_in(path) == later


def test_what_was_erased_is_told_and_where_it_was_looked_for(
    record: str, path: Path, who: People, typed: Typed
) -> None:
    with Site.open(path) as site:
        crops = site.crops(min(who))
        size, boxes = sum(crop.shard_range.length for crop in crops), len(site.boxes(min(who)).frames)
    done = typed(command, "--tracklet", min(who), "--site", path)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert f"With them left {len(crops)} crops ({size:,} bytes), {boxes} boxes and 1 embeddings." in told
    files = "" if record == "postgresql" else "1 files of embeddings, "  # there they are rows
    assert f"1 shards of crops, {files}adaptations" in told
    assert "Looked for them in the record's rows" in told
    assert "nothing is left." in told


def test_bytes_that_were_not_overwritten_are_told_and_the_next_command_erases_them(
    path: Path, who: People, typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Site.open(path) as site:
        picture = site.crop_jpeg(site.crops(min(who))[0])
    with monkeypatch.context() as patched:
        patched.setattr("app.record.folder_pictures.overwrite", lambda *_: None)
        done = typed(command, "--tracklet", min(who), "--site", path, "--json")
    assert done.returncode == 1, done.stderr
    (sentence,) = json.loads(done.stdout)["found"]
    assert "shard has " in sentence and picture in bytes_of(path)
    Site.open_to_write(path).close()
    assert picture not in bytes_of(path)


def test_a_version_that_learned_from_them_is_named(path: Path, who: People, typed: Typed) -> None:
    add_version(path, "v1")
    done = typed(command, "--tracklet", min(who), "--site", path)
    assert done.returncode == 0, done.stderr
    assert "v1 learned while they were there; weights hold no pictures, but can't unlearn" in done.stdout


def test_kept_searches_with_a_picture_of_them_are_named_and_removed_when_asked_for(
    path: Path, who: People, typed: Typed
) -> None:
    tracklets = sorted(who)[-3::2]
    with Site.open_to_write(path) as site:
        for tracklet in tracklets:
            picture = site.crop_jpeg(site.crops(tracklet)[0])
            searches.save(site.database, f"of {tracklet}", picture, SearchFilters(), who="guard")
    for tracklet, words, said in zip(tracklets, ((), ("--searches",)), ("It stays: --searches", "It was removed.")):
        done = typed(command, "--tracklet", tracklet, *words, "--site", path)
        assert done.returncode == 0, done.stderr
        told = " ".join(done.stdout.split())
        assert f"The kept search of {tracklet} of guard likely has a picture of them (" in told and said in told
    with Site.open(path) as site:
        assert [search.name for search in searches.saved(site.database)] == [f"of {tracklets[0]}"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "say what to forget: --tracklet, --identity, --before or --retention."),
        (("--tracklet", "0"), "has no tracklet 0."),
        (("--identity", "77"), "has no identity 77"),
        (("--before", "yesterday"), "'yesterday' is no time like 2026-11-20T14:30:05 or …+01:00."),
    ],
)
def test_what_is_not_there_is_told_and_nothing_is_erased(
    path: Path, who: People, typed: Typed, words: tuple[str, ...], sentence: str
) -> None:
    wrong = typed(command, *words, "--site", path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert sentence in " ".join(wrong.stderr.replace("│", " ").split())
    assert left_in(path) == sorted(who)


def test_retention_by_the_settings(path: Path, typed: Typed) -> None:
    with Site.open_to_write(path) as site:
        write_settings(site.database, SiteSettings(retention={"camera1": 1}), who="alice")
        there = len(site.segments("camera1"))
    done = typed(command, "--retention", "--site", path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tracklets"] == {"camera1": there}
    again = typed(command, "--retention", "--site", path)
    assert again.returncode == 0 and "0 uploaded files" in again.stdout
    with Site.open(path) as site:
        assert site.segments("camera1") == [] and len(site.segments("camera0")) == there
    refused = typed(command, "--retention", "--before", "2026-11-20", "--site", path)
    assert refused.returncode == 2 and "give nothing else" in " ".join(refused.stderr.split())
