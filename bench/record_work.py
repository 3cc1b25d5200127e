"""What bench.record measures in a checkout: `python -P record_work.py SITE QUERIED CHUNKS`.

SITE is a new folder, QUERIED a site with embeddings. It runs with that checkout's modules, today's or those of a commit
back to bc49de2. So it knows both their names. A JSON object goes to stdout.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.footage import Camera, Footage
from app.record import Site
from trackers.segments import Cut, Kind, Segment

try:
    from app.record.rows import Chunk
except ImportError:
    from app.rows import Chunk  # type: ignore[import-not-found, no-redef]
try:
    from app.record.rows import Crop
    from app.search.searcher import Searcher, Wish
except ImportError:
    from app.crops import Crop  # type: ignore[import-not-found, no-redef]

    from app.query import Searcher, Wish  # type: ignore[attr-defined, no-redef]

FRAMES = 60  # of a chunk
RATE = 25  # frames/s
PIECES, TRACKLETS = 10, 8  # of a chunk: pieces of tracks, and those that are tracklets
CROPS = 12  # of a tracklet
QUERIES, WARM_UP = 50, 3
ONE_WRITER = not hasattr(Site, "create")  # as sites were at bc49de2


def segments_of(chunk: int, boxes: np.ndarray) -> list[Segment]:
    """The pieces that end in a chunk. The tracklets among them show different people."""
    first = PIECES * chunk + 1
    frames = np.arange(FRAMES) + FRAMES * chunk
    return [
        Segment(
            number=first + k,
            track=first + k,
            kind=Kind.TRACKLET if k < TRACKLETS else Kind.SHORT,
            cut=Cut.GAP,
            frames=frames,
            times=frames / RATE,
            boxes=boxes,
            scores=np.ones(FRAMES, np.float32),
            cannot_link=np.arange(first, first + k) if k < TRACKLETS else np.array([], np.int64),
        )
        for k in range(PIECES)
    ]


def crop(jpeg: bytes) -> Crop:
    """A crop with that picture."""
    return Crop(
        frame=0,
        time=0.0,
        box=(0.0, 0.0, 9.0, 9.0),
        score=1.0,
        overlap=0.0,
        border=0.0,
        sharpness=1.0,
        height_ratio=1.0,
        jpeg=jpeg,
    )


def commits_a_second(path: Path, chunks: int) -> float:
    """Adds chunks to a new site as ingest does."""
    rng = np.random.default_rng(0)
    pictures = [b"\xff\xd8" + rng.bytes(3000) + b"\xff\xd9" for _ in range(100)]
    boxes = rng.uniform(0, 500, (FRAMES, 4)).astype(np.float32)
    footage = Footage(
        camera="hall",
        path=Path("hall.mp4"),
        name="hall.mp4",
        start=0.0,
        start_source="name",
        size=1,
        fingerprint="hall",
    )
    create: Any = Site.open_for_writing if ONE_WRITER else Site.create  # type: ignore[attr-defined]
    with create(path) as site:
        intake = getattr(site, "intake", site)
        by: dict[str, str] = {} if ONE_WRITER else {"who": "bench"}
        ((record, _),) = intake.register([Camera("hall", (footage,))], {"hall": {}}, **by)[0]
        record = intake.begin(record, {})
        began = time.perf_counter()
        for chunk in range(chunks):
            segments = segments_of(chunk, boxes)
            crops = {
                segment.number: [crop(jpeg) for jpeg in pictures[CROPS * k : CROPS * (k + 1)]]
                for k, segment in enumerate(segments[:TRACKLETS])
            }
            intake.commit(
                record,
                Chunk(
                    segments=segments,
                    crops=crops,
                    checkpoint=bytes(200_000),
                    source_frames=FRAMES,
                    frames=FRAMES,
                    detections=PIECES * FRAMES,
                    seconds=FRAMES / RATE,
                ),
                done=False,
            )
        return chunks / (time.perf_counter() - began)


def search_ms(path: Path) -> float:
    """The median of a search in a site that is open, its row in the audit included."""
    opening: Any = Site.open_to_ask if ONE_WRITER else Site.open_to_write  # type: ignore[attr-defined]
    milliseconds = []
    with opening(path) as site:
        searcher: Any = Searcher(site)
        ids = searcher.index.ids
        for vector in searcher.index.embeddings(ids[:: max(1, len(ids) // QUERIES)]):
            began = time.perf_counter()
            if ONE_WRITER:  # it did not note that it searched
                from app.rows import AuditEntry

                searcher.search(vector, Wish())
                site.note(AuditEntry(time.time(), "bench", "query", {}))
            else:
                searcher.search(vector[None], Wish(), who="bench", still="bench")
            milliseconds.append(1e3 * (time.perf_counter() - began))
    return float(np.median(milliseconds[WARM_UP:] or milliseconds))


def main(site: str, queried: str, chunks: str) -> None:
    """Prints both figures."""
    figures = {
        "commits a second": commits_a_second(Path(site), int(chunks)),
        "search ms": search_ms(Path(queried)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
