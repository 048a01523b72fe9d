"""Figures of the same prompt asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

NEEDS = {"flips_by_length": ("length_column",)}


def draw_flips_by_length(context: FigureContext) -> Figure:
    """Share of prompts whose answers are not all the same text, and of those whose verdict flips, against length, with 95 % intervals."""
    from contextrot.figures.charts import aside, legend_below, line_with_interval, score_axis, token_axis
    from contextrot.figures.style import new_figure

    metrics = context.metrics
    length = next((str(grouping) for grouping in metrics["grouping"].dropna().unique() if grouping and grouping != "time"), None)
    figure, axes = new_figure(context)
    for index, (measure, label) in enumerate((("same_text", "another text"), ("flips", "another verdict"))):
        rows = metrics[(metrics["measure"] == measure) & (metrics["grouping"] == length)].dropna(subset=["value"])
        value, low, high = (rows[name].astype(float) for name in ("value", "low", "high"))
        if measure == "same_text":
            value, low, high = 1 - value, 1 - high, 1 - low
        if len(rows):
            line_with_interval(
                axes, aside(rows[length], sorted(rows[length]), index, 2), value, low, high, rows["n"], label=label, index=index
            )
            token_axis(axes, sorted(rows[length]), label="prompt length (tokens, log scale)")
    score_axis(axes, "share of prompts (95 % interval)")
    legend_below(figure, axes)
    return figure
