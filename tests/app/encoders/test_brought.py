"""Encoders that were trained elsewhere become versions: found out about, embedded, judged, serving, rolled back."""

from __future__ import annotations

import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from onnx import helper

from app.encoders import brought
from app.encoders.brought import Brought, bring
from app.encoders.repair import repair
from app.encoders.versions import BASE, find, folder_of, open_model, serving, store_of, use, weights_of
from app.errors import SiteError
from app.models import commands
from app.record import Site
from app.record.forget import forget
from app.record.verify import damage
from app.search.query import query
from app.search.searcher import Wish
from deploy.encoder import OnnxError
from deploy.models import shipped
from deploy.preprocessing import Preprocessing, Told
from deploy.probe import ProbeError
from reid.encoder import load_encoder
from tests.app import sites
from tests.app.sites import People, figure_site
from tests.app.typed import Typed
from tests.app.works import boxed_export
from tests.deploy.encoders import USUAL, binned_colours

PEOPLE, PIECES, CAMERAS = 14, 2, 2
TRACKLETS = PEOPLE * PIECES * CAMERAS


def red_and_green(rng: np.random.Generator, person: int, camera: int, picture: int) -> bytes:
    """A picture whose red and green cells tell who it is, and a little where. Its blue ones are noise."""
    who, where = np.random.default_rng([1, person]), np.random.default_rng([2, camera, picture])
    cells = who.integers(0, 256, (8, 2, 2)) + where.normal(0, 25, (8, 2, 2)) + rng.normal(0, 30, (8, 2, 2))
    cells = np.concatenate([cells, rng.integers(0, 256, (8, 2, 1))], 2)
    pixels = np.repeat(np.repeat(np.clip(cells, 0, 255).astype(np.uint8), 8, 0), 16, 1)
    return cv2.imencode(".jpg", pixels[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, People]]:
    """A site of such pictures. Only to be copied."""
    path = tmp_path_factory.mktemp("brought") / "site"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sites, "jpeg", red_and_green)
        yield path, figure_site(path, people=PEOPLE, cameras=CAMERAS, pieces=PIECES, crops=4)


@pytest.fixture(scope="module")
def made_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that is too small to find out anything, or for the gate to judge. Only to be copied."""
    path = tmp_path_factory.mktemp("small") / "site"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sites, "jpeg", red_and_green)
        figure_site(path, people=6, cameras=CAMERAS, pieces=PIECES, crops=2)
    return path


@pytest.fixture
def small(made_small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_small, tmp_path / "small"))


@pytest.fixture
def path(made: tuple[Path, People], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "site"))


@pytest.fixture(autouse=True)
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process of its own for files that these tests make: `tests/deploy/test_probe.py` has that."""

    def tried_here(path: Path, function: str) -> None:
        try:
            brought.read_foreign(path)
        except OnnxError as error:
            raise ProbeError(str(error)) from error

    monkeypatch.setattr(brought, "probe", tried_here)


def brought_into(path: Path, file: Path, **options: Any) -> Brought:
    with Site.open_to_write(path) as site:
        return bring(site, file, who="me", **options)


@pytest.mark.parametrize(
    ("wants", "form"),
    [
        (USUAL, {}),
        (USUAL, {"channels_last": True}),
        (Preprocessing("bgr", "255"), {}),
        (Preprocessing("bgr", "255"), {"type": "uint8", "channels_last": True}),
        (Preprocessing("rgb", "half"), {"map_output": True}),
        (Preprocessing("rgb", "1"), {"batch": 1}),
    ],
    ids=str,
)
def test_what_an_encoder_wants_is_found(path: Path, tmp_path: Path, wants: Preprocessing, form: dict[str, Any]) -> None:
    done = brought_into(path, binned_colours(tmp_path / "colours.onnx", wants, **form))
    assert (done.model, done.input, done.scale, done.preprocessing_by) == ("colours", wants.input, wants.scale, "trial")
    assert len(done.trials) == (2 if form.get("type") == "uint8" else 8)
    best, *others = done.trials
    assert (best.input, best.scale) == (wants.input, wants.scale)
    assert best.first_found > 0.8 and all(trial.information < best.information for trial in others)


def test_a_better_one_serves_and_is_rolled_back(path: Path, tmp_path: Path, made: tuple[Path, People]) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    done = brought_into(path, file)
    assert (done.deployed, done.serves, done.served, done.size) == (True, True, BASE, [64, 32])
    assert "a gain of" in done.reason and done.gate is not None and done.gate["score"] > 0.5
    who = made[1]
    with Site.open_to_write(path) as site:
        model = serving(site)
        assert (model.name, model.status, model.weights_sha256) == ("colours", "deployed", None)
        assert model.calibration is not None and -1 <= model.summary["across"] <= 1
        assert store_of(site, "colours").load()[0].tolist() == sorted(who)
        assert store_of(site, "colours").load()[1].shape[2] == done.dimensions
        assert open_model(site, model).size == (64, 32)
        entry = site.audit()[-1]
        assert (entry.who, entry.action) == ("me", "models add")
        assert entry.details["file"] == "colours.onnx" and entry.details["deployed"] is True
        asked = min(who)
        report, _ = query(site, asked, Wish(top=5), who="me")
        assert who[report.people[0].matches[0].tracklet] == who[asked]
        assert list(damage(site)) == []
        use(site, BASE, who="me")
        assert serving(site).name == BASE
        use(site, "colours", who="me")
        assert serving(site).name == "colours"


def test_one_that_is_no_better_is_kept_and_may_serve_later(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    monkeypatch.setattr("reid.gate.better", lambda candidate, before: (False, "it is not better at all"))
    done = brought_into(path, file)
    assert (done.deployed, done.serves, done.reason) == (False, False, "it is not better at all")
    assert brought_into(path, file) == done  # once more: nothing is done again
    with Site.open_to_write(path) as site:
        assert serving(site).name == BASE
        kept = find(site, "colours")
        assert (kept.status, kept.reason) == ("refused", "it is not better at all")
        assert kept.calibration is not None and "across" in kept.summary
        use(site, "colours", who="me")
        assert serving(site).name == "colours"
        use(site, BASE, who="me")
    assert not brought_into(path, file).serves  # who rolled back has a reason
    other = binned_colours(tmp_path / "other.onnx")
    forced = brought_into(path, other, force=True)
    assert (forced.serves, forced.reason) == (True, "forced, though it is not better at all")


def test_one_that_was_refused_may_be_forced(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    monkeypatch.setattr("reid.gate.better", lambda candidate, before: (False, "it is not better"))
    assert not brought_into(small, file, told=Told("rgb", "imagenet")).serves
    assert brought_into(small, file, force=True).serves


def test_another_file_does_not_take_a_name(small: Path, tmp_path: Path) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    brought_into(small, file, told=Told("rgb", "imagenet"))
    binned_colours(file, Preprocessing("bgr", "1"))
    with pytest.raises(SiteError, match="has a model colours already, of another file: give another --as"):
        brought_into(small, file)
    binned_colours(file)
    with pytest.raises(SiteError, match=r"colours is colours\.onnx with rgb imagenet already"):
        brought_into(small, file, told=Told("bgr"))
    assert brought_into(small, file, name="second", told=Told("bgr", "255")).input == "bgr"


class Killed(BaseException):
    """As by SIGKILL: nothing catches it."""


@pytest.mark.parametrize(
    ("moment", "turn"),
    [
        ("app.encoders.brought.convert", 1),
        ("app.record.Site.add_model", 1),
        ("app.encoders.embed.keep", 2),
        ("app.encoders.brought.judged_on", 2),
        ("app.encoders.versions.calibrate", 1),
        ("app.record.Site.add_model", 2),
    ],
)
def test_killed_anywhere_the_same_command_comes_to_the_same_end(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, turn: int
) -> None:
    file, count = binned_colours(tmp_path / "colours.onnx"), 0
    options: dict[str, Any] = {"told": Told("rgb", "imagenet"), "force": True}
    owner, _, name = moment.rpartition(".")
    kept: Any = Site if owner.endswith("Site") else importlib.import_module(owner)
    function = getattr(kept, name)

    def stop(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count == turn:
            raise Killed
        return function(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(kept, name, stop)
        with pytest.raises(Killed):
            brought_into(small, file, **options)
    with Site.open(small) as site:
        assert serving(site).name == BASE
    done = brought_into(small, file, **options)
    assert (done.serves, done.input, done.scale) == (True, "rgb", "imagenet")
    with Site.open(small) as site:
        assert len(store_of(site, "colours").load()[0]) == 24
        assert list(damage(site)) == []
        assert [model.name for model in site.models()] == [BASE, "colours"]


def test_embeddings_of_a_killed_run_that_was_told_otherwise_do_not_stay(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = binned_colours(tmp_path / "colours.onnx")

    def stop(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(brought, "_judged", stop)
        with pytest.raises(Killed):
            brought_into(small, file, told=Told("bgr", "1"))
    with Site.open(small) as site:
        wrong = store_of(site, "colours").load()[1]
    assert brought_into(small, file, told=Told("rgb", "imagenet"), force=True).scale == "imagenet"
    with Site.open(small) as site:
        assert not np.array_equal(store_of(site, "colours").load()[1], wrong)


def test_a_small_site_is_not_guessed_on(small: Path, tmp_path: Path) -> None:
    file = binned_colours(tmp_path / "colours.onnx")
    with pytest.raises(SiteError, match=r"24 tracklets of two pictures or more, and 40 tell how .* give --input"):
        brought_into(small, file)
    done = brought_into(small, file, told=Told("rgb", "imagenet"))
    assert (done.preprocessing_by, done.trials) == ("told", [])


def test_what_the_tracklets_do_not_tell_is_not_guessed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reid.halves.SURELY", 1e6)
    with pytest.raises(SiteError, match=r"do not tell how colours\.onnx wants its pictures \(halves .*rgb imagenet 8"):
        brought_into(path, binned_colours(tmp_path / "colours.onnx"))


def test_one_that_normalises_by_itself_takes_any_scale(path: Path, tmp_path: Path) -> None:
    """To it all scales are one: the most usual is taken. The order of colours it is no matter of either."""
    head = [
        helper.make_node("ReduceMean", ["colours"], ["mean"], axes=[2, 3]),
        helper.make_node("Sub", ["colours", "mean"], ["centred"]),
        helper.make_node("Flatten", ["centred"], ["feature"]),
    ]
    done = brought_into(path, binned_colours(tmp_path / "colours.onnx", head=head), told=Told("rgb"))
    assert done.input == "rgb" and done.preprocessing_by == "trial"


def test_of_two_outputs_the_better_embedding_is_taken(path: Path, tmp_path: Path) -> None:
    head = [
        helper.make_node("Identity", ["rows"], ["feature"]),
        helper.make_node("ReduceMean", ["cells"], ["average"], axes=[2, 3], keepdims=0),
    ]
    done = brought_into(
        path,
        binned_colours(tmp_path / "colours.onnx", head=head, outputs=("average", "feature")),
        told=Told("rgb", "imagenet"),
    )
    assert done.output == "feature"
    assert sorted(trial.output for trial in done.trials) == ["average", "feature"]


def test_one_that_sees_nothing_is_refused(small: Path, tmp_path: Path) -> None:
    """To which all pictures are black, as told wrongly: its answers are zeros, which have no direction."""
    done = brought_into(small, binned_colours(tmp_path / "colours.onnx"), told=Told("rgb", "255"))
    assert not done.serves
    with Site.open(small) as site:
        assert find(site, "colours").status == "refused" and serving(site).name == BASE


def test_erasing_does_not_name_one_that_learned_elsewhere(small: Path, tmp_path: Path) -> None:
    brought_into(small, binned_colours(tmp_path / "colours.onnx"), told=Told("rgb", "imagenet"), force=True)
    with Site.open_to_write(small) as site:
        leaving = site.tracklet_table().ids[:1].tolist()
        assert forget(site, who="me", tracklets=leaving).models == []
        assert leaving[0] not in store_of(site, "colours").load()[0]


def test_weights_of_ours_can_be_learned_from(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.export.export_model", boxed_export)
    monkeypatch.setattr(brought, "checked_weights", lambda path: path)
    file = Path(shutil.copy(shipped("base.safetensors"), tmp_path / "run.safetensors"))
    done = brought_into(small, file, force=True)
    assert (done.serves, done.preprocessing_by, done.size, done.dimensions) == (True, "the file", [128, 64], 512)
    with Site.open(small) as site:
        assert load_encoder(weights_of(site, "run")).config == load_encoder(weights_of(site, BASE)).config
        assert find(site, "run").summary["backbone"] == "light"
        assert list(damage(site)) == []
    with pytest.raises(SiteError, match="takes rgb 255, which --input and --scale exclude"):
        brought_into(small, file, name="other", told=Told("bgr"))


def test_a_damaged_file_is_told_and_nothing_else_is_lost(small: Path, tmp_path: Path) -> None:
    brought_into(small, binned_colours(tmp_path / "colours.onnx"), told=Told("rgb", "imagenet"), force=True)
    with Site.open_to_write(small) as site:
        file = folder_of(site, "colours") / "model.onnx"
        file.write_bytes(file.read_bytes()[:-1])
        assert any("is not the file that was deployed" in str(wrong) for wrong in damage(site))
        repair(site, who="me")
        use(site, BASE, who="me")
        assert serving(site).name == BASE


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("none.onnx",), "There is no file"),
        (("text.txt",), "is no encoder: name an ONNX file"),
        (("text.onnx",), "is not an ONNX file"),
        (("text.safetensors",), "is no encoder of this version"),
        (("text.pth",), "text.pth"),
        (("good.onnx", "--as", "base"), "can't be a version's name"),
        (("good.onnx", "--as", "v7"), "can't be a version's name"),
        (("good.onnx", "--as", "../up"), "can't be a version's name"),
    ],
)
def test_what_is_refused_is_one_sentence(small: Path, tmp_path: Path, typed: Typed, words: Any, why: str) -> None:
    for name in ("text.txt", "text.onnx", "text.safetensors", "text.pth"):
        (tmp_path / name).write_text("no model")
    binned_colours(tmp_path / "good.onnx")
    done = typed(commands, "add", tmp_path / words[0], *words[1:], "--site", small)
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr and done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1
    with Site.open(small) as site:
        assert [model.name for model in site.models()] == [BASE]


def test_the_command_says_what_was_found(path: Path, tmp_path: Path, typed: Typed) -> None:
    file = binned_colours(tmp_path / "my colours 2.onnx", Preprocessing("bgr", "1"))
    done = typed(commands, "add", file, "--site", path)
    assert done.returncode == 0, done.stderr
    assert "my-colours-2: crops of 64×32 px, bgr, scale 1 (found on the site's own tracklets)" in done.stdout
    assert "my-colours-2 serves now." in done.stdout and done.stdout.count("imagenet") == 2
    again = json.loads(typed(commands, "add", file, "--site", path, "--json").stdout)
    assert (again["model"], again["scale"], again["serves"]) == ("my-colours-2", "1", True)
    listed = typed(commands, "--site", path).stdout
    assert "brought" in listed and "64×32" in listed
