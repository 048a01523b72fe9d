"""Figures of perplexity by length."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

NEEDS = {"perplexity_by_length": ["likelihoods.parquet"]}


def draw_perplexity_by_length(context: FigureContext) -> Figure:
    """Perplexity of the same continuations against the length of the text before them, with 95 % intervals (log scales)."""
    from contextrot.figures.charts import legend_below, line_with_interval, token_axis
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    rows = select(context.metrics, "perplexity", "length").dropna(subset=["length"]).sort_values("length")
    figure, axes = new_figure(context)
    line_with_interval(axes, rows["length"], rows["value"], rows["low"], rows["high"], rows["n"], index=0)
    token_axis(axes, sorted(rows["length"].unique()), label="prompt length (tokens, log scale)")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("{x:g}")
    axes.yaxis.get_minor_locator().set_params(subs=(2, 5))
    axes.set_ylabel("perplexity (95 % interval, log scale)")
    legend_below(figure, axes)
    return figure


def draw_next_word_by_length(context: FigureContext) -> Figure:
    """Share of answers whose first word is the text's next one, against length with 95 % intervals."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, None, "next word right (share, 95 % interval)")
