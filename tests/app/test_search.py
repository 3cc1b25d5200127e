"""From a site to answers: merging, searching, noting who asked, forgetting."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from app.database import SiteError
from app.evaluate_site import evaluate_site
from app.forget import forget
from app.merge import merge
from app.models import store_of
from app.query import Searcher, Wish, query, view
from app.record import Site
from app.rows import Correction
from app.still import read_still
from tests.app.scenes import begin, run
from tests.app.sites import START, STAY, figure_site
from tests.reid.figures import figure

People = dict[int, int]

# `app.merge`, which stops after it wrote the members of a merging, or removed older ones, and before it commits.
MERGE = """
import sys, time
stage = sys.argv.pop(1)
import app.merge, app.terminal
from app.database import Database
kept = {"members": Database.execute_many, "old": Database.execute}[stage]
def stop(self, statement, *arguments):
    found = kept(self, statement, *arguments)
    if ("INTO members" if stage == "members" else "DELETE FROM merges") in statement:
        print("here", flush=True)
        time.sleep(60)
    return found
setattr(Database, "execute_many" if stage == "members" else "execute", stop)
app.terminal.run(app.merge.command)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, People]:
    path = tmp_path_factory.mktemp("search") / "site"
    return path, figure_site(path, people=10, cameras=3)


@pytest.fixture
def path(made: tuple[Path, People], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "site"))


@pytest.fixture
def who(made: tuple[Path, People]) -> People:
    return made[1]


def still(folder: Path, person: int, camera: int = 1) -> Path:
    """A picture of somebody that the site does not have."""
    path = folder / f"person{person}.png"
    cv2.imwrite(str(path), figure(np.random.default_rng(77), person, camera, place=999)[:, :, ::-1])
    return path


# --- merging


def test_pieces_become_trajectories_and_people_identities(path: Path, who: People) -> None:
    with Site.open_for_writing(path) as site:
        report = merge(site)
        found = site.merge()
    assert found is not None
    assert report.tracklets == len(who) == 60
    assert report.identities <= report.trajectories < report.tracklets
    person = np.array([who[one] for one in found.ids.tolist()])
    pairs = np.unique(np.stack([found.trajectories, person]), axis=1)
    assert pairs.shape[1] <= 1.1 * report.trajectories  # hardly any trajectory shows two people
    with Site.open(path) as site:
        camera = site.tracklet_table().cameras
        for one in np.unique(found.trajectories):
            assert len(np.unique(camera[found.trajectories == one])) == 1
        assert np.array_equal(site.tracklet_table().ids, found.ids)


def test_merging_again_changes_nothing_and_more_footage_keeps_numbers(path: Path) -> None:
    with Site.open_for_writing(path) as site:
        merge(site)
        first = site.merge()
        assert not merge(site).changed
        assert site.merge() is not None
        assert site.merge().id == first.id  # type: ignore[union-attr]
    figure_site(path, people=4, cameras=3, day=1, first=100)
    with Site.open_for_writing(path) as site:
        assert merge(site).changed
        later = site.merge()
    assert first is not None
    assert later is not None
    old = later.identities[np.isin(later.ids, first.ids)]
    assert (old == first.identities).mean() > 0.9
    assert len(later.ids) == len(first.ids) + 24


def test_a_persons_word_is_obeyed_and_kept(path: Path, who: People) -> None:
    ids = sorted(who)
    same = [one for one in ids if who[one] == who[ids[0]]]
    other = next(one for one in ids if who[one] == who[ids[0]] + 4)
    with Site.open_for_writing(path) as site:
        site.correct([Correction("split", same[0], same[-1]), Correction("join", same[0], other)], "me", 1.0)
        for _ in range(2):
            merge(site)
            found = site.merge()
            assert found is not None
            identity = dict(zip(found.ids.tolist(), found.identities.tolist()))
            assert identity[same[0]] == identity[other]
            assert identity[same[0]] != identity[same[-1]]
        site.correct([Correction("join", same[-1], other)], "me", 2.0)
        with pytest.raises(SiteError, match="said to be two people"):
            merge(site)


@pytest.mark.parametrize("stage", ["members", "old"])
def test_killed_in_the_middle_the_merging_before_holds(path: Path, stage: str) -> None:
    with Site.open_for_writing(path) as site:
        merge(site, method="utal")
        before = site.merge()
    process = begin(["-c", MERGE, stage, "--site", str(path), "--json"])
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "here", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Site.open(path) as site:
        now = site.merge()
        assert before is not None and now is not None
        assert now.id == before.id and np.array_equal(now.identities, before.identities)
        assert list(site.verify()) == []
    done = run("-m", "app.merge", "--site", path, "--json")
    assert done.returncode == 0, done.stderr
    with Site.open(path) as site:
        whole = site.merge()
    with Site.open_for_writing(path) as site:
        assert not merge(site).changed  # as an undisturbed run finds it
    assert whole is not None and whole.id == before.id + 1 and len(whole.ids) == 60


def test_the_merge_command(path: Path, tmp_path: Path) -> None:
    done = run("-m", "app.merge", "--site", path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["tracklets"] == 60
    assert "as before" in run("-m", "app.merge", "--site", path).stdout
    undone = run("-m", "app.merge", "--site", path, "--undo", "--json")
    assert json.loads(undone.stdout) == {"undone": True, "merged": False}
    none = run("-m", "app.merge", "--site", path, "--undo")
    assert (none.returncode, "no merging to undo" in none.stderr) == (2, True)
    wrong = run("-m", "app.merge", "--site", path, "--join", 1, 2)
    assert (wrong.returncode, "not two tracklets" in wrong.stderr) == (2, True)
    assert run("-m", "app.merge", "--site", tmp_path / "none").returncode == 2


# --- searching


def test_somebody_is_found_and_ranked_first(path: Path, who: People, tmp_path: Path) -> None:
    right = []
    with Site.open_for_writing(path) as site:
        searcher = Searcher(site)
        for person in range(10):
            report, picture = query(
                site, read_still(still(tmp_path, person)), Wish(top=6), whole=True, searcher=searcher
            )
            (answer,) = report.people
            assert [m.similarity for m in answer.matches] == sorted(
                (m.similarity for m in answer.matches), reverse=True
            )
            assert all(0 <= m.probability <= 1 and len(m.crops) == 4 for m in answer.matches)
            assert answer.gallery == 60
            right.append(who[answer.matches[0].tracklet] == person)
            assert view(site, report, picture).matches == answer.matches
    assert sum(right) >= 6


def test_filters_are_exact(path: Path, tmp_path: Path) -> None:
    with Site.open_for_writing(path) as site:
        searcher, picture = Searcher(site), read_still(still(tmp_path, 3))
        table = site.tracklet_table()

        def answered(**wish: Any) -> set[int]:
            report, _ = query(site, picture, Wish(top=1000, **wish), whole=True, searcher=searcher)
            return {match.tracklet for match in report.people[0].matches}

        assert answered() == set(table.ids.tolist())
        assert answered(cameras=("camera1",)) == set(table.ids[table.cameras == 1].tolist())
        begin, end = START + 20, START + 40
        inside = (table.end >= begin) & (table.start < end)
        assert answered(begin=begin, end=end) == set(table.ids[inside].tolist())
        at = START + 1.0
        elsewhere = (table.cameras != 0) & (table.start <= at) & (at <= table.end)
        assert answered(at=at, inside="camera0") == set(table.ids[~elsewhere].tolist())
        assert answered(begin=START + 1e6) == set()
        with pytest.raises(SiteError, match="no camera nowhere"):
            answered(cameras=("nowhere",))
        assert len(answered(rerank=True, expand=True)) == 60


def test_a_tracklet_finds_neither_itself_nor_who_was_beside_it(path: Path, who: People) -> None:
    number = sorted(who)[0]
    with Site.open_for_writing(path) as site:
        report, picture = query(site, number, Wish(top=1000))
        beside = {int(b) for a, b in site.cannot_link() if a == number} | {number}
        found = {match.tracklet for match in report.people[0].matches}
        assert found == set(who) - beside
        assert view(site, report, picture).still.ndim == 3
        with pytest.raises(SiteError, match="no tracklet 5"):
            query(site, 5)
        notes = site.audit()
    assert notes[-1].details["still"] == f"tracklet {number}"
    assert set(notes[-1].details["results"]) == found


def test_the_query_command(path: Path, tmp_path: Path) -> None:
    asked = still(tmp_path, 2)
    report, sheet = tmp_path / "found.html", tmp_path / "found.png"
    done = run("-m", "app.query", asked, "--site", path, "--whole", "--json", "--report", report, "--sheet", sheet)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert len(answer["people"][0]["matches"]) == 20
    assert answer["model"] == "base"
    assert report.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert cv2.imread(str(sheet)) is not None
    audit = json.loads(run("-m", "app.audit", "--site", path, "--json").stdout)
    assert audit[-1]["action"] == "query"
    assert audit[-1]["still"] == answer["still"]
    nobody = tmp_path / "wall.png"
    cv2.imwrite(str(nobody), np.full((200, 300, 3), 128, np.uint8))
    none = run("-m", "app.query", nobody, "--site", path)
    assert (none.returncode, "shows nobody" in none.stdout) == (1, True)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    wrong = run("-m", "app.query", broken, "--site", path)
    assert (wrong.returncode, wrong.stderr.startswith("Error: ")) == (2, True)


# --- forgetting


def rows_of(site: Site, numbers: list[int]) -> list[bytes]:
    """The bytes that the site has of some tracklets: crops, and embeddings in half precision."""
    ids, halves = store_of(site, "base").load()
    found = [halves[np.flatnonzero(ids == one)[0]].tobytes() for one in numbers]
    return found + [site.crop_jpeg(crop) for one in numbers for crop in site.crops(one)]


def bytes_of(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file())


def test_forgetting_leaves_neither_pictures_nor_vectors(path: Path, who: People) -> None:
    with Site.open_for_writing(path) as site:
        merge(site)
        found = site.merge()
        assert found is not None
        identity = int(found.identities[0])
        mine = found.ids[found.identities == identity].tolist()
        rest = [one for one in sorted(who) if one not in mine]
        gone, kept = rows_of(site, mine), rows_of(site, rest)
        done = forget(site, identities=[identity])
        assert (done.tracklets, done.models) == (len(mine), [])
        left = bytes_of(path)
        assert not any(row in left for row in gone)
        assert all(row in left for row in kept)
        assert site.tracklet_table().ids.tolist() == rest
        assert list(site.verify()) == []
        assert site.audit()[-1].action == "forget"
        assert {m.tracklet for m in query(site, rest[0], Wish(top=1000))[0].people[0].matches} <= set(rest)
        with pytest.raises(SiteError, match=f"no identity {identity}"):
            forget(site, identities=[identity])


def test_forgetting_all_before_a_time(path: Path) -> None:
    with Site.open_for_writing(path) as site:
        table = site.tracklet_table()
        limit = START + 30
        left = table.ids[table.end >= limit].tolist()
        assert 0 < len(left) < len(table)
        forget(site, before=limit)
        assert site.tracklet_table().ids.tolist() == left
        with pytest.raises(SiteError, match="no tracklet"):
            forget(site, tracklets=[12])


def test_the_forget_command_and_its_end_after_a_kill(path: Path, who: People, monkeypatch: pytest.MonkeyPatch) -> None:
    number = sorted(who)[0]
    with Site.open_for_writing(path) as site:
        gone = rows_of(site, [number])
        monkeypatch.setattr("app.forget.Embeddings.remove", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            forget(site, tracklets=[number])
    assert gone[0] in bytes_of(path)  # the vectors are still there
    done = run("-m", "app.forget", "--site", path, "--tracklet", number)
    assert done.returncode == 0, done.stderr
    assert not any(row in bytes_of(path) for row in gone)
    assert run("-m", "app.forget", "--site", path).returncode == 2
    assert run("-m", "app.forget", "--site", path, "--tracklet", 1).returncode == 2


def test_a_forgotten_number_goes_to_nobody_else(path: Path, who: People) -> None:
    with Site.open_for_writing(path) as site:
        camera = site.tracklet_table().cameras
        last = [max(one for one, c in zip(sorted(who), camera) if c == k) for k in range(3)]
        forget(site, tracklets=last)
    later = figure_site(path, people=2, cameras=3, day=1, first=100)
    assert not set(last) & set(later)
    assert min(one for one in later if one > last[0]) == last[0] + 1


# --- against truth


def test_a_site_against_truth(path: Path, who: People, tmp_path: Path) -> None:
    truth = tmp_path / "truth"
    with Site.open_for_writing(path) as site:
        merge(site)
        for camera in ("camera0", "camera1", "camera2"):
            lines = []
            for one in site.segments(camera):
                boxes = site.boxes(one.id)
                for frame, (x1, y1, x2, y2) in zip(boxes.frames.tolist(), boxes.boxes.tolist()):
                    lines.append((frame + 1, who[one.id] + 1, x1, y1, x2 - x1, y2 - y1))
            file = truth / camera / "gt" / "gt.txt"
            file.parent.mkdir(parents=True)
            file.write_text("".join(",".join(map(str, line)) + ",1,1,1\n" for line in sorted(lines)))
        scores = evaluate_site(site, truth)
    assert (scores.people, scores.tracklets, scores.strangers) == (10, 60, 0)
    assert scores.before.fragments == 2.0
    assert scores.trajectories is not None
    assert scores.trajectories.fragments < 2.0
    assert scores.trajectories.precision > 0.9
    assert scores.identities is not None
    assert scores.idf1 is not None
    assert 0 < scores.idf1 <= 1
    assert scores.query is not None
    assert scores.query.queries == 60
    done = run("-m", "app.evaluate", "site", "--truth", truth, "--site", path)
    assert done.returncode == 0, done.stderr
    assert "identities over all cameras: IDF1" in done.stdout
    assert STAY > 0
