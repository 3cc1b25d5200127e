"""How a site learns: each is a file of `reid/methods`."""

from enum import StrEnum


class MethodName(StrEnum):
    """By its name, as commands and jobs take it."""

    merged = "merged"
    eea = "eea"
    utal = "utal"
    uga = "uga"
    ssl = "ssl"
    dal = "dal"
