"""How versions of an encoder came to be, drawn."""

from __future__ import annotations

from typing import Any

from app.record.rows import ModelRecord
from app.report.model_plots import gate, losses


def version(name: str, summary: dict[str, Any]) -> ModelRecord:
    return ModelRecord(name, 0.0, "", "deployed", "", summary, None, False)


def test_losses_are_drawn_with_their_gaps_and_the_same_each_time() -> None:
    curves = {"steps": [50, 88, 264], "losses": {"pctd": [3.5, 3.4, 3.1], "$ccta": [None, 2.2, 1.9]}}
    drawn = losses(version("v1", {"curves": curves}))
    assert drawn is not None and b">pctd<" in drawn and b">$ccta<" in drawn
    assert losses(version("v1", {"curves": curves})) == drawn


def test_who_kept_no_curve_has_none() -> None:
    assert losses(version("base", {})) is None
    assert losses(version("v1", {"curves": {"steps": [50], "losses": {"pctd": [3.5]}}})) is None


def test_the_gate_is_drawn_of_those_that_were_judged() -> None:
    scores = {"gate": {"score": 0.6}, "gate_before": {"score": 0.5}}
    assert gate([version("base", {})]) is None
    drawn = gate([version("base", {}), version("v1", scores), version("v2", scores)])
    assert drawn is not None and b">v1<" in drawn and b">v2<" in drawn and b">base<" not in drawn
