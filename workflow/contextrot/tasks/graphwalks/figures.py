"""Figures of walks on graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_f1_by_length(context: FigureContext) -> Figure:
    """Mean F1 of the node sets against length with 95 % intervals, a line for each operation."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, "operation", "F1 of the nodes (mean, 95 % interval)")


def draw_heatmap(context: FigureContext) -> Figure:
    """Mean F1 by operation with its depth, and length."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "walk", "", "F1 of the nodes (mean)")
