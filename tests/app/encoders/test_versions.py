"""A version's calibration: what is known of strangers, and when it is learned anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.encoders.versions import BASE, bring_up_to_date, calibrate, folder_of, serving, with_base
from app.record import Site
from app.search.merging import merge
from tests.app.records import copy_of, site_in
from tests.app.sites import figure_site


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of 48 tracklets that were merged. Only to be copied."""
    path = site_in(tmp_path_factory.mktemp("versions"))
    figure_site(path, people=8, cameras=3)
    with Site.open_to_write(path) as site:
        merge(site, who="me")
    return path


def test_strangers_stay_as_they_were_until_somebody_merges_again(merged: Path, tmp_path: Path) -> None:
    with Site.open_to_write(copy_of(merged, tmp_path)) as site:
        model = serving(site)
        afresh = calibrate(site, model)
        assert model.calibration is not None and afresh.strangers
        known = model.calibration | {"strangers": [0.5] * 101, "strangers_gallery": 7}
        site.set_calibration(model.name, known)
        bring_up_to_date(site)  # as ingest does
        kept = calibrate(site, serving(site), afresh=False)
        assert (kept.strangers, kept.strangers_gallery) == ((0.5,) * 101, 7)
        assert calibrate(site, serving(site)).strangers == afresh.strangers


def test_strangers_that_nobody_knows_are_learned_with_what_is_new(merged: Path, tmp_path: Path) -> None:
    with Site.open_to_write(copy_of(merged, tmp_path)) as site:
        afresh = calibrate(site, serving(site))
        unknown = replace(serving(site), calibration=None)
        assert calibrate(site, unknown, afresh=False) == afresh
        # A calibration of another version of Sightline is no hindrance.
        strange = replace(serving(site), calibration={"curve": 3})
        assert calibrate(site, strange, afresh=False) == afresh


def test_what_contradicts_itself_leaves_the_identities(
    merged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reid.merging import MergeError

    def contradiction(*_: object, **__: object) -> None:
        raise MergeError("1 is said to be 2, and not to be 2")

    with Site.open_to_write(copy_of(merged, tmp_path)) as site:
        monkeypatch.setattr("reid.merging.merge_tracklets", contradiction)
        assert calibrate(site, serving(site)).strangers


def test_what_was_half_written_when_it_was_killed_does_not_stay(tmp_path: Path) -> None:
    with Site.create(site_in(tmp_path)) as site:
        half = folder_of(site, BASE) / "model.onnx.0123abcd.part"
        half.parent.mkdir(parents=True)
        half.write_bytes(b"half")
        assert with_base(site).name == BASE
        assert not half.exists()
