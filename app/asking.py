"""Who asks, and how work tells how far it is. Work itself knows neither a terminal nor a page."""

from __future__ import annotations

import os
import pwd

from reid.progress import Progress, unheard

__all__ = ["Progress", "this_user", "unheard"]


def this_user() -> str:
    """Who runs this program, by the system's own number, which no variable can change."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user may have no name
        return f"user {os.getuid()}"
