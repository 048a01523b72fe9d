"""Figures of RULER's tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_average_by_length(context: FigureContext) -> Figure:
    """Mean of the tasks' scores against length with 95 % intervals; the dotted line is the threshold of the effective length, 85.6 %."""
    from contextrot.figures.length_curves import draw_lines_by_length
    from contextrot.scores.rot_curves import DEFINITIONS

    figure = draw_lines_by_length(context, None, "mean of the tasks (95 % interval)", "task_average")
    figure.axes[0].axhline(DEFINITIONS["ruler"], color="#777777", linewidth=0.8, linestyle=":")
    return figure


def draw_families_by_length(context: FigureContext) -> Figure:
    """Mean score against length with 95 % intervals, a line for each of retrieval, tracking, aggregation and question answering."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, "family", "score (mean, 95 % interval)")


def draw_heatmap(context: FigureContext) -> Figure:
    """Mean score by task and length."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "task", "", "score (mean)")
