"""The upper bound of adapting learns from just the tracklets that a site's versions learned from, with labels."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from app.record import Site
from bench.benchmark_site import write_site
from bench.labelled import main
from reid.benchmarks.parts import RAW
from reid.encoder import load_encoder
from tests.reid import figures


def test_labels_teach_what_versions_learned_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures.market(tmp_path / "people", people=8, tested=3, frames=3)
    site, truth, out = tmp_path / "site", tmp_path / "truth", tmp_path / "run"
    write_site(f"market1501:{tmp_path / 'people'}", RAW, site, truth)
    words = ["labelled", "--site", str(site), "--truth", str(truth), "--out", str(out), "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="adapt it first"):
        main()
    with Site.open_to_write(site) as opened:
        ids = opened.tracklet_table().ids
        opened.add_to_split(ids, np.arange(len(ids)) < 2)
    main()
    assert capsys.readouterr().out.startswith(f"{len(ids) - 2} tracklets of 8 people")
    assert load_encoder(out / "training" / "model.safetensors").size == (128, 64)
    monkeypatch.setattr(sys, "argv", [*words[:4], str(tmp_path / "nowhere"), *words[5:]])
    with pytest.raises(SystemExit, match="no ground truth"):
        main()
