"""Figures of imported answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_score_by_length(context: FigureContext) -> Figure:
    """Mean score against length with 95 % intervals."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, None, "score (mean, 95 % interval)")


def draw_heatmap(context: FigureContext) -> Figure:
    """Mean score by depth and length, where the files say both."""
    from contextrot.figures.length_curves import draw_table_by_length
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    if select(context.metrics, "score", "length", "depth").empty:
        figure, axes = new_figure(context)
        axes.text(0.5, 0.5, "the files say no depth", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return figure
    return draw_table_by_length(context, "depth", "depth (%)", "score (mean)", row_format=lambda depth: f"{depth:g}")
