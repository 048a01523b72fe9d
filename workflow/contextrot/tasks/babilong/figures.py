"""Figures of facts that are scattered over a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_accuracy_by_length(context: FigureContext) -> Figure:
    """Share of right answers against length with 95 % intervals, a line for each kind of question."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, "kind", "right answers (share, 95 % interval)")


def draw_heatmap(context: FigureContext) -> Figure:
    """Share of right answers by kind of question and length."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "kind", "", "right answers (share)")
