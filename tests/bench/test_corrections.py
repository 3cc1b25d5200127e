"""A simulated person joins who is one and was not joined, splits who is two and was, and says nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.encoders.versions import bring_up_to_date
from app.errors import SiteError
from app.record import Site
from app.report.site_accuracy import people_shown
from app.search.merging import merge
from bench.benchmark_site import write_site
from bench.corrections import corrections_of
from reid.benchmarks.parts import RAW
from tests.reid import figures


def test_only_what_merging_had_wrong_is_corrected(tmp_path: Path) -> None:
    figures.market(tmp_path / "people", people=12, tested=3, frames=2)
    path, truth = tmp_path / "site", tmp_path / "truth"
    write_site(f"market1501:{tmp_path / 'people'}", RAW, path, truth)
    with Site.open_to_write(path) as site:
        bring_up_to_date(site)
        with pytest.raises(SiteError, match="never merged"):
            corrections_of(site, truth, 5, 0)
        merge(site, who="test")
        made, person = corrections_of(site, truth, 1000, 0), people_shown(site, truth)
        merging = site.merging()
        assert made and merging is not None
        identity = dict(zip(merging.ids.tolist(), merging.identities.tolist()))
        for said in made:
            same = person[said.a] == person[said.b]
            assert said.kind == ("join" if same else "split")
            assert (identity[said.a] == identity[said.b]) == (not same)
        assert len({frozenset((said.a, said.b)) for said in made}) == len(made)
        few = corrections_of(site, truth, 2, 0)
        assert few == made[:2] and corrections_of(site, truth, 0, 0) == []
        merge(site, who="test", corrections=made)
        merging = site.merging()
        assert merging is not None
        identity = dict(zip(merging.ids.tolist(), merging.identities.tolist()))
        assert all((identity[said.a] == identity[said.b]) == (said.kind == "join") for said in made)
