"""What the benchmark of ingest feeds its runners."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av

from bench.ingest import repeated

FILM = Path(__file__).parents[2] / "sample_videos" / "films" / "hall.mp4"


def test_a_film_with_reordered_pictures_is_repeated_whole(tmp_path: Path) -> None:
    with av.open(str(FILM)) as film:
        stream = film.streams.video[0]
        packets = [(packet.pts, packet.dts) for packet in film.demux(stream) if packet.dts is not None]
        assert any(pts != dts for pts, dts in packets)  # else it shows nothing
    with av.open(str(repeated(FILM, 3, tmp_path))) as film:
        stream = film.streams.video[0]
        decoding_times = [packet.dts for packet in film.demux(stream) if packet.dts is not None]
    assert len(decoding_times) == 3 * len(packets)
    assert all(earlier < later for earlier, later in pairwise(decoding_times))
