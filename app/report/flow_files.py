"""How people move, as files: a table each as CSV, and plots."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path

from app.movement.flow import Count, Flow, Length, LineCount, Times, Way, ZoneCount, ZoneLength
from app.movement.people import People
from app.record.private_files import check_writable, write_private
from app.report.flow_plots import plots

_TIMES = tuple(field.name if field.name == "count" else f"{field.name}_seconds" for field in fields(Times))
_Row = People | Count | Length | Way | ZoneCount | ZoneLength | LineCount
TABLES = {
    "people": tuple(field.name for field in fields(People)),
    "counts": tuple(field.name for field in fields(Count)),
    "lengths": ("camera", *_TIMES),
    "ways": ("origin", "destination", *_TIMES),
    "zones": tuple(field.name for field in fields(ZoneCount)),
    "zone_lengths": ("camera", "zone", *_TIMES),
    "lines": tuple(field.name for field in fields(LineCount)),
}
"""By name, their columns."""
PLOTS = ("people", "lengths", "ways", "zones", "lines")


def check_folder(folder: Path) -> None:
    """Before the work: raises SiteError where `write_flow` could not write."""
    check_writable(*(folder / f"{name}.csv" for name in TABLES), *(folder / f"{name}.svg" for name in PLOTS))


def write_flow(flow: Flow, folder: Path) -> bool:
    """Writes `<table>.csv` and `<plot>.svg` for their owner alone. Raises SiteError where it can't.

    Returns whether plots could be drawn: they need matplotlib.
    """
    rows: dict[str, Sequence[_Row]] = {
        "people": [flow.people],
        "counts": flow.counts,
        "lengths": flow.lengths,
        "ways": flow.ways,
        "zones": flow.zones,
        "zone_lengths": flow.zone_lengths,
        "lines": flow.lines,
    }
    for name, columns in TABLES.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_harmless(value) for value in _flat(row)] for row in rows[name])
        write_private(folder / f"{name}.csv", text.getvalue().encode())
    try:
        drawn = plots(flow)
    except ImportError:
        return False
    for name, svg in drawn.items():
        write_private(folder / f"{name}.svg", svg)
    return True


def _flat(row: _Row) -> list[object]:
    """A row's values, those of its times among them."""
    return [part for value in astuple(row) for part in (value if isinstance(value, tuple) else (value,))]


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
