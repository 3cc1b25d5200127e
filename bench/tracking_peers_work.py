"""BoxMOT's trackers on stored detections and embeddings. `bench/tracking_peers.py` runs this in their environment.

`python -I tracking_peers_work.py STORED OUT TRACKER…` writes `OUT/TRACKER-CAMERA.npy`: rows of frame, id, x1 y1 x2 y2
and score. It prints one JSON object: tracker → frames/s. Each tracker has the configuration that BoxMOT ships for it.
Compensation for moving cameras is off, as there are no pictures. The environment has not this repository.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from boxmot import create_tracker
from boxmot.structures import Boxes, Detections, Frame
from boxmot.trackers.specs import TrackerSpec

STILL: dict[str, dict[str, Any]] = {  # what turns the compensation off
    "botsort": {"use_cmc": False},
    "boosttrack": {"use_cmc": False},
    "occluboost": {"use_cmc": False},
    "deepocsort": {"cmc_off": True},
    "hybridsort": {"cmc_method": None},
}


def follow(name: str, stored: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """Rows (N, 7) of one camera's frames, and the seconds that the tracker took."""
    tracker = create_tracker(TrackerSpec(name=name, options=tuple(sorted(STILL.get(name, {}).items()))))
    height, width = stored["size"].tolist()
    frame = Frame(torch.zeros((3, height, width), dtype=torch.uint8), "frame")
    ends = np.cumsum(stored["counts"])
    rows, seconds = [np.zeros((0, 7))], 0.0
    for number, (start, end) in enumerate(zip((ends - stored["counts"]).tolist(), ends.tolist())):
        embeddings = torch.from_numpy(stored["embeddings"][start:end].astype(np.float32))
        found = Detections(
            geometry=Boxes(torch.from_numpy(stored["boxes"][start:end])),
            scores=torch.from_numpy(stored["scores"][start:end]).clamp(0, 1),
            class_ids=torch.zeros(end - start, dtype=torch.int64),
            sample_id="frame",
            embeddings=embeddings if tracker.requirements.embeddings else None,
        )
        begin = time.perf_counter()
        tracks = tracker.update(found, frame)
        seconds += time.perf_counter() - begin
        if len(tracks):
            columns = (np.full(len(tracks), number + 1), tracks.track_ids, tracks.geometry.values, tracks.scores)
            rows.append(np.column_stack([np.asarray(column) for column in columns]))
    return np.concatenate(rows), seconds


def main(stored: Path, out: Path, *names: str) -> None:
    """Every tracker on every camera."""
    torch.set_num_threads(1)
    speeds = {}
    for name in names:
        frames, seconds = 0, 0.0
        for path in sorted(stored.glob("*.npz")):
            with np.load(path, allow_pickle=False) as arrays:
                camera = dict(arrays)
            with contextlib.redirect_stdout(sys.stderr):  # it tells of its settings
                rows, took = follow(name, camera)
            np.save(out / f"{name}-{path.stem}.npy", rows)
            frames, seconds = frames + len(camera["counts"]), seconds + took
        speeds[name] = frames / seconds
    print(json.dumps(speeds))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
