"""Figures of like requests told apart by their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_ratio_by_length(context: FigureContext) -> Figure:
    """Mean ratio of matching text against length with 95 % intervals, a line for each number of like requests."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(
        context, "needles", "matching text (mean ratio, 95 % interval)", line_format="{:g} like requests".format
    )


def draw_heatmap(context: FigureContext) -> Figure:
    """Mean ratio by which of the like requests is asked for, and length."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "ordinal", "which of the like requests", "matching text (mean ratio)", "{:g}".format)
