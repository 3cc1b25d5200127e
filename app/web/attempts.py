"""How often a password may be tried: ever less often, by name and by address, so that guessing takes years."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.web.errors import Refused

# Wrong ones in a row before one has to wait. A name alone has many, else anybody could keep its owner out.
OF_BOTH, OF_ADDRESS, OF_NAME = 5, 20, 100
FIRST_WAIT, LONGEST_WAIT = 5.0, 900.0  # s. Each wrong one doubles it
REMEMBERED = 10_000  # names and addresses at once. The oldest leaves for the next


@dataclass(slots=True)
class Attempt:
    """One try."""

    succeeded: bool = False


@dataclass(slots=True)
class _Tried:
    wrong: int = 0
    until: float = -math.inf  # when the next try may be


class Attempts:
    """What was tried, in memory."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._mutex = threading.Lock()
        self._tried: OrderedDict[tuple[str, str], _Tried] = OrderedDict()

    @contextmanager
    def at(self, name: str, address: str) -> Iterator[Attempt]:
        """Around a try, which counts as wrong from its begin, so that many at once count too. Raises Refused."""
        of = {(name, address): OF_BOTH, ("", address): OF_ADDRESS, (name, ""): OF_NAME}
        with self._mutex:
            now = self._clock()
            wait = max(self._tried[key].until - now if key in self._tried else 0.0 for key in of)
            if wait > 0:
                raise Refused(429, "Too many wrong passwords", f"Wait {math.ceil(wait)} seconds, then try again.")
            for key, allowed in of.items():
                tried = self._tried.pop(key, None) or _Tried()
                tried.wrong += 1
                if tried.wrong >= allowed:
                    tried.until = now + min(FIRST_WAIT * 2.0 ** min(tried.wrong - allowed, 20), LONGEST_WAIT)
                self._tried[key] = tried
            while len(self._tried) > REMEMBERED:
                self._tried.popitem(last=False)
        attempt = Attempt()
        yield attempt
        if attempt.succeeded:
            with self._mutex:
                for key in ((name, address), (name, "")):
                    self._tried.pop(key, None)
