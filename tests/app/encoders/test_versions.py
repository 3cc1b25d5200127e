"""Versions of the encoder: their calibration, and whose embeddings stay."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from app.encoders.versions import BASE, bring_up_to_date, calibrate, folder_of, serving, use, with_base
from app.record import Site
from app.record.embeddings import embedded_models
from app.record.verify import damage
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


def as_another(site: Site, name: str) -> None:
    """The shipped base once more, as a version that could serve."""
    shutil.copytree(folder_of(site, BASE), folder_of(site, name))
    base = next(model for model in site.models() if model.name == BASE)
    site.add_model(replace(base, name=name, serving=False))


def test_embeddings_stay_of_who_serves_and_of_who_did_before(merged: Path, tmp_path: Path) -> None:
    with Site.open_to_write(copy_of(merged, tmp_path)) as site:
        for name in ("v1", "v2"):
            as_another(site, name)

        def stored() -> set[str]:
            return set(embedded_models(site.database))

        assert stored() == {BASE}
        assert use(site, "v1", who="me").embedded == 48 and stored() == {BASE, "v1"}
        assert use(site, BASE, who="me").embedded == 0 and stored() == {BASE, "v1"}  # back at once
        assert use(site, BASE, who="me").embedded == 0 and stored() == {BASE, "v1"}
        use(site, "v1", who="me")
        use(site, "v2", who="me")
        assert stored() == {"v1", "v2"} and list(damage(site)) == []
        assert use(site, BASE, who="me").embedded == 48 and serving(site).name == BASE
