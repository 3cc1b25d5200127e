"""The README's Python runs as it is printed, and its links and those of the docs lead somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import av
import pytest

import app.learning.adapt
import app.learning.plan
from app.record import Site
from tests.app.works import boxed_export, told_probe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
SECONDS = 6  # of film: enough for some thirty tracklets


def cut_film(source: Path, target: Path) -> None:
    """Writes the first SECONDS of a film, its time of creation included."""
    with av.open(str(source)) as film, av.open(str(target), "w") as short:
        short.metadata.update(film.metadata)
        stream = film.streams.video[0]
        copied = short.add_stream_from_template(stream)
        for packet in film.demux(stream):
            if packet.pts is not None and packet.pts * packet.time_base < SECONDS:
                packet.stream = copied
                short.mux(packet)


def test_the_python_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only adapting is cut short: it takes fewer tracklets than it would, one epoch, and the box's ONNX file."""
    (tmp_path / "videos").mkdir()
    for camera in ("plaza", "street"):
        cut_film(ROOT / f"sample_videos/films/{camera}.mp4", tmp_path / f"videos/{camera}.mp4")
    shutil.copy(ROOT / "sample_videos/walk/still.jpg", tmp_path)
    monkeypatch.setattr(app.learning.adapt, "LEAST_TRACKLETS", 20)
    monkeypatch.setattr(app.learning.plan, "EPOCHS", 1)
    monkeypatch.setattr(app.learning.plan, "_probe", told_probe)
    monkeypatch.setattr("deploy.export.export_model", boxed_export)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"(plaza|street) at \d{10} s UTC: \d+%", line) for line in lines)
    with Site.open(tmp_path / "mysite") as site:
        assert [entry.action for entry in site.audit() if entry.who == "me"] == ["adapt", "query"]
        assert len(site.models()) == 2


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 110


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_architecture_names_files_that_are_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:app|bench|deploy|reid|sample_videos|tests|trackers)/[\w/.]*)`", page))
    assert len(named) > 30
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]
    for room in (path.parent for path in ROOT.glob("app/*/__init__.py")):
        assert f"`app/{room.name}/`" in page, room
