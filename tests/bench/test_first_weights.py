"""First weights are compared on the same crops, and chosen on rendered people alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.terminal import alone
from bench import first_weights
from bench.encoder import LabelledCrops
from bench.first_weights import Contender, cells, compare
from deploy.models import base
from deploy.models.base import Recipe, Trained
from reid.encoder import EncoderConfig, EncoderError
from reid.encoder.packaged import PACKAGES
from reid.progress import unheard
from tests.deploy.models.coloured import coloured_crops

TINY = EncoderConfig(channels=(4, 8, 8, 8, 8), stripes=2, dimensions=16, height=64, width=32)
RECIPE = Recipe(people=12, held_out=3, styles=3, shots=2, epochs=1, people_a_batch=4, encoder=TINY, crops_a_person=2)


def test_rates_are_chosen_on_rendered_people_and_the_first_learns_as_long_as_the_slowest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slower = dataclasses.replace(TINY, channels=(4, 8, 8, 8, 12))
    contenders = {"first": Contender(TINY, "random", (2e-3,)), "slower": Contender(slower, "random", (2e-3, 5e-4))}
    monkeypatch.setattr(first_weights, "CONTENDERS", contenders)
    monkeypatch.setattr(base, "LOG_EVERY", 1)

    def read_log(folder: Path, recipe: Recipe) -> Trained:
        """The slower takes three times as long, and the lower rate tells more."""
        speed = 10.0 if recipe.encoder == slower else 30.0
        logged = base.read_log(folder, recipe)
        return dataclasses.replace(logged, images_per_cpu_second=speed, mAP=1 - recipe.learning_rate)

    monkeypatch.setattr(first_weights, "read_log", read_log)
    crops = coloured_crops(tmp_path)
    people = LabelledCrops(list(crops.take(crops.starts[:-1]).numpy()) * 2, [0, 1, 2] * 2, [0] * 3 + [1] * 3)
    rows = compare(crops, (people, people), tmp_path, RECIPE, 0, unheard)
    assert [(row.contender, row.learning_rate, row.epochs, row.market is not None) for row in rows] == [
        ("first", 2e-3, 1, True),
        ("slower", 2e-3, 1, False),
        ("slower", 5e-4, 1, True),
        ("first, longer", 2e-3, 3, True),
    ]
    assert rows[2].minutes == pytest.approx(rows[3].minutes)
    assert rows[0].parameters == rows[3].parameters < rows[1].parameters
    assert all(row.crops_per_cpu_second for row in rows if row.market)
    assert cells(rows[1])[-2:] == ("–", "–") and cells(rows[3])[3] == f"{3 * rows[0].trained.images:,}"
    again = compare(crops, (people, people), tmp_path, RECIPE, 0, unheard)
    assert [(row.trained, row.market) for row in again] == [(row.trained, row.market) for row in rows]


def test_weights_that_are_not_installed_are_missed_before_anything_is_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = dataclasses.replace(PACKAGES["mobilenet_v2"], name="no-such-package")
    monkeypatch.setitem(PACKAGES, "mobilenet_v2", absent)
    monkeypatch.setattr(first_weights, "read_market", lambda _: LabelledCrops())
    monkeypatch.setattr(first_weights, "render", lambda *_: pytest.fail("rendered"))
    ended = CliRunner().invoke(
        alone(first_weights.command), ["--market", str(tmp_path), "--out", str(tmp_path / "run")]
    )
    assert isinstance(ended.exception, EncoderError)
    assert "no-such-package, which is not installed" in str(ended.exception)
