"""How versions of an encoder came to be, drawn as SVG: their losses, and what the gate said of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.record.rows import ModelRecord
from app.report.svg import as_svg, plain
from reid.traceless import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def losses(model: ModelRecord) -> bytes | None:
    """A version's losses by step. None where nobody kept them. Raises ImportError where matplotlib is not installed."""
    curves = model.summary.get("curves")
    if not curves or len(curves["steps"]) < 2:
        return None
    figure = new_figure(8, 3)
    axes = figure.subplots()
    for name, values in curves["losses"].items():
        points = [(step, value) for step, value in zip(curves["steps"], values) if value is not None]
        axes.plot(*zip(*points), label=plain(name), linewidth=1.8)
    axes.set(xlabel="steps", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend()
    return as_svg(figure)


def gate(models: Sequence[ModelRecord]) -> bytes | None:
    """What the gate said of each version that was judged, and of the one before it. None where none was.

    Raises ImportError where matplotlib is not installed.
    """
    judged = [model for model in models if "gate" in model.summary and "gate_before" in model.summary]
    return None if not judged else as_svg(_gates(judged))


def _gates(judged: Sequence[ModelRecord]) -> Figure:
    figure = new_figure(8, 1.2 + 0.55 * len(judged))
    axes = figure.subplots()
    for row, model in enumerate(judged):
        before, after = model.summary["gate_before"]["score"], model.summary["gate"]["score"]
        axes.plot([before, after], [row, row], color="#729fcf", linewidth=4, zorder=1)
        axes.scatter([before], [row], color="#888a85", zorder=2, label="the version that served" if row == 0 else None)
        axes.scatter([after], [row], color="#204a87", zorder=3, label="the new version" if row == 0 else None)
    axes.set_yticks(range(len(judged)), [plain(model.name) for model in judged])
    axes.set(xlabel="score of the gate: higher is better", ylim=(len(judged) - 0.5, -0.5))
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="best")
    return figure
