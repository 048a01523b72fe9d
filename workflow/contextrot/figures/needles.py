"""Figures of needles in haystacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

CONDITIONS = ("similarity", "distractors", "order", "topic")
"""What may differ between the samples of one experiment beside needle, length, depth and repeat."""

FATES = {
    "right": "#009E73",
    "followed a distractor": "#D55E00",
    "wrong otherwise": "#BBBBBB",
    "no answer": "#555555",
}
"""What became of an answer -> colour."""


def draw_heatmap(context: FigureContext) -> Figure:
    """Share of right answers by length and depth."""
    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.scoring import select

    cells = select(context.metrics, "score", "length", "depth").assign(never_sent=lambda rows: rows["over_window"] > 0)
    table = {column: cells.pivot(index="depth", columns="length", values=column) for column in ("value", "n", "never_sent")}
    figure, axes = new_figure(context)
    heatmap(
        axes, table["value"], table["n"], table["never_sent"], "needle depth (%)", "prompt length (tokens)", "right answers (share)",
        row_format="{:g}".format,
    )  # fmt: skip
    return figure


def draw_accuracy_by_length(context: FigureContext) -> Figure:
    """Share of right answers against length with 95 % intervals, one line for each condition of the experiment."""
    from contextrot.figures.charts import line_with_interval, score_axis, token_axis
    from contextrot.figures.style import new_figure
    from contextrot.scoring import select

    rows = select(context.metrics, "score", *CONDITIONS, "length")
    varying = [name for name in CONDITIONS if rows[name].nunique(dropna=False) > 1]
    crowded = rows.groupby(list(CONDITIONS), dropna=False).ngroups > 3
    figure, axes = new_figure(context, panel_width=6.2 if crowded else 3.6)
    for index, (key, line) in enumerate(rows.groupby(varying or (lambda _: ""), dropna=False, sort=True)):
        label = ", ".join(_words(name, value) for name, value in zip(varying, key, strict=True)) if varying else None
        line = line.sort_values("length")
        line_with_interval(axes, line["length"], line["value"], line["low"], line["high"], line["n"], label=label, index=index)
    token_axis(axes, rows["length"], label="prompt length (tokens, log scale)")
    score_axis(axes, "right answers (share, 95 % interval)")
    axes.legend(**({"loc": "upper left", "bbox_to_anchor": (1, 1)} if crowded else {}))
    return figure


def _words(condition: str, value: Any) -> str:
    """One condition as people say it."""
    if condition == "distractors":
        return f"{value:.0f} distractor{'' if value == 1 else 's'}"
    return f"{value} similarity" if condition == "similarity" else str(value)


def draw_distractor_confusion(context: FigureContext) -> Figure:
    """What became of the answers by number of distractors, and how often each distractor was followed where it was planted."""
    import numpy as np

    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.records import SCORED_OUTCOMES

    scores = context.scores
    scores = scores[scores["outcome"].isin(SCORED_OUTCOMES) & scores["distractors"].notna()]
    with_any = scores[scores["distractors"] > 0]
    if with_any.empty:
        figure, axes = new_figure(context)
        axes.text(0.5, 0.5, "no distractors in this experiment", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return figure
    fate = np.select(
        [scores["score"] == 1, scores["chosen_distractor"].notna(), scores["outcome"].isin(("refused", "empty"))],
        ["right", "followed a distractor", "no answer"],
        "wrong otherwise",
    )
    shares = scores.assign(fate=fate).groupby("distractors")["fate"].value_counts(normalize=True).unstack(fill_value=0)
    n = scores.groupby("distractors").size()
    figure, (left, right) = new_figure(context, columns=2, width_ratios=(1, 1.3))
    bottom = np.zeros(len(shares))
    for name, color in FATES.items():
        if name in shares:
            left.bar(range(len(shares)), shares[name], bottom=bottom, color=color, width=0.7, label=name)
            bottom += shares[name].to_numpy()
    left.set_xticks(range(len(shares)), [f"{count:.0f}\nn = {n[count]}" for count in shares.index])
    left.set(xlabel="distractors in the haystack", ylabel="answers (share)", ylim=(0, 1.02))
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, handlelength=1)
    planted = with_any.explode("distractor_names")
    planted["followed"] = (planted["chosen_distractor"] == planted["distractor_names"]).astype(float)
    planted[["set", "number"]] = planted["distractor_names"].str.rsplit(":", n=1, expand=True)
    table = planted.groupby(["set", "number"])["followed"].agg(["mean", "size"]).unstack()
    heatmap(
        right, table["mean"], table["size"], None, "", "distractor", "share that follows it", column_format=str,
    )  # fmt: skip
    return figure
