"""The upper bound of adapting learns from just the tracklets that a site's versions learned from, with labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import FootageError, SiteError
from app.record import Site
from bench.benchmark_site import write_site
from bench.labelled import command
from reid.benchmarks.parts import RAW
from reid.encoder import load_encoder
from tests.reid import figures


def test_labels_teach_what_versions_learned_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures.market(tmp_path / "people", people=8, tested=3, frames=3)
    site, truth, out = tmp_path / "site", tmp_path / "truth", tmp_path / "run"
    write_site(f"market1501:{tmp_path / 'people'}", RAW, site, truth)
    with pytest.raises(SiteError, match="adapt it first"):
        command(site, truth, out, epochs=1)
    with Site.open_to_write(site) as opened:
        ids = opened.tracklet_table().ids
        opened.add_to_split(ids, np.arange(len(ids)) < 2)
    command(site, truth, out, epochs=1)
    assert capsys.readouterr().out.startswith(f"{len(ids) - 2} tracklets of 8 people")
    assert load_encoder(out / "training" / "model.safetensors").size == (128, 64)
    with pytest.raises(FootageError, match="no ground truth"):
        command(site, tmp_path / "nowhere", out, epochs=1)
