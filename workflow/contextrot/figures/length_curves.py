"""Score over length: a line for each value of a condition, and the table of condition by length. What most tasks draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_lines_by_length(
    context: FigureContext, by: str | None, label: str, measure: str = "score", line_format: Callable[[Any], str] = str
) -> Figure:
    """A measure against length with 95 % intervals, one line for each value of the condition `by` (or one in all)."""
    from contextrot.figures.charts import aside, legend_below, line_with_interval, score_axis, token_axis
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    rows = select(context.metrics, measure, *([by] if by else []), "length").dropna(subset=["length"])
    lines = dict(list(rows.groupby(by, sort=False))) if by else {"": rows}
    lengths = sorted(rows["length"].unique())
    figure, axes = new_figure(context, panel_width=5.2 if len(lines) > 3 else 3.6)
    for index, (name, line) in enumerate(lines.items()):
        line = line.sort_values("length")
        x = aside(line["length"], lengths, index, len(lines))
        title = line_format(name).replace("_", " ") if by else None
        line_with_interval(axes, x, line["value"], line["low"], line["high"], line["n"], label=title, index=index)
    token_axis(axes, lengths, label="prompt length (tokens, log scale)")
    if lengths:
        margin = max(lengths[-1] / lengths[0], 2) ** 0.06
        axes.set_xlim(lengths[0] / margin, lengths[-1] * margin)
    score_axis(axes, label)
    legend_below(figure, axes)
    return figure


def draw_table_by_length(
    context: FigureContext, by: str, row_label: str, label: str, row_format: Callable[[Any], str] = str, measure: str = "score"
) -> Figure:
    """A heatmap of a measure: the condition `by` down, length across; each cell with its value."""
    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    cells = select(context.metrics, measure, by, "length")
    if cells.empty and len(context.metrics):
        raise ValueError(f"no {measure} is averaged over {by} and length; name them in the task's groupings")
    cells = cells.assign(never_sent=cells["over_window"] > 0, cut=cells["input_cut"] > 0)
    table = {column: cells.pivot(index=by, columns="length", values=column) for column in ("value", "n", "never_sent", "cut")}
    figure, axes = new_figure(context, panel_height=max(2.7, 0.9 + 0.22 * len(table["value"])))
    heatmap(
        axes, table["value"], table["n"], table["never_sent"], row_label, "prompt length (tokens)", label,
        row_format=row_format, input_cut=table["cut"],
    )  # fmt: skip
    return figure
