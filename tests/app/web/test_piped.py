"""An answer that comes while it is written."""

from __future__ import annotations

import threading
from typing import BinaryIO

import pytest

from app.asking import in_session, this_session
from app.web.piped import piped


def test_what_is_written_comes_as_it_is() -> None:
    data = [bytes([k]) * 50_000 for k in range(20)]
    assert b"".join(piped(lambda out: [out.write(piece) for piece in data])) == b"".join(data)
    assert list(piped(lambda out: None)) == []


def test_the_work_is_done_in_the_session_of_who_asks() -> None:
    with in_session("web, 192.0.2.1"):
        answer = piped(lambda out: out.write(this_session().encode()))
    assert b"".join(answer) == b"web, 192.0.2.1"


def test_it_waits_until_somebody_takes_it() -> None:
    written: list[int] = []

    def work(out: BinaryIO) -> None:
        for k in range(100):
            out.write(bytes(100_000))
            written.append(k)

    answer = piped(work)
    next(answer)
    assert len(written) < 50  # memory holds no more than a few pieces
    assert sum(map(len, answer)) > 9_000_000 and len(written) == 100


def test_what_goes_wrong_first_is_raised_at_once() -> None:
    def work(out: BinaryIO) -> None:
        raise ValueError("nothing is here")

    with pytest.raises(ValueError, match="nothing is here"):
        piped(work)


def test_what_goes_wrong_later_breaks_the_answer_off() -> None:
    def work(out: BinaryIO) -> None:
        out.write(bytes(200_000))
        raise ValueError("the end")

    answer = piped(work)
    with pytest.raises(ValueError, match="the end"):
        list(answer)


def test_the_work_ends_where_nobody_listens() -> None:
    ended = threading.Event()

    def work(out: BinaryIO) -> None:
        try:
            while True:
                out.write(bytes(100_000))
        finally:
            ended.set()

    answer = piped(work)
    next(answer)
    answer.close()  # type: ignore[attr-defined]  # as a server does when its client has gone
    assert ended.wait(10)
