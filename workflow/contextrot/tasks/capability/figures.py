"""Figures of the benchmarks that papers report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

TITLES = {"longbench": "LongBench", "longbench_v2": "LongBench v2", "infinitebench": "InfiniteBench"}


def draw_score_by_length(context: FigureContext) -> Figure:
    """Mean score against the prompt's length (rounded up to a power of two) with 95 % intervals, a line for each benchmark."""
    from contextrot.figures.length_curves import draw_lines_by_length

    return draw_lines_by_length(context, "benchmark", "score (mean, 95 % interval)", line_format=TITLES.__getitem__)


def draw_score_by_set(context: FigureContext) -> Figure:
    """Mean score of each set with its 95 % interval, in the benchmark's own measure."""
    from contextrot.figures.charts import bars_with_interval, score_axis
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    rows = select(context.metrics, "score", "benchmark", "dataset")
    names = [TITLES.get(name, name).replace("_", " ") for name in rows["dataset"]]
    figure, axes = new_figure(context, panel_width=max(3.6, 0.45 * len(names) + 1))
    bars_with_interval(axes, names, rows["value"], rows["low"], rows["high"], rows["n"].fillna(0))
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    score_axis(axes, "score (mean, 95 % interval)")
    return figure
