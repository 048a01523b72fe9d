"""Figures of context switching: what a history of another task does to the score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from contextrot.figures.charts import heatmap, legend_under, line_with_interval, score_axis
from contextrot.figures.layers import cosine_heatmaps, cosine_lines
from contextrot.figures.style import new_figure
from contextrot.scores.score import select

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

GROUPING = ("target", "distractor", "history_turns")
NO_HISTORY = "none"
METRIC_TITLES = {"accuracy": "accuracy", "rouge": "ROUGE-L"}
FIXED_SCALE = ("score", "likelihood_correct")
NEEDS = {
    "tau": ["likelihoods.parquet"],
    "cosine_heatmap": ["cosines.parquet"],
    "cosine_lines": ["cosines.parquet"],
}


def _targets(context: FigureContext) -> dict[str, str]:
    """Target -> what its score is, in the order of the samples."""
    rows = context.scores.drop_duplicates("target")
    return {row.target: METRIC_TITLES[row.metric_name] for row in rows.itertuples()}


def _lines_by_history(context: FigureContext, measures: Mapping[str, str]) -> Figure:
    """Measures against the length of the history: a row of panels a measure, a panel a target, one line a distractor.

    All lines of a target start at its value without a history. Measures without any value (label likelihoods of a hosted model,
    or of free answers) have no panel.

    Args:
        measures: measure -> label of its axis.
    """
    names = _targets(context)
    shown = {m: label for m, label in measures.items() if select(context.metrics, m, *GROUPING)["value"].notna().any()}
    shown = shown or dict(list(measures.items())[:1])
    figure, axes = new_figure(context, len(names), len(shown), squeeze=False)
    for row, (measure, label) in zip(axes, shown.items(), strict=True):
        values = select(context.metrics, measure, *GROUPING)
        for ax, (target, metric) in zip(row, names.items(), strict=True):
            _lines(ax, values[values["target"] == target], relative=measure not in FIXED_SCALE)
            name = f"{metric} (mean, 95 % interval)" if measure == "score" else label
            ax.set(title=target, xlabel="turns of history", ylabel=name)
            if measure in FIXED_SCALE:
                score_axis(ax, name)
            if not ax.has_data():
                ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
                ax.spines[:].set_visible(False)
    return figure


def _lines(ax: Axes, values: pd.DataFrame, relative: bool) -> None:
    start = values[values["distractor"] == NO_HISTORY]
    distractors = sorted(set(values["distractor"]) - {NO_HISTORY})
    if not values["value"].notna().any():
        ax.text(
            0.5, 0.5, "no values: not defined for this target", transform=ax.transAxes, ha="center", va="center", color="#666666"
        )
        ax.grid(False)
        return
    if relative:
        ax.axhline(0, color="#666666", linewidth=0.8)
    for index, distractor in enumerate(distractors):
        line = values[values["distractor"] == distractor].sort_values("history_turns")
        if len(start):
            line = _joined(start, line)
        shift = 0.06 * (index - (len(distractors) - 1) / 2)
        columns = [line[name] for name in ("value", "low", "high", "n")]
        line_with_interval(ax, line["history_turns"] + shift, *columns, label=f"after {distractor}", index=index)
    ax.set_xticks(sorted(values["history_turns"].dropna().unique()))
    ax.xaxis.set_major_formatter("{x:.0f}")
    legend_under(ax)


def _joined(start: pd.DataFrame, line: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([start, line], ignore_index=True)


def draw_metric(context: FigureContext) -> Figure:
    """The target's score against the length of the history, one line a distractor."""
    return _lines_by_history(
        context,
        {"score": "score (mean, 95 % interval)", "likelihood_correct": "label likelihood accuracy\n(mean, 95 % interval)"},
    )


def draw_percent_change(context: FigureContext) -> Figure:
    """Percent change of the score against the zero-shot score, one line a distractor."""
    return _lines_by_history(context, {"percent_change": "change of the score\n(%, 95 % interval)"})


def draw_matrix(context: FigureContext) -> Figure:
    """Score, and its percent change, after the longest history: target x distractor, with the zero-shot score as first column."""
    from matplotlib import rc_context

    names = _targets(context)
    scores = select(context.metrics, "score", *GROUPING)
    changes = select(context.metrics, "percent_change", *GROUPING)
    longest = int(scores["history_turns"].max())
    last = scores[scores["history_turns"].isin([0, longest])]
    columns = 1 + scores["distractor"].nunique()
    figure, (left, right) = new_figure(context, 2, panel_height=0.9 + 0.5 * len(names), panel_width=1.6 + 0.8 * columns)
    values, counts = _table(last, "value", names), _table(last, "n", names)
    heatmap(
        left, values, counts, row_label="target", column_label=f"history ({longest} turns)", value_label="score (mean)",
        row_format=lambda name: f"{name}\n({names[name]})", column_format=lambda name: "no history" if name == NO_HISTORY else name,
    )  # fmt: skip
    after = changes[changes["history_turns"] == longest]
    change, n = _table(after, "value", names), _table(after, "n", names)
    largest = max(10.0, float(change.abs().max(axis=None)) if change.notna().any(axis=None) else 0.0)
    with rc_context({"image.cmap": "PuOr"}):
        heatmap(
            right, change, n, column_label=f"history ({longest} turns)", value_label="change of the score (%)", row_format=str,
            column_format=str, limits=(-largest, largest),
        )  # fmt: skip
    return figure


def draw_tau(context: FigureContext) -> Figure:
    """Sensitivity tau to the history, one line a distractor."""
    return _lines_by_history(context, {"tau": "sensitivity tau\n(nats, mean, 95 % interval)"})


def draw_cosine_heatmap(context: FigureContext) -> Figure:
    """Cosine of each layer's projected state with the final logits, layer x history."""
    return cosine_heatmaps(context, "history_turns", "turns of history", panel="target")


def draw_cosine_lines(context: FigureContext) -> Figure:
    """Cosine with the final logits by layer, and of each layer with itself without a history, one line a history length."""
    return cosine_lines(context, "history_turns", "turns of history", panel="target")


def _table(rows: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Target x distractor, no history first."""
    table = rows.pivot(index="target", columns="distractor", values=column).reindex(list(names))
    order = sorted(table.columns, key=lambda name: (name != NO_HISTORY, name))
    return table[order]
