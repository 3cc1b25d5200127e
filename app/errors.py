"""The errors that a person is told. Each message says what is wrong, where, and what to do.

Exception
├── SiteError           a site that can't be had, or work on it that can't start or go on: exit code 2
│   ├── Busy            another process holds the lease of just that work
│   └── StorageError    the disk or the record's server took no more; what was committed is safe: exit code 1
├── FootageError        footage that can't be found or read
├── SiteConfigError     `site.toml` can't be used
└── StillError          a still that can't be read
"""

from __future__ import annotations


class SiteError(Exception):
    """A site that can't be had, or work on it that can't start or go on."""


class Busy(SiteError):
    """Another process holds a lease; the message says which, and who holds it."""


class StorageError(SiteError):
    """The disk, or the record's server, took no more in the middle of the work; what was committed before is safe."""


class FootageError(Exception):
    """Footage that can't be found or read."""


class SiteConfigError(Exception):
    """`site.toml` can't be used."""


class StillError(ValueError):
    """A still that can't be read as a picture."""
