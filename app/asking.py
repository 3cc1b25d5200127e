"""Who asks, and how work tells how far it is. Work itself knows neither a terminal nor a page."""

from __future__ import annotations

import ipaddress
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from reid.progress import Progress, unheard

__all__ = ["Progress", "in_session", "this_session", "this_user", "unheard"]

_elsewhere: ContextVar[str | None] = ContextVar("session", default=None)
_NOBODY = 2**32 - 1  # what Linux says where nobody logged in


def this_user() -> str:
    """Who runs this program, by the system's own number, which no variable can change."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"user {os.getuid()}"


@contextmanager
def in_session(session: str) -> Iterator[None]:
    """Within, somebody asks who does not sit where this program was started. session: where they are."""
    before = _elsewhere.set(session)
    try:
        yield
    finally:
        _elsewhere.reset(before)


def this_session() -> str:
    """Where the one who asks is: as `in_session` says, else where this program was started from."""
    return _elsewhere.get() or _started_from()


@cache
def _started_from() -> str:
    """Where this program was started from: the login and its session, the terminal, and what SSH says.

    The first two are the kernel's and stay through `su` and `sudo`. Anybody can set what SSH says.
    """
    said = [f"{name} {number}" for name in ("loginuid", "sessionid") if (number := _of_kernel(name)) is not None]
    for stream in (0, 1, 2):
        try:
            said.append(os.ttyname(stream))
            break
        except OSError:
            continue
    with suppress(ValueError):
        said.append(f"says SSH from {ipaddress.ip_address(os.environ.get('SSH_CONNECTION', '').split(' ')[0])}")
    return ", ".join(said)


def _of_kernel(name: str) -> int | None:
    """A number of Linux's audit about this process, None without one."""
    try:
        number = int(Path("/proc/self", name).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if number == _NOBODY else number
