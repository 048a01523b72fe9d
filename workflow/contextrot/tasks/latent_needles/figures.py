"""Figures of needles that share no word with their questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_accuracy_by_length(context: FigureContext) -> Figure:
    """Share of right answers against length with 95 % intervals, a line for one hop and two; dotted: 85 % of the base score."""
    from contextrot.figures.length_curves import draw_lines_by_length
    from contextrot.scores.score import select
    from contextrot.tasks.latent_needles.base_score import SHARE

    figure = draw_lines_by_length(context, "hops", "right answers (share, 95 % interval)", line_format="{} hop".format)
    base = select(context.metrics, "base_score")["value"].dropna()
    if len(base):
        figure.axes[0].axhline(SHARE * base.iloc[0], color="#777777", linewidth=0.8, linestyle=":")
    return figure


def draw_heatmap(context: FigureContext) -> Figure:
    """Share of right answers by length and depth."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "depth", "needle depth (%)", "right answers (share)", "{:g}".format)
