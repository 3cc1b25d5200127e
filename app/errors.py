"""The errors that a person is told. Each message says what is wrong, where, and what to do.

Exception
├── SiteError           a site that can't be had, or work on it that can't start or go on: exit code 2
│   ├── Busy            another process holds the lease of just that work
│   └── StorageError    the disk or the record's server took no more, what was committed is safe: exit code 1
├── FootageError        footage that can't be found or read
├── SiteConfigError     `site.toml` can't be used
├── StillError          a still that can't be read
├── DetectorError       `deploy.detectors`: a detector that can't be had or used
├── MotFormatError      `trackers.motchallenge`: text that is not MOTChallenge's
├── OnnxError           `deploy.encoder`: a file that is no encoder
├── ExportError         `deploy.export`: a model that can't be exported as it was trained
└── of `reid`, raised by training and measuring alone
    ├── BenchmarkError  a labelled set that is not where or what it should be
    ├── DatasetError    crops that can't be written or read
    ├── EncoderError    weights that are no encoder of this version
    ├── EvaluationError nothing to score
    ├── MergeError      what was seen or said contradicts itself
    ├── TrainingError   a run that can't start as asked
    └── Diverged        a loss that is no number any more: exit code 1

All but StorageError and Diverged end a command with exit code 2. A lower floor defines its own, as it knows no `app`.
"""

from __future__ import annotations

from pathlib import Path


def expected() -> tuple[type[Exception], ...]:
    """The errors that end a command with one sentence: those of `app` and of what every command may use."""
    from deploy.detectors import DetectorError
    from trackers.motchallenge import MotFormatError

    return FootageError, SiteConfigError, SiteError, StillError, DetectorError, MotFormatError


class SiteError(Exception):
    """A site that can't be had, or work on it that can't start or go on."""


class Busy(SiteError):
    """Another process holds a lease. The message says which, and who holds it."""


class StorageError(SiteError):
    """The disk, or the record's server, took no more in the middle of the work. What was committed before is safe."""


class FootageError(Exception):
    """Footage that can't be found or read."""


class SiteConfigError(Exception):
    """`site.toml` can't be used."""


class StillError(ValueError):
    """A still that can't be read as a picture."""


def no_more(folder: Path, reason: str) -> StorageError:
    """That the disk took no more in the middle of the work."""
    return StorageError(
        f"The site at {folder} could not be written ({reason}): all that was committed before is safe; make room on "
        "the disk and run the same command again, it goes on from there."
    )
