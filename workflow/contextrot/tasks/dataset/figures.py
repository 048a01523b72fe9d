"""Figures of a user's own data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

NEEDS = {"heatmap": ["has_depths"]}


def draw_score_by_length(context: FigureContext) -> Figure:
    """Mean score against length with 95 % intervals."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, None, "score (mean, 95 % interval)")


def draw_heatmap(context: FigureContext) -> Figure:
    """Mean score by length and depth of the context in its filler."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "depth", "depth of the context (%)", "score (mean)", "{:g}".format)
