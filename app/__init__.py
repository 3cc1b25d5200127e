"""What a person runs, the site on disk, and footage."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import reid as reid  # before anything loads torch: it says how its threads wait


def _is_ours(trackers: str | None) -> bool:
    """Whether the package `trackers` is the folder beside this one, and nobody wrote another one over it."""
    ours = Path(__file__).resolve().parents[1] / "trackers" / "__init__.py"
    return trackers is not None and Path(trackers).resolve() == ours and "make_tracker" in ours.read_text("utf-8")


# Roboflow's package on PyPI has the same name. It is looked for here, since every command imports `app` first.
_trackers = find_spec("trackers")
_origin = None if _trackers is None else _trackers.origin
if not _is_ours(_origin):
    _sentence = (
        f"The package `trackers` at {_origin} is not Sightline's: "
        "run `pip uninstall trackers`, or start Sightline from its checkout in an environment of its own."
    )
    if Path(sys.argv[0]).name in ("-m", "sightline"):  # so it is called while Python looks for the command
        print(f"Error: {_sentence}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(_sentence)
