"""Methods against each other: the table's figures, the plots, labels with changes."""

from __future__ import annotations

import re
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reid.training import Result, Settings, TrainingError, comparison, preset
from reid.training.comparison import Contender, compare, contender_named, mean_and_spread, plots, table


def contender(label: str, values: list[float], *, tested: bool = True) -> Contender:
    """Of two epochs. A seed's score grows by 0.1 in each."""

    def scores(value: float) -> dict[str, float]:
        return dict.fromkeys(("mAP", "rank1", "rank5", "rank10", "rank20", "mINP"), value)

    results, logs = [], []
    for value in values:
        final = scores(value) if tested else None
        results.append(Result(label, "raw-tracklets", 2, 20.0, 100.0, scores(0.1) if tested else None, final, "m"))
        lines: list[dict[str, Any]] = [{"epoch": n, "seconds": 10.0 * n, "associations": 10.0 * n} for n in (1, 2)]
        if tested:
            for number, line in enumerate(lines):
                line |= scores(value - 0.1 * (1 - number)) | {"association_precision": 0.5 * value}
        logs.append(lines)
    return Contender(label, results, logs)


def test_means_and_spreads() -> None:
    assert mean_and_spread([]) is None
    assert mean_and_spread([0.5]) == (0.5, 0.0)
    assert mean_and_spread([0.1, 0.2, 0.6]) == pytest.approx((0.3, statistics.stdev([0.1, 0.2, 0.6])))


def test_the_table() -> None:
    text = table([contender("eea", [0.3, 0.4]), contender("eea:inter=False", [0.25, 0.25])])
    head, rule, *rows = [line for line in text.splitlines() if line.startswith("|")]
    assert head == "| method | mAP | rank-1 | rank-5 | rank-10 | mINP | true associations | seconds | images/s |"
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert [row.split("|")[1:3] for row in rows] == [
        [" *untrained* ", " 10.0 ± 0.0 "],
        [" eea ", " 35.0 ± 7.1 "],
        [" eea:inter=False ", " 25.0 ± 0.0 "],
    ]
    assert rows[1].endswith("| 17.5 ± 3.5 | 20 | 100 |")


def test_without_a_test_the_table_has_times_only() -> None:
    text = table([contender("eea", [0.3], tested=False)])
    assert "| eea |  | 20 | 100 |" in text and "mAP" not in text


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
    name, changes = contender_named("eea:scale=8.0,recipe.frames=2", ["recipe.batch=12", "scale=4.0"])
    config = changes.applied_to(preset(name))
    assert name == "eea" and (config.recipe.batch, config.recipe.frames, config.recipe.epoch) == (12, 2, "images")
    assert changes.method == {"scale": 8.0}
    assert contender_named("utal", ["recipe.epoch=tracklets"])[1].recipe == {"epoch": "tracklets"}


@pytest.mark.parametrize(("label", "said"), [("eea:inter", "--methods eea:inter: 'inter' is not NAME=VALUE")])
def test_a_label_that_is_none_is_told(label: str, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        contender_named(label, [])


@pytest.mark.parametrize("epochs", [(None, None), (2, 3)])
def test_all_have_one_budget(epochs: tuple[int | None, int | None], tmp_path: Path) -> None:
    settings, other = (Settings(preset("eea"), "market1501:nowhere", epochs=count) for count in epochs)
    with pytest.raises(TrainingError, match="epochs"):
        compare({"one": settings, "other": other}, [0], tmp_path)
