"""The command `export`: a site's rows as MOTChallenge text, and its encoder as one ONNX file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.encoders.versions import digest
from app.export import commands
from deploy.encoder import open_encoder
from tests.app.sites import FRAMES, People
from tests.app.typed import Typed
from trackers.motchallenge import read_rows


@pytest.mark.parametrize("what", ["tracks", "tracklets"])
def test_rows_leave_as_one_file_a_camera(path: Path, who: People, tmp_path: Path, typed: Typed, what: str) -> None:
    out = tmp_path / "out"
    done = typed(commands, what, out, "--site", path)
    assert done.returncode == 0, done.stderr
    boxes = FRAMES * len(who)
    assert " ".join(done.stdout.split()) == f"3 files, {boxes:,} boxes in {out}"
    files = sorted(out.iterdir())
    assert [file.name for file in files] == ["camera0.txt", "camera1.txt", "camera2.txt"]
    assert sum(len(read_rows(file)) for file in files) == boxes


def test_the_encoder_leaves_as_one_file_of_either_precision(path: Path, tmp_path: Path, typed: Typed) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (4, 128, 64, 3), np.uint8)
    sizes, embeddings = {}, {}
    for variant in ("fp32", "fp16", "int8"):
        out = tmp_path / "out" / f"{variant}.onnx"
        done = typed(commands, "model", out, "--site", path, "--variant", variant, "--json")
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert (said["model"], said["variant"], said["path"]) == ("base", variant, str(out))
        assert (said["bytes"], said["sha256"]) == (out.stat().st_size, digest(out))
        sizes[variant], embeddings[variant] = said["bytes"], open_encoder(out).embed(crops)
    assert sizes["fp16"] < 0.6 * sizes["fp32"]
    assert sizes["int8"] < 0.6 * sizes["fp32"]
    assert ((embeddings["fp32"] * embeddings["fp16"]).sum(1) > 0.999).all()
    assert ((embeddings["fp32"] * embeddings["int8"]).sum(1) > 0.9).all()


def test_what_cannot_be_written_is_told(path: Path, tmp_path: Path, typed: Typed) -> None:
    none = typed(commands, "model", tmp_path / "x.onnx", "--site", path, "--model", "v9")
    assert (none.returncode, "has no model 'v9'; it has base" in none.stderr) == (2, True)
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    for words in (("tracks", tmp_path / "file"), ("model", tmp_path / "file" / "x.onnx")):
        wrong = typed(commands, *words, "--site", path)
        assert (wrong.returncode, wrong.stdout) == (2, "")
        assert "can't be written" in " ".join(wrong.stderr.replace("│", " ").split())
