"""A site teaches itself: what is trained, judged and deployed. Killed anywhere, the old model goes on serving."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import reid.training
from app.adapt import command
from app.encoders.brought import bring
from app.encoders.versions import find, folder_of, merge_rules, open_model, serving, store_of, use
from app.errors import SiteError
from app.learning.adapt import PRIOR, AdaptReport, adapt, source_of
from app.learning.plan import _probe as probe
from app.record import Site
from app.record.adaptations import Adaptations
from app.record.forget import forget
from app.record.leases import LEARNING
from app.record.move import create
from app.record.places import STORE, Places
from app.record.rows import Correction
from app.record.verify import damage
from app.search.query import query
from app.search.still import still_of
from deploy.models import shipped
from deploy.preprocessing import Told
from reid.encoder import Encoder
from reid.evaluate import Embeddings, evaluate_retrieval
from reid.merging import MergeRules
from reid.tracklets import TrackletDataset
from tests.app.records import new_schema
from tests.app.scenes import begin, run
from tests.app.sites import figure_site
from tests.app.stops import CHEAPLY, STAGES, adapt_until, killed_at
from tests.app.typed import Typed
from tests.app.works import boxed_export, told_probe
from tests.deploy.encoders import binned_colours

# `python -m app.adapt`, which stops at a stage.
ADAPT = """
import sys
import app.adapt, app.terminal
from tests.app.stops import stop_at
stop_at(sys.argv.pop(1), lambda: print("here", flush=True))
app.terminal.run(app.adapt.command)
"""
OPTIONS = ("--epochs", "2", "--start", "base", "--size", "64x32", "--force", "--json")
FORGOTTEN = 0.02  # of mAP on earlier footage, that a later version may lose: see docs/adapt.md


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapt") / "site"
    figure_site(path, people=30, cameras=3, crops=4)
    return path


@pytest.fixture(scope="module")
def adapted(made: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = Path(shutil.copytree(made, tmp_path_factory.mktemp("adapted") / "site"))
    return path, learned(path, epochs=2, start="base", size=(128, 64), force=True)


@pytest.fixture(scope="module")
def made_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "site"
    figure_site(path, people=12, cameras=2)
    return path


@pytest.fixture
def small(made_small: Path, tmp_path: Path, cheap: None) -> Path:
    """A site of 48 tracklets, and an adaptation that takes a few seconds there."""
    return Path(shutil.copytree(made_small, tmp_path / "site"))


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few tracklets suffice to learn from. The machine's speed is told, and the box's ONNX file is the version's."""
    monkeypatch.setattr("app.learning.adapt.LEAST_TRACKLETS", 20)
    monkeypatch.setattr("app.learning.plan._probe", told_probe)
    monkeypatch.setattr("deploy.export.export_model", boxed_export)


def learned(path: Path, **options: Any) -> AdaptReport:
    with Site.open_to_write(path) as site:
        return adapt(site, who="test", **options)


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "site"))


def test_a_new_version_serves_with_its_embeddings_and_its_calibration(adapted: tuple[Path, Any]) -> None:
    path, report = adapted
    assert (report.model, report.started_from, report.deployed, report.epochs) == ("v1", "base", True, 2)
    assert report.tracklets + report.held_back == 180
    assert report.parameters == 2_952_481
    assert report.held_back == 40
    assert report.share == pytest.approx(140 / (140 + PRIOR), abs=1e-3)
    with Site.open(path) as site:
        model = serving(site)
        assert model.name == "v1"
        assert model.summary["gate"]["score"] == report.gate["score"]
        curves = model.summary["curves"]
        assert curves["steps"] and all(len(losses) == len(curves["steps"]) for losses in curves["losses"].values())
        assert merge_rules(model) == MergeRules(across=model.summary["across"]) != MergeRules()
        assert merge_rules(find(site, "base")) == MergeRules()
        ids, halves = store_of(site, "v1").load()
        assert np.array_equal(ids, site.tracklet_table().ids)
        assert not np.allclose(
            halves.astype(np.float32), store_of(site, "base").load()[1].astype(np.float32), atol=0.01
        )
        assert model.calibration is not None
        file = folder_of(site, "v1") / "model.onnx"
    told = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(told["sightline.training"])["model"] == "v1"
    assert not any(str(part) in told["sightline.training"] for part in (path, path.parent.name))
    assert not any(path.joinpath("adapt").glob("v*"))  # no second copy of anybody's pictures


def test_another_machine_searches_and_learns_with_the_new_version_by_store_toml_alone(
    postgres: str, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.learning.adapt.LEAST_TRACKLETS", 20)
    monkeypatch.setattr("app.learning.plan._probe", told_probe)
    s3.create_bucket(Bucket="adapted")
    path, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    create(path, Places(new_schema(postgres), "s3://adapted/site"), who="test")
    who = figure_site(path, people=12, cameras=2)
    assert learned(path, epochs=1, start="base", size=(64, 32), force=True).deployed
    elsewhere.mkdir()
    shutil.copy(path / STORE, elsewhere / STORE)
    with Site.open(path) as site:
        still = still_of(site.crop_jpeg(site.crops(min(who))[0]), Path("still.jpg"))
    answers = []
    for folder in (path, elsewhere):
        with Site.open_to_write(folder) as site:
            report, _ = query(site, still, whole=True, who="test")
        answers.append((report.model, [(match.tracklet, match.similarity) for match in report.people[0].matches]))
    assert answers[0] == answers[1] and answers[0][0] == "v1" and answers[0][1][0][0] == min(who)
    figure_site(elsewhere, people=4, cameras=2, day=1)  # and embeds what came
    with Site.open(elsewhere) as site:
        assert len(store_of(site, "v1").load()[0]) == len(who) + 16 and list(damage(site)) == []
    assert learned(elsewhere, epochs=1, size=(64, 32), force=True).started_from == "v1"


def test_a_changed_file_does_not_serve(adapted: tuple[Path, Any], tmp_path: Path) -> None:
    path = Path(shutil.copytree(adapted[0], tmp_path / "site"))
    with Site.create(path) as site:
        file = folder_of(site, "v1") / "model.onnx"
        file.write_bytes(file.read_bytes() + b"\0")
        with pytest.raises(SiteError, match="is not the file that was deployed"):
            open_model(site, serving(site))
        use(site, "base", who="me")
        assert site.audit()[-1].details == {"model": "base", "before": "v1"}
        assert open_model(site, find(site, "base")).size == (128, 64)


def test_a_candidate_that_is_not_better_is_kept_and_does_not_serve(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid.gate.better", lambda candidate, before, **_: (False, "it is not better at all"))
    begun = small / "adapt" / "v1" / "plan.json"  # by an earlier version, which planned by other things
    begun.parent.mkdir(parents=True)
    begun.write_text(json.dumps({"model": "v1", "method": "merged", "epochs": 1, "asked": {}}), encoding="utf-8")
    report = learned(small, epochs=1)
    assert (report.deployed, report.reason) == (False, "it is not better at all")
    assert (report.started_from, report.served, report.size) == ("base", "base", [128, 64])
    with Site.open(small) as site:
        assert serving(site).name == "base"
        assert find(site, "v1").status == "refused"
        assert (folder_of(site, "v1") / "model.onnx").is_file()


def test_a_foreign_encoder_that_serves_is_compared_with_and_not_learned_from(small: Path, tmp_path: Path) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    with Site.open_to_write(small) as site:
        bring(site, file, who="me", told=Told("rgb", "imagenet"), force=True)
        with pytest.raises(SiteError, match="colours was brought as an ONNX file, from which nothing can learn"):
            adapt(site, who="me", start="colours")
    report = learned(small, epochs=1, size=(64, 32))
    assert (report.started_from, report.served) == ("base", "colours")


def test_weights_in_a_file_can_be_learned_from(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(shipped("base.safetensors"), tmp_path / "mine.safetensors")
    monkeypatch.chdir(tmp_path)
    report = learned(small, epochs=1, start="mine.safetensors", size=(64, 32), force=True)
    assert (report.started_from, report.served) == ("mine.safetensors", "base")
    (tmp_path / "text.pth").write_text("no weights")
    for name, why in (("none.pth", r"There is no file none\.pth"), ("text.pth", r"text\.pth (can't be|holds)")):
        with pytest.raises(SiteError, match=why):
            learned(small, start=name)


def held_back(path: Path) -> set[int]:
    with Site.open(path) as site:
        ids, held = site.split()
    return set(ids[held].tolist())


def found_again(path: Path, model: str, who: dict[int, int]) -> float:
    """mAP of some tracklets among themselves, across cameras, with a version's embeddings."""
    with Site.open(path) as site:
        ids, rows = store_of(site, model).load_whole()
        table = site.tracklet_table()
    camera = table.cameras[np.searchsorted(table.ids, ids)]
    listed = np.isin(ids, list(who))
    people = np.array([who[tracklet_id] for tracklet_id in ids[listed].tolist()])
    everyone = Embeddings(torch.from_numpy(rows[listed].astype(np.float32)), people, camera[listed])
    return evaluate_retrieval(everyone, everyone).mAP


def test_the_next_day_starts_from_the_model_that_serves_holds_back_the_same_and_forgets_nothing(
    adapted: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.learning.plan._probe", told_probe)
    path = Path(shutil.copytree(adapted[0], tmp_path / "site"))
    held = held_back(path)
    first_day = figure_site(tmp_path / "again", people=30, cameras=3, crops=4)  # as `made`
    second_day = figure_site(path, people=10, cameras=3, crops=4, day=1, first=200)
    report = learned(path, epochs=2, size=(64, 32), force=True)
    before, after = (found_again(path, model, first_day) for model in ("v1", "v2"))
    assert 0.3 < before < after + FORGOTTEN
    assert found_again(path, "v2", second_day) > 0.5
    assert (report.model, report.started_from, report.size) == ("v2", "v1", [64, 32])
    with Site.open(path) as site:
        assert open_model(site, serving(site)).size == (64, 32)
    assert report.tracklets > 140
    assert held <= held_back(path)


def test_minutes_bound_the_training_whatever_was_planned(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, allowed = reid.training.train, []

    def train(*arguments: Any, **options: Any) -> Any:
        allowed.append(options.get("seconds"))
        return dataclasses.replace(kept(*arguments, **options), completed=0.25)

    monkeypatch.setattr("reid.training.train", train)
    report = learned(small, minutes=0.2, start="base", size=(64, 32), force=True)
    assert allowed[0] == 1.0  # as what comes after takes longer than all that was asked for
    with Site.open(small) as site:
        planned = find(site, "v1").summary["epochs"] / 0.25
    assert report.epochs == planned * 0.25 and planned >= 1
    learned(small, **CHEAPLY | {"epochs": 1})
    assert allowed[1] is None


@pytest.mark.parametrize("stage", STAGES)
def test_killed_anywhere_the_old_model_serves_and_the_same_adaptation_finishes(
    small: Path, start: Any, stage: str
) -> None:
    killed_at(start, adapt_until, stage, small)
    with Site.open(small) as site:
        assert serving(site).name == ("v1" if stage == "end" else "base")
        assert len(store_of(site, serving(site).name).load()[0]) == 48
        assert list(damage(site)) == []
    assert learned(small, **CHEAPLY).model == "v1"
    all_is_done(small, tracklets=48)


def test_the_command_is_killed_and_given_again(path: Path) -> None:
    """With all that it does: the machine's speed is measured, and the version's own ONNX file is written."""
    process = begin(["-c", ADAPT, "training", *("--site", str(path), *OPTIONS)])
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "here", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Site.open(path) as site:
        assert serving(site).name == "base"
        assert list(damage(site)) == []
    done = run("-m", "app.adapt", "--site", path, *OPTIONS)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["model"], report["deployed"], report["epochs"]) == ("v1", True, 2)
    all_is_done(path, tracklets=180)
    with Site.open(path) as site:
        assert open_model(site, serving(site)).size == (64, 32)


def all_is_done(path: Path, tracklets: int) -> None:
    with Site.open(path) as site:
        assert [model.name for model in site.models()] == ["base", "v1"]
        assert serving(site).name == "v1"
        assert len(store_of(site, "v1").load()[0]) == tracklets
    assert not list((path / "adapt").glob("*")) and not list(path.rglob("*.part"))


def test_too_little_is_told_in_one_sentence(made: Path, typed: Typed, tmp_path: Path) -> None:
    few, alone, empty = tmp_path / "few", tmp_path / "alone", tmp_path / "empty"
    figure_site(few, people=4, cameras=2)
    figure_site(alone, people=64, cameras=1)
    Site.create(empty).close()
    for path, words in (
        (few, "16 tracklets and adapting needs 120"),
        (alone, "are of one camera"),
        (empty, "no tracklets"),
    ):
        refused = typed(command, "--site", path, "--epochs", 1)
        assert (refused.returncode, words in refused.stderr) == (2, True), refused.stderr
    assert typed(command, "--site", tmp_path / "none").returncode == 2
    for option, value, words in (
        ("--device", "abacus", "no device 'abacus'"),
        ("--size", "128", "is not HEIGHTxWIDTH"),
        ("--size", "0x64", "16 to 1024 px"),
        ("--start", "v9", "no model 'v9'"),
        ("--size", "96x48", "whose stripes want a height that 64 divides"),
    ):
        enough = option == "--start" or value == "96x48"  # else it is told before anything is counted
        wrong = typed(command, "--site", made if enough else few, option, value)
        assert (wrong.returncode, words in wrong.stderr) == (2, True), wrong.stderr
    said = run("-m", "app.adapt", "--site", few)
    assert (said.returncode, "adapting needs 120" in said.stderr) == (2, True), said.stderr


def test_a_batch_goes_through_in_parts_where_memory_is_short(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, seen = Encoder.forward, []

    def short(self: Encoder, crops: torch.Tensor) -> torch.Tensor:
        if self.training:
            if len(crops) > 16:
                raise torch.OutOfMemoryError
            seen.append(len(crops))
        return whole(self, crops)

    monkeypatch.setattr(Encoder, "forward", short)
    monkeypatch.setattr("app.learning.plan._probe", probe)
    monkeypatch.setattr("app.learning.plan.PROBE_SECONDS", 0.0)
    report = learned(small, epochs=1, start="base", size=(64, 32), force=True)
    assert (report.deployed, report.epochs) == (True, 1)
    assert max(seen) == 16  # of batches of 64
    monkeypatch.setattr("app.learning.plan.PARTS", (1, 2))
    with pytest.raises(SiteError, match="not enough memory to learn from 32 crops at once"):
        learned(small, epochs=1, start="base", size=(64, 32), seed=1)


# --- somebody is erased meanwhile


MOMENTS = {
    "crops": ("app.learning.adapt", "source_of"),
    "training": ("reid.training.checkpoint", "whole_file"),
    "gate": ("app.learning.adapt", "judged_on"),
}


def erased_at(monkeypatch: pytest.MonkeyPatch, path: Path, moment: str) -> list[int]:
    """Erases a tracklet that is learned from, once, at a moment of the adaptation. From then on it is in the list."""
    gone: list[int] = []

    def erase() -> None:
        if not gone:
            (plan,) = (path / "adapt").glob("v*/plan.json")
            gone.append(json.loads(plan.read_text())["learn"][3])
            with Site.open_to_write(path) as other:
                forget(other, who="me", tracklets=gone)

    def before(owner: str, name: str) -> None:
        target = importlib.import_module(owner)
        kept = getattr(target, name)

        def erasing(*arguments: Any, **options: Any) -> Any:
            erase()
            return kept(*arguments, **options)

        monkeypatch.setattr(target, name, erasing)

    before(*MOMENTS[moment])
    return gone


def test_what_a_person_said_is_learned_from(small: Path, tmp_path: Path) -> None:
    with Site.open_to_write(small) as site:
        one, two, three, four, unknown = site.tracklet_table().ids[:5].tolist()
        said = [Correction("join", one, two), Correction("split", three, four), Correction("join", one, unknown)]
        site.correct([*said, Correction("unsure", one, three)], "me", 1.0)
        beside = site.cannot_link()
        learn = [number for number in site.tracklet_table().ids.tolist() if number != unknown]
        dataset = TrackletDataset.build(tmp_path / "crops", source_of(site, learn, 8), 64, 32)
    linked = np.sort(dataset.source_tracklet[dataset.must_link], axis=1)
    assert linked.tolist() == [sorted((one, two))]
    apart = {tuple(pair) for pair in np.sort(dataset.source_tracklet[dataset.cannot_link], axis=1).tolist()}
    expected = {tuple(sorted(pair)) for pair in beside.tolist() if unknown not in pair}
    assert apart == expected | {tuple(sorted((three, four)))}


@pytest.mark.parametrize("moment", MOMENTS)
def test_who_is_erased_meanwhile_is_not_learned_from(small: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    gone = erased_at(monkeypatch, small, moment)
    report = learned(small, epochs=1, start="base", size=(64, 32), force=True)
    assert (report.model, report.deployed, report.tracklets) == ("v1", True, 37)
    with Site.open(small) as site:
        assert gone[0] not in store_of(site, "v1").load()[0]
        assert not site.are_tracklets(np.array(gone))
        assert list(damage(site)) == []
    assert not list((small / "adapt").glob("*"))


def test_an_adaptation_that_was_killed_keeps_nothing_of_who_is_erased(small: Path, start: Any) -> None:
    killed_at(start, adapt_until, "training", small)
    (run_folder,) = (small / "adapt").glob("v*")
    learn = json.loads((run_folder / "plan.json").read_text())["learn"]
    assert (run_folder / "crops" / "crops.u8").stat().st_size == len(learn) * 4 * 64 * 32 * 3 > 9 * 10**5
    assert (run_folder / "training").is_dir()
    with Site.open_to_write(small) as site:
        forget(site, who="me", tracklets=json.loads((run_folder / "plan.json").read_text())["learn"][:1])
    assert not run_folder.exists()


@pytest.fixture
def shared(cheap: None, postgres: str, tmp_path: Path) -> tuple[Path, Path]:
    """A site of 48 tracklets that two machines share, each with a folder of its own."""
    path, elsewhere = tmp_path / "shared site", tmp_path / "elsewhere"
    create(path, Places(new_schema(postgres), f"file://{tmp_path}/store"), who="test")
    figure_site(path, people=12, cameras=2)
    elsewhere.mkdir()
    shutil.copy(path / STORE, elsewhere / STORE)
    return path, elsewhere


def interrupted(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Adapts CHEAPLY until the first checkpoint is carried, in the middle of training. Returns who it learns from."""
    kept = Adaptations.carry

    def carried(self: Adaptations, name: str) -> None:
        kept(self, name)
        if (self.run(name) / "training" / "checkpoint.pt").is_file():
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Adaptations, "carry", carried)
        patched.setattr("reid.training.checkpoint.CHECKPOINT_SECONDS", 0.0)
        with pytest.raises(KeyboardInterrupt):
            learned(path, **CHEAPLY)
    (run_folder,) = (path / "adapt").glob("v1")
    learn: list[int] = json.loads((run_folder / "plan.json").read_text())["learn"]
    return learn


def stored(path: Path) -> list[str]:
    """What the store has of adaptations."""
    return sorted(file.name for file in (path.parent / "store" / "adapt").rglob("*") if file.is_file())


def test_another_machine_goes_on_with_the_last_checkpoint_and_ends_the_same(
    shared: tuple[Path, Path], small: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, elsewhere = shared
    interrupted(path, monkeypatch)
    assert stored(path) == ["checkpoint.pt", "log.jsonl", "plan.json"]
    shutil.rmtree(path / "adapt")
    with caplog.at_level("INFO", "sightline"):
        assert learned(elsewhere, **CHEAPLY).model == "v1"
    assert "Going on with v1" in caplog.text and "going on at step" in caplog.text and stored(path) == []
    learned(small, **CHEAPLY)
    with Site.open(elsewhere) as site, Site.open(small) as alone:
        assert serving(site).weights_sha256 == serving(alone).weights_sha256
        assert list(damage(site)) == []


def test_whom_another_machine_erases_an_interrupted_adaptation_keeps_nowhere(
    shared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, elsewhere = shared
    gone = interrupted(path, monkeypatch)[0]
    with Site.open_to_write(elsewhere) as other:
        assert not (elsewhere / "adapt").exists()
        assert forget(other, who="test", tracklets=[gone]).adaptations == 1
        assert Adaptations(other.database).of([gone]) == [] == stored(path)
    with Site.open_to_write(path) as site:
        assert Adaptations(site.database).runs() == [] and not list((path / "adapt").iterdir())


def test_whom_another_machine_erases_meanwhile_is_not_learned_from(
    shared: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, elsewhere = shared
    monkeypatch.setattr("app.learning.adapt.LOOK", 0.0)
    kept, erased = reid.training.train, []

    def train(dataset: TrackletDataset, *arguments: Any, **options: Any) -> Any:
        if not erased:
            erased.append(int(dataset.source_tracklet[0]))
            with Site.open_to_write(elsewhere) as other:
                forget(other, who="test", tracklets=erased)
        return kept(dataset, *arguments, **options)

    monkeypatch.setattr("reid.training.train", train)
    report = learned(path, **CHEAPLY)
    assert report.deployed and report.tracklets + report.held_back == 47 and stored(path) == []
    assert not list((path / "adapt").glob("*"))


def test_two_adaptations_at_once_are_refused(made: Path, typed: Typed) -> None:
    with Site.open_to_write(made) as site, site.lease(LEARNING):
        second = typed(command, "--site", made, *OPTIONS)
    assert (second.returncode, second.stdout) == (2, "")
    assert (
        "is adapting or adding a model at the site" in second.stderr and "run the same command again" in second.stderr
    )
