"""How long a warm process takes from a still on disk to its matches: `python -m bench.query --site S [--stills N]`.

Stills are made of the site's own footage: whole frames in which a tracklet's person is, read from `--videos`; so people
are found, embedded and searched as for any picture. Reading, finding, embedding and searching are told apart.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from app.footage import open_footage, site_config
from app.footage.discover import discover
from app.record import Site
from app.search.searcher import Searcher, Wish
from app.search.still import cut, people_in, read_still
from deploy.detectors.load import load_detector


def stills(videos: Path, folder: Path, count: int) -> list[Path]:
    """Frames spread over the footage, as JPEG files."""
    found = []
    cameras = discover(videos, site_config(videos, None), None)
    for camera in cameras:
        every = max(1, 900 // (count // len(cameras) + 1))
        with open_footage(camera.footage[0], every=every) as decoder:
            for frame in decoder:
                path = folder / f"{camera.name}-{frame.index}.jpg"
                cv2.imwrite(str(path), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
                found.append(path)
    return found[:count]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--videos", type=Path, required=True, help="the site's footage")
    parser.add_argument("--stills", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    began = time.perf_counter()
    with Site.open_to_write(arguments.site) as site, tempfile.TemporaryDirectory() as folder:
        searcher = Searcher(site)
        detector = load_detector("shipped")
        ready = time.perf_counter() - began
        spent: dict[str, list[float]] = {name: [] for name in ("read", "find", "embed", "search", "all")}
        for path in stills(arguments.videos, Path(folder), arguments.stills + 3):
            marks = [time.perf_counter()]
            still = read_still(path)
            marks.append(time.perf_counter())
            people = people_in(still, detector)
            marks.append(time.perf_counter())
            if not len(people.boxes):
                continue
            vector = searcher.embed([cut(still.pixels, people.boxes[0])])[0]  # one person, the largest
            marks.append(time.perf_counter())
            (answer,) = searcher.search(vector[None], Wish(), who="bench", still=still.sha256)
            marks.append(time.perf_counter())
            assert answer.matches
            for name, seconds in zip(spent, [*np.diff(marks), marks[-1] - marks[0]]):
                spent[name].append(1000 * float(seconds))
        figures = {name: statistics.median(values[3:]) for name, values in spent.items()}  # the first ones warm up
    report = {"start_seconds": round(ready, 2), "stills": len(spent["all"]) - 3} | {
        f"{name}_ms": round(value, 1) for name, value in figures.items()
    }
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"ready after {report['start_seconds']} s; {report['stills']} stills, medians in ms:")
    print("  ".join(f"{name} {value:.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
