"""Figures of needles in haystacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contextrot.figures.repeated_text import repeated_text
from contextrot.tasks.niah.task import CONDITIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

NEEDS = {"accuracy_by_needle": ["several_needles"], "distractor_confusion": ["plants_distractors"]}

REASONS = {"input_cut": "cut by the server", "over_window": "over the window"}
"""Outcome -> why a length has no value."""
NO_REASON = "no answer counts"

FATES = {
    "right": "#009E73",
    "followed a distractor": "#D55E00",
    "wrong otherwise": "#BBBBBB",
    "no answer": "#555555",
}
"""What became of an answer -> colour."""


def draw_heatmap(context: FigureContext) -> Figure:
    """Share of right answers by length and depth; of needles found, each at its own depth, where several are asked for."""
    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    cells, label = select(context.metrics, "needle_score", "length", "depth"), "needles found (share)"
    if cells.empty:
        cells, label = select(context.metrics, "score", "length", "depth"), "right answers (share)"
    cells = cells.assign(never_sent=cells["over_window"] > 0, cut=cells["input_cut"] > 0)
    table = {
        column: cells.pivot(index="depth", columns="length", values=column) for column in ("value", "n", "never_sent", "cut")
    }
    figure, axes = new_figure(context, panel_height=max(2.7, 0.9 + 0.22 * len(table["value"])))
    heatmap(
        axes, table["value"], table["n"], table["never_sent"], "needle depth (%)", "prompt length (tokens)", label,
        row_format="{:g}".format, input_cut=table["cut"],
    )  # fmt: skip
    _say_repetition(axes, context)
    return figure


def _say_repetition(axes: Any, context: FigureContext) -> None:
    """A line above the axes if the haystacks' own text repeats: the needle is then easier to tell from it."""
    if said := repeated_text(context.scores):
        axes.set_title(said, fontsize=6, color="#777777", loc="left")


def draw_accuracy_by_length(context: FigureContext) -> Figure:
    """Share of right answers against length with 95 % intervals, one line for each condition of the experiment."""
    from contextrot.scores.score import select

    rows = select(context.metrics, "score", *CONDITIONS, "length")
    varying = [name for name in CONDITIONS if rows[name].nunique(dropna=False) > 1]
    lines = {}
    for key, line in rows.groupby(varying or (lambda _: ""), dropna=False, sort=True):
        lines[", ".join(_words(name, value) for name, value in zip(varying, key, strict=True)) if varying else ""] = line
    return _lines_by_length(context, lines, "right answers (share, 95 % interval)")


def draw_accuracy_by_needle(context: FigureContext) -> Figure:
    """Share of the answers that hold a needle's own answer against length with 95 % intervals, one line for each needle."""
    from contextrot.scores.score import select

    lines = dict(list(select(context.metrics, "needle_score", "needle", "length").groupby("needle", sort=False)))
    if not lines:  # a single needle
        return draw_accuracy_by_length(context)
    named = {name.replace("_", " "): line for name, line in lines.items()}
    return _lines_by_length(context, named, "needle found (share, 95 % interval)")


def _lines_by_length(context: FigureContext, lines: dict[str, Any], label: str) -> Figure:
    """One line for each label, side by side where they meet, with the legend below."""
    from contextrot.figures.charts import aside, legend_below, line_with_interval, score_axis, token_axis
    from contextrot.figures.style import new_figure

    lengths = sorted({length for line in lines.values() for length in line["length"]})
    figure, axes = new_figure(context, panel_width=5.2 if len(lines) > 3 else 3.6)
    for index, (name, line) in enumerate(lines.items()):
        line = line.sort_values("length")
        x = aside(line["length"], lengths, index, len(lines))
        line_with_interval(axes, x, line["value"], line["low"], line["high"], line["n"], label=name or None, index=index)
    token_axis(axes, lengths, label="prompt length (tokens, log scale)")
    margin = max(lengths[-1] / lengths[0], 2) ** 0.06
    axes.set_xlim(lengths[0] / margin, lengths[-1] * margin)
    score_axis(axes, label)
    for length in lengths:
        at = [line[line["length"] == length] for line in lines.values()]
        if all(rows["value"].isna().all() for rows in at):
            reason = next(
                (words for outcome, words in REASONS.items() if any((rows[outcome] > 0).any() for rows in at)), NO_REASON
            )
            axes.text(length, 0.5, reason, rotation=90, ha="center", va="center", size=6, color="#777777")
    legend_below(figure, axes)
    _say_repetition(axes, context)
    return figure


def _words(condition: str, value: Any) -> str:
    """One condition as people say it."""
    if value != value or value is None:
        return f"{condition} not known"
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
