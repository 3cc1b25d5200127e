"""Methods against each other: the table's figures, the plots, labels with changes."""

from __future__ import annotations

import re
import statistics
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid.benchmarks.noise import Noise
from reid.methods.eea import EEAConfig
from reid.training import Result, Settings, TrainingError, comparison, preset
from reid.training.comparison import (
    Contender,
    common_batch,
    compare,
    contender_named,
    contenders_named,
    deviations,
    mean_and_spread,
    on_split,
    plots,
    table,
)


def contender(label: str, values: list[float], *, tested: bool = True) -> Contender:
    """Of two epochs. A seed's score grows by 0.1 in each."""

    def scores(value: float) -> dict[str, float]:
        return dict.fromkeys(("mAP", "rank1", "rank5", "rank10", "rank20", "mINP"), value)

    results, logs = [], []
    for value in values:
        final = scores(value) if tested else None
        start = scores(0.1) if tested else None
        results.append(Result(label, "raw-tracklets", 2, 20, 1200, 20.0, 100.0, start, final, "m"))
        lines: list[dict[str, Any]] = [{"epoch": n, "seconds": 10.0 * n, "associations": 10.0 * n} for n in (1, 2)]
        if tested:
            for number, line in enumerate(lines):
                line |= scores(value - 0.1 * (1 - number)) | {"association_precision": 0.5 * value}
        logs.append(lines)
    return Contender(label, preset(label.partition(":")[0]), results, logs)


def test_means_and_spreads() -> None:
    assert mean_and_spread([]) is None
    assert mean_and_spread([0.5]) == (0.5, 0.0)
    assert mean_and_spread([0.1, 0.2, 0.6]) == pytest.approx((0.3, statistics.stdev([0.1, 0.2, 0.6])))


def test_the_table() -> None:
    text = table([contender("eea", [0.3, 0.4]), contender("eea:inter=False", [0.25, 0.25])])
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head == (
        "| method | otherwise than printed | mAP | rank-1 | rank-5 | rank-10 | mINP | true associations | steps "
        "| images | seconds | images/s |"
    )
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    changed = " scale=16.0, exemplars=features, neighbours=4, cannot_link=True "
    assert [row.split("|")[1:4] for row in rows] == [
        [" *untrained* ", "  ", " 10.0 ± 0.0 "],
        [" eea ", changed, " 35.0 ± 7.1 "],
        [" eea:inter=False ", changed, " 25.0 ± 0.0 "],
    ]
    assert rows[1].endswith("| 17.5 ± 3.5 | 20 | 1200 | 20 | 100 |")
    assert text.endswith("\n\nEach run had 20 steps and 1,200 images.\n")


def test_other_budgets_are_told() -> None:
    one, other = contender("eea", [0.3]), contender("utal", [0.3])
    other.results[0] = replace(other.results[0], images=1300)
    assert "Budgets differ: see the columns" in table([one, other])


def test_without_a_test_the_table_has_times_only() -> None:
    text = table([contender("eea", [0.3], tested=False)])
    assert "|  | 20 | 1200 | 20 | 100 |" in text and "mAP" not in text


def test_curves_are_means_over_seeds(tmp_path: Path) -> None:
    dal = contender("dal", [0.3, 0.5])
    np.testing.assert_allclose(dal.curve("mAP"), [(1.0, 10.0, 0.3), (2.0, 20.0, 0.4)])
    assert dal.curve("nothing") == []
    assert [path.name for path in plots([dal], tmp_path)] == ["mAP.png", "associations.png"]
    assert [path.name for path in plots([contender("dal", [0.3], tested=False)], tmp_path)] == ["associations.png"]


def test_without_matplotlib_there_is_a_table_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert plots([contender("dal", [0.3])], tmp_path) == []
    source = Path(comparison.__file__).read_text(encoding="utf-8")
    assert not re.search(r"^(import|from) matplotlib", source, re.MULTILINE)


def test_a_label_names_a_method_and_its_changes() -> None:
    label = "eea:scale=8.0,recipe.frames=2,noise.duplicated=0.1"
    settings = contender_named(label, ["recipe.batch=12", "scale=4.0"], "practical", data="nowhere")
    config = settings.config
    assert isinstance(config, EEAConfig) and (config.recipe.batch, config.recipe.frames, config.scale) == (12, 2, 8.0)
    assert settings.noise == Noise(duplicated=0.1)


def test_all_have_batches_of_whole_tracklets_evenly_over_cameras(data_folder: Path) -> None:
    assert [common_batch([1, 4, 2], cameras) for cameras in (6, 3, 1)] == [72, 60, 60]
    data = {"data": f"market1501:{data_folder / 'tiny'}", "protocol": "raw-tracklets"}  # of three cameras
    settings = contenders_named(["utal", "eea:recipe.batch=8"], [], "practical", **data)
    recipes = [contender.config.recipe for contender in settings.values()]
    assert [(recipe.batch, recipe.epoch) for recipe in recipes] == [(60, "images"), (8, "images")]


def test_the_papers_experiments_of_the_docs_are_ones_that_there_are() -> None:
    page = Path(comparison.__file__).parents[2] / "docs" / "researchers.md"
    labels = [word for line in re.findall(r"--methods ([^`\n]+)", page.read_text("utf-8")) for word in line.split()]
    labels = [label for label in labels if not label.startswith("--") and not label.isdecimal()]
    assert len(labels) > 25
    for label in {label for label in labels if label.partition(":")[0] in ("utal", "uga", "eea", "ssl", "dal")}:
        assert contender_named(label, [], "practical", data="nowhere").data == "nowhere"


def test_deviations_are_those_from_the_paper() -> None:
    assert deviations(preset("utal", "faithful")) == []
    changed = deviations(replace(preset("dal"), recipe=replace(preset("dal").recipe, batch=3, clip_value=5.0)))
    assert "update=averaged" in changed and "recipe.clip_value=5.0" in changed
    assert not any(change.startswith("recipe.batch") for change in changed)


def test_a_split_is_named_in_the_data() -> None:
    assert on_split("prid2011:/data/prid", 3) == "prid2011@3:/data/prid"
    with pytest.raises(TrainingError, match="names one split already"):
        on_split("prid2011@1:/data/prid", 3)


@pytest.mark.parametrize(("label", "said"), [("eea:inter", "--methods eea:inter: 'inter' is not NAME=VALUE")])
def test_a_label_that_is_none_is_told(label: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        contender_named(label, [], "practical", data="nowhere")


@pytest.mark.parametrize("epochs", [(None, None), (2, 3)])
def test_all_have_one_budget(epochs: tuple[int | None, int | None], tmp_path: Path) -> None:
    settings, other = (Settings(preset("eea"), "market1501:nowhere", epochs=count) for count in epochs)
    with pytest.raises(TrainingError, match="epochs"):
        compare({"one": settings, "other": other}, [0], tmp_path)


def test_all_splits_are_trained_on_each_with_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[str, int, str, str]] = []

    def train(settings: Settings, out: Path, *, crops: Path, **_: Any) -> Result:
        trained.append((settings.data, settings.seed, out.name, crops.name))
        out.mkdir(parents=True)
        (out / "log.jsonl").write_text('{"epoch": 1, "seconds": 1.0}\n', encoding="utf-8")
        return contender("dal", [0.1]).results[0]

    monkeypatch.setattr(comparison, "train_benchmark", train)
    monkeypatch.setattr(comparison, "splits_of", lambda settings, all_splits: range(2 if all_splits else 1))
    settings = Settings(preset("dal"), "prid2011:DIR", epochs=1)
    (entry,) = compare({"dal": settings}, [0, 5], tmp_path, all_splits=True)
    assert trained == [
        (f"prid2011@{split}:DIR", seed, f"dal-split{split}-seed{seed}", f"crops-split{split}")
        for split in (0, 1)
        for seed in (0, 5)
    ]
    assert len(entry.results) == len(entry.epochs) == 4
    compare({"dal": settings}, [7], tmp_path)
    assert trained[4:] == [("prid2011:DIR", 7, "dal-seed7", "crops")]
