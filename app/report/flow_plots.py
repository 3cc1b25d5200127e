"""How people move, drawn as SVG: people and crossings over time, ways as a matrix, and how long people stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.movement.flow import Flow
from app.report.pages import utc
from app.report.svg import as_svg, plain
from reid.traceless import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LABELS = 8  # times below an axis, at most
_MOST_SERIES = 20  # lines in one plot. The tables have all


def plots(flow: Flow) -> dict[str, bytes]:
    """SVG pictures by name: `people`, `lengths`, `ways`, `zones` and `lines`, where there is anything to draw.

    Raises ImportError where matplotlib is not installed.
    """
    series = [(count.camera, count.start, count.people) for count in flow.counts]
    drawn = {"people": _over_time(flow, series, "people")}
    if flow.lengths:
        drawn["lengths"] = _lengths(flow)
    if flow.ways:
        drawn["ways"] = _ways(flow)
    if flow.zones:
        series = [(f"{count.zone} ({count.camera})", count.start, count.people) for count in flow.zones]
        drawn["zones"] = _over_time(flow, series, "people")
    if flow.lines:
        series = [
            (f"{count.line} ({count.camera}), {side}", count.start, number)
            for count in flow.lines
            for side, number in (("to the right", count.to_right), ("to the left", count.to_left))
        ]
        drawn["lines"] = _over_time(flow, series, "crossings")
    return {name: as_svg(figure) for name, figure in drawn.items()}


def _over_time(flow: Flow, series: list[tuple[str, float, int]], what: str) -> Figure:
    """Numbers by name: over time where there are intervals, else a bar a name. series: name, start, number."""
    names = list(dict.fromkeys(name for name, _, _ in series))
    starts = sorted({start for _, start, _ in series})
    if len(starts) == 1:
        return _bars([name for name, _, _ in series], [number for _, _, number in series], what)
    figure = new_figure(8, 4)
    axes = figure.subplots()
    for name in names[:_MOST_SERIES]:
        numbers = [number for other, _, number in series if other == name]
        axes.stairs(numbers, [*starts, flow.end], label=plain(name), baseline=None, linewidth=1.5)
    every = -(-len(starts) // _LABELS)
    style = "%Y-%m-%d" if starts[-1] - starts[-2] >= 86400 else "%m-%d %H:%M"
    axes.set_xticks(starts[::every], [utc(start, style) for start in starts[::every]], rotation=30, ha="right")
    axes.set(ylabel=f"{what} a {flow.by}", xlabel="UTC", ylim=(0, None))
    axes.legend()
    axes.grid(axis="y", alpha=0.3)
    return figure


def _bars(names: list[str], numbers: list[int], what: str) -> Figure:
    figure = new_figure(8, 1 + 0.35 * len(names))
    axes = figure.subplots()
    axes.bar_label(axes.barh([plain(name) for name in names], numbers, color="#3465a4"), padding=3)
    axes.set(xlabel=what)
    axes.margins(x=0.08)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return figure


def _lengths(flow: Flow) -> Figure:
    """How long people stay: the median, with a line from the shortest tenth to the longest."""
    figure = new_figure(8, 1 + 0.4 * len(flow.lengths))
    axes = figure.subplots()
    for row, length in enumerate(flow.lengths):
        axes.plot([length.seconds.p10, length.seconds.p90], [row, row], color="#729fcf", linewidth=4)
        axes.plot([length.seconds.median], [row], marker="o", color="#204a87")
    axes.set_yticks(range(len(flow.lengths)), [plain(length.camera) for length in flow.lengths])
    axes.set(xlabel="seconds in sight: median, and from 10 % to 90 %", xlim=(0, None))
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return figure


def _ways(flow: Flow) -> Figure:
    """How many went from which camera to which, with the median time."""
    names = sorted({name for way in flow.ways for name in (way.origin, way.destination)})
    most = max(way.seconds.count for way in flow.ways)
    figure = new_figure(2 + 1.1 * len(names), 1.5 + 0.8 * len(names))
    axes = figure.subplots()
    counts = {(way.origin, way.destination): way.seconds for way in flow.ways}
    grid = [[counts[a, b].count if (a, b) in counts else 0 for b in names] for a in names]
    axes.imshow(grid, cmap="Blues", vmin=0, aspect="auto")
    for (a, b), seconds in counts.items():
        colour = "white" if seconds.count > 0.6 * most else "black"
        text = f"{seconds.count}\n{seconds.median:.0f} s"
        axes.text(names.index(b), names.index(a), text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), [plain(name) for name in names], rotation=30, ha="right")
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set(xlabel="to", ylabel="from")
    return figure
