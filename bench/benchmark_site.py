"""A benchmark's unlabelled training tracklets as a site: `python -m bench.benchmark_site market1501:DIR --site S`.

So that adapting and merging can be measured on real people where no footage is to be had: every camera of the benchmark
is a camera of the site, its tracklets are those of `--protocol`, crops are the benchmark's own pictures. With `--truth`
the people are written beside it, in the columns that `python -m app.evaluate site` reads.

    python -m bench.benchmark_site market1501:DIR --site S --truth T
    python -m app.adapt --site S
    python -m app.evaluate reid market1501:DIR --model S/models/v1    # on its test part, which the site never saw
    python -m app.merge --site S && python -m app.evaluate site --site S --truth T
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from app.encoders.versions import bring_up_to_date, with_base
from app.footage import Camera, Footage
from app.record import Site
from app.record.rows import Chunk, Crop
from reid.benchmarks import open_benchmark
from reid.benchmarks.parts import PROTOCOLS, RAW
from reid.tracklets import Tracklet, overlapping
from trackers.tracklets import Cut, Kind, Segment

# Where people were is not known, yet truth must tell those apart who are there at once. So each tracklet gets one of
# PLACES, next ones far from each other; all lie so near together that nobody is too far away to have walked there.
PLACES, APART, STEP = 100, 20.0, 37  # PLACES of 16 × 128 px, APART px


def write_site(data: str, protocol: str, path: Path, truth: Path | None) -> int:
    """Writes the training part of a benchmark as a new site; returns how many tracklets it has."""
    benchmark = open_benchmark(data, protocol)
    people = benchmark.truth.train.people if benchmark.truth is not None else None
    by_camera: dict[str, list[tuple[int, Tracklet]]] = defaultdict(list)
    for number, tracklet in enumerate(benchmark.train.tracklets):
        by_camera[tracklet.camera].append((number, tracklet))
    count = 0
    with Site.create(path) as site:
        with_base(site)
        for camera, listed in sorted(by_camera.items()):
            listed.sort(key=lambda entry: float(entry[1].times[0]))
            footage = Footage(
                camera, Path(f"{camera}.mp4"), f"{camera}.mp4", 0.0, "name", 1, f"{data} {protocol} {camera}"
            )
            settings = {"detector": "the benchmark's", "sha256": None}
            ((record, _),) = site.intake.register([Camera(camera, (footage,))], {camera: settings}, who="bench")[0]
            record = site.intake.begin(record, settings)
            segments: list[Segment] = []
            crops: dict[int, list[Crop]] = {}
            rows: list[str] = []
            beside: dict[int, list[int]] = defaultdict(list)
            first, last = (np.array([tracklet.times[end] for _, tracklet in listed]) for end in (0, -1))
            for one, other in overlapping(np.zeros(len(listed), np.int64), first, last).tolist():
                beside[other].append(one)
            moments = np.unique(np.concatenate([tracklet.times for _, tracklet in listed]))  # a frame each
            for k, (source, tracklet) in enumerate(listed):
                number = record.first_segment + k
                frames = np.searchsorted(moments, tracklet.times)
                left = APART * (STEP * k % PLACES)
                box = (left, 0.0, left + 16.0, 128.0)
                segments.append(
                    Segment(
                        number,
                        record.first_track + k,
                        Kind.TRACKLET,
                        Cut.GAP,
                        frames,
                        tracklet.times,
                        np.tile(np.array(box, np.float32), (len(frames), 1)),
                        np.ones(len(frames), np.float32),
                        np.array([record.first_segment + one for one in beside[k]], np.int64),
                    )
                )
                crops[number] = [
                    Crop(frame, time, box, 1.0, 0.0, 0.0, 50.0, 1.0, jpeg_of(picture))
                    for frame, time, picture in zip(
                        frames.tolist(), tracklet.times.tolist(), tracklet.pictures, strict=True
                    )
                ]
                if people is not None:
                    rows += [f"{frame + 1},{people[source]},{left},0,16,128,1,1,1\n" for frame in frames.tolist()]
            seconds = float(moments[-1] - moments[0])
            site.intake.commit(
                record, Chunk(segments, crops, b"", len(moments), len(moments), len(rows), seconds), done=True
            )
            count += len(segments)
            if truth is not None:
                file = truth / camera / "gt" / "gt.txt"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("".join(sorted(rows, key=lambda row: int(row.partition(",")[0]))), encoding="utf-8")
        bring_up_to_date(site)
    return count


def jpeg_of(picture: object) -> bytes:
    """A picture's bytes if it is a JPEG; other files are encoded as one."""
    assert isinstance(picture, str | os.PathLike)
    data = Path(picture).read_bytes()
    if data.startswith(b"\xff\xd8"):
        return data
    pixels = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="SET:FOLDER, as market1501:DIR")
    parser.add_argument("--protocol", choices=PROTOCOLS, default=RAW)
    parser.add_argument("--site", type=Path, required=True, help="a new folder")
    parser.add_argument("--truth", type=Path, help="also write people here")
    arguments = parser.parse_args()
    if arguments.site.exists():
        raise SystemExit(f"{arguments.site} is there already: name a new folder")
    count = write_site(arguments.data, arguments.protocol, arguments.site, arguments.truth)
    print(f"{count:,} tracklets in {arguments.site}")


if __name__ == "__main__":
    main()
