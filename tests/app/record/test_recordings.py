"""Who is erased is cut out of recordings, and the rest of them plays on at the right times."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from app.errors import StorageError
from app.footage.recording import Recorder, Recording, pieces, recordings_of
from app.record import Site
from app.record.cut_out import AROUND, cut_out
from app.record.forget import forget
from app.record.recordings import joined
from tests.app.footage.test_recording import BEGIN, numbers, record
from tests.app.sites import START, figure_site
from tests.clips import render_clip

RATE, GROUP = 25, 5  # frames/s, and frames from a keyframe to the next


def film(folder: Path, frames: int = 250, *, b_frames: int = 0, piece: float = 4.0) -> dict[int, float]:
    """Records a film in pieces, and returns when each of its frames was taken."""
    folder.parent.mkdir(exist_ok=True)
    clip = render_clip(folder.parent / "a.mp4", frames, gop=GROUP, b_frames=b_frames).path
    record(clip, lambda stream: Recorder(Recording(folder, piece), stream))
    return times(folder)


def times(folder: Path) -> dict[int, float]:
    found: dict[int, float] = {}
    for piece in pieces(folder):
        found |= numbers(piece.path, piece.start)
    return found


@pytest.mark.parametrize("b_frames", [0, 2])
def test_just_the_groups_around_a_time_leave(tmp_path: Path, b_frames: int) -> None:
    folder = tmp_path / "hall"
    before = film(folder, b_frames=b_frames)
    assert len(before) == 250 and len(pieces(folder)) == 3
    span = (BEGIN + 2.0, BEGIN + 2.4)
    assert cut_out(folder, [span]) == 1
    after = times(folder)
    gone = before.keys() - after.keys()
    assert {n for n, t in before.items() if span[0] - AROUND <= t <= span[1] + AROUND} <= gone
    assert all(span[0] - AROUND - GROUP / RATE - 0.1 < before[n] < span[1] + AROUND + GROUP / RATE + 0.1 for n in gone)
    assert {n: pytest.approx(t, abs=0.0005) for n, t in after.items()} == {n: before[n] for n in after}
    assert len(pieces(folder)) == 4 and sorted(folder.iterdir()) == [piece.path for piece in pieces(folder)]
    assert all(piece.path.stat().st_mode & 0o777 == 0o600 for piece in pieces(folder))
    assert cut_out(folder, [span]) == 0


def test_times_over_several_pieces_and_all_of_one(tmp_path: Path) -> None:
    folder = tmp_path / "hall"
    before = film(folder)
    second = pieces(folder)[1].path
    assert cut_out(folder, [(BEGIN + 3.0, BEGIN + 8.5), (BEGIN - 50, BEGIN - 40)]) == 3
    after = times(folder)
    assert after and not second.exists()
    assert not [n for n in after if BEGIN + 3.0 - AROUND <= before[n] <= BEGIN + 8.5 + AROUND]
    assert {0, 249} <= after.keys()


def test_what_nobody_can_read_leaves_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "hall"
    film(folder)
    first = pieces(folder)[0]
    first.path.write_bytes(b"no film" * 1000)
    assert cut_out(folder, [(BEGIN + 1, BEGIN + 2)]) == 1
    assert not first.path.exists() and len(pieces(folder)) == 2


def test_the_bytes_are_gone_also_for_who_has_the_file_open(tmp_path: Path) -> None:
    folder = tmp_path / "hall"
    film(folder)
    with pieces(folder)[0].path.open("rb") as held:
        cut_out(folder, [(BEGIN + 1, BEGIN + 2)])
        assert set(held.read()) <= {0}


def test_a_death_in_the_middle_is_mended_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, span = tmp_path / "hall", (BEGIN + 1, BEGIN + 2)
    film(folder)

    class Death(BaseException):
        pass

    def die(*_: object) -> None:
        raise Death

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        with pytest.raises(Death):
            cut_out(folder, [span])
    assert len(times(folder)) == 250
    assert cut_out(folder, [span]) == 1
    assert sorted(folder.iterdir()) == [piece.path for piece in pieces(folder)]


def test_a_recorder_whose_piece_is_cut_goes_on_with_another(tmp_path: Path) -> None:
    folder = tmp_path / "hall"
    clip = render_clip(tmp_path / "a.mp4", 250, gop=GROUP).path
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        recorder = Recorder(Recording(folder, 600.0), stream)
        for packet in source.demux(stream):
            if packet.size:
                assert packet.pts is not None and packet.time_base is not None
                at = float(packet.pts * packet.time_base)
                if packet.pts and round(at * RATE) == 150:
                    while sum(piece.size for piece in pieces(folder)) < clip.stat().st_size // 3:
                        pass  # until the recorder's thread has written what came
                    assert cut_out(folder, [(BEGIN + 2.0, BEGIN + 3.0)]) == 1
                recorder.write(packet, BEGIN + at, 0.0)
        recorder.close(5)
    assert recorder.problem is None
    after = times(folder)
    assert {0, 249} <= after.keys() and not {n for n in after if 50 <= n <= 75}
    assert len([n for n in after if n >= 150]) > 80


def test_forget_cuts_who_is_erased_out_and_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_site(path, people=6, cameras=2)
    monkeypatch.setattr("tests.app.footage.test_recording.BEGIN", START)
    with Site.open_to_write(path) as site:
        for name in ("camera0", "camera1"):
            film(recordings_of(path) / name, 500)
        (first, *_) = site.segments("camera0")
        before = times(recordings_of(path) / "camera1")
        done = forget(site, who="me", tracklets=[first.id])
        assert done.recordings >= 1
        left = times(recordings_of(path) / "camera0").values()
        assert left and not [t for t in left if first.start <= t <= first.end]
        assert times(recordings_of(path) / "camera1") == before


def test_a_disk_that_refuses_is_told_and_nothing_is_erased(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure_site(path, people=2, cameras=1)
    monkeypatch.setattr("tests.app.footage.test_recording.BEGIN", START)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Site.open_to_write(path) as site:
        film(recordings_of(path) / "camera0")
        (first, *_) = site.segments("camera0")
        with monkeypatch.context() as patched:
            patched.setattr("app.record.cut_out.cut_out", refuse)
            with pytest.raises(StorageError, match="No space left"):
                forget(site, who="me", tracklets=[first.id])
        assert site.searchable(first.id).id == first.id
        assert forget(site, who="me", tracklets=[first.id]).recordings > 0


def test_times_that_overlap_are_one() -> None:
    assert joined([(5, 6), (1, 3), (2, 4), (4, 5)]) == [(1, 6)]
    assert joined([(1, 2), (3, 4)]) == [(1, 2), (3, 4)] and joined([]) == []
