"""How people move, as files: a table each as CSV, and plots."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from app.movement.flow import Flow, as_rows
from app.record.private_files import check_writable, write_private
from app.report.flow_plots import plots

TABLES = ("people", "counts", "lengths", "ways")
PLOTS = ("people", "lengths", "ways")


def check_folder(folder: Path) -> None:
    """Before the work: raises SiteError where `write_flow` could not write."""
    check_writable(*(folder / f"{name}.csv" for name in TABLES), *(folder / f"{name}.svg" for name in PLOTS))


def write_flow(flow: Flow, folder: Path) -> tuple[list[Path], bool]:
    """Writes `<table>.csv` and `<plot>.svg` for their owner alone. Raises SiteError where it can't.

    Returns the files, and whether plots could be drawn: they need matplotlib.
    """
    written = []
    for name, rows in as_rows(flow).items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0] if rows else ["none"])
        writer.writerows([[_harmless(value) for value in row.values()] for row in rows])
        written.append(folder / f"{name}.csv")
        write_private(written[-1], text.getvalue().encode())
    try:
        drawn = plots(flow)
    except ImportError:
        return written, False
    for name, svg in drawn.items():
        written.append(folder / f"{name}.svg")
        write_private(written[-1], svg)
    return written, True


def _harmless(value: object) -> object:
    """Text that a spreadsheet would take for a formula, with an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value
