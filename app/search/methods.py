"""How tracklets join within a camera."""

from enum import StrEnum


class WithinCamera(StrEnum):
    """By its name, as commands and jobs take it."""

    constrained = "constrained"
    utal = "utal"
