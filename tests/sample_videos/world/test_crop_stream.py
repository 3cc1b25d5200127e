"""Crops that are rendered in the background: whole groups, the same by seed, whoever is killed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from sample_videos.world.crop_stream import Groups, Renderers, file_of, render_share

GROUPS = Groups(count=2, people=1, styles=1, shots=2, height=64, width=32)
PATIENCE = 240.0  # s: a fresh checkout compiles first


def until(renderers: Renderers, groups: set[int]) -> dict[int, Path]:
    began = time.monotonic()
    while not groups <= (arrived := renderers.arrived()).keys():
        assert time.monotonic() - began < PATIENCE and not renderers.lost()
        time.sleep(0.05)
    return arrived


def test_processes_render_what_one_does_and_end_with_the_context(tmp_path: Path) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    alone.mkdir()
    render_share(alone, GROUPS, 4, 0, 1)
    with Renderers(shared, GROUPS, 4, 2) as renderers:
        arrived = until(renderers, {0, 1})
    for number, path in arrived.items():
        crops = np.load(path)
        assert crops.shape == GROUPS.shape and crops.dtype == np.uint8
        assert np.array_equal(crops, np.load(file_of(alone, number)))
    assert not renderers.rendering()
    assert len({np.load(path).tobytes() for path in arrived.values()}) == 2


def test_what_is_rendered_stays_and_a_killed_process_is_told(tmp_path: Path) -> None:
    np.save(file_of(tmp_path, 1), np.zeros(GROUPS.shape, np.uint8))
    with Renderers(tmp_path, GROUPS, 4, 2) as renderers:
        renderers.processes[0].kill()
        renderers.processes[0].join()
        assert renderers.lost() == ["renderer 0 of 2 was killed by signal 9"]
        renderers.processes[1].join(PATIENCE)  # its only group is there
        assert not renderers.rendering() and renderers.lost() == ["renderer 0 of 2 was killed by signal 9"]
        assert renderers.arrived() == {1: file_of(tmp_path, 1)}
    assert not np.load(file_of(tmp_path, 1)).any()
