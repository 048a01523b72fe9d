"""Figures of multi-turn tasks: what the growing context does from turn to turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

TURN_LABEL = "turn"
NEEDS = {"criteria_by_turn": ["judge"]}


def draw_tokens_by_turn(context: FigureContext) -> Figure:
    """Prompt and answer tokens of each turn, as the server counts them, against the window; and how much of it is used."""
    from contextrot.figures.charts import legend_under, score_axis
    from contextrot.figures.style import new_figure

    figure, (tokens, use) = new_figure(context, columns=2)
    _lines(tokens, context, {"server_prompt_tokens": "prompt", "completion_tokens": "answer"})
    for column, name in (("window", "window"), ("budget_tokens", "longest prompt allowed")):
        for number, value in enumerate(sorted(context.scores[column].dropna().unique())):
            style = {"window": "-", "budget_tokens": ":"}[column]
            tokens.axhline(value, color="#555555", lw=0.9, ls=style, label=f"{name}" if number == 0 else None)
    tokens.set_ylim(bottom=0)
    tokens.margins(y=0.25)
    tokens.set_ylabel("tokens (mean, 95 % interval)")
    legend_under(tokens, columns=2)
    _lines(use, context, {"window_use": "window used by prompt and answer", "context_changed": "conversations shortened"})
    score_axis(use, "share (mean, 95 % interval)")
    legend_under(use)
    return figure


def draw_speed_by_turn(context: FigureContext) -> Figure:
    """Generated tokens a second, of the whole request and after its first token."""
    from contextrot.figures.charts import legend_under
    from contextrot.figures.style import new_figure

    figure, axes = new_figure(context)
    names = {"tokens_per_second": "whole request", "decode_tokens_per_second": "after the first token"}
    _lines(axes, context, names)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("tokens a second\n(mean, 95 % interval, not below 0)")
    legend_under(axes)
    return figure


def draw_repetition_by_turn(context: FigureContext) -> Figure:
    """How repetitive answers are: different n-grams, the longest span said twice, what earlier turns said already; and their length."""
    from contextrot.figures.charts import legend_under, score_axis
    from contextrot.figures.style import new_figure

    figure, (left, right) = new_figure(context, columns=2)
    names = {
        "distinct_1": "distinct words",
        "distinct_2": "distinct pairs",
        "distinct_3": "distinct triples",
        "longest_repeated_share": "longest span twice",
        "overlap": "said in earlier turns",
    }
    _lines(left, context, names)
    score_axis(left, "share (mean, 95 % interval)")
    legend_under(left, columns=2)
    _lines(right, context, {"length_ratio": "words written / asked"})
    right.axhline(1, color="#555555", lw=0.9, ls=":", label="as asked")
    right.set_ylim(bottom=0)
    right.set_ylabel("length (mean, 95 % interval)")
    legend_under(right)
    return figure


def draw_outcomes_by_turn(context: FigureContext) -> Figure:
    """How many turns ended how, and how many needed more than one attempt."""
    from contextrot.figures.charts import legend_under
    from contextrot.figures.style import COLORS, new_figure
    from contextrot.records import OUTCOMES

    figure, axes = new_figure(context)
    turns = sorted(context.scores["turn"].unique())
    base = dict.fromkeys(turns, 0)
    for index, outcome in enumerate(OUTCOMES):
        counts = context.scores[context.scores["outcome"] == outcome].groupby("turn").size()
        heights = [int(counts.get(turn, 0)) for turn in turns]
        if not sum(heights):
            continue
        bars = axes.bar(range(len(turns)), heights, 0.7, bottom=list(base.values()), color=COLORS[index], label=outcome)
        axes.bar_label(bars, [height or "" for height in heights], label_type="center", color="white", size=7)
        base = {turn: base[turn] + height for turn, height in zip(turns, heights, strict=True)}
    retried = context.scores[context.scores["retries"] > 0].groupby("turn").size()
    for place, turn in enumerate(turns):
        if count := int(retried.get(turn, 0)):
            axes.text(place, base[turn], f"{count} retried", ha="center", va="bottom", size=7)
    axes.set_xticks(range(len(turns)), [str(turn + 1) for turn in turns])
    axes.set_xlabel(TURN_LABEL)
    axes.set_ylabel("answers")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(False, axis="x")
    axes.margins(y=0.12)
    legend_under(axes, columns=3)
    return figure


def draw_criteria_by_turn(context: FigureContext) -> Figure:
    """Mean ratings by criterion and turn, 1 to 5."""
    from contextrot.figures.charts import heatmap
    from contextrot.figures.style import new_figure
    from contextrot.tasks.story_sequences.task import CRITERIA

    metrics = context.metrics
    rows = metrics[metrics["measure"].isin(CRITERIA) & (metrics["grouping"] == "turn")]
    figure, axes = new_figure(context)
    tables = {column: rows.pivot(index="measure", columns="turn", values=column).reindex(CRITERIA) for column in ("value", "n")}
    heatmap(
        axes,
        tables["value"],
        tables["n"],
        column_label=TURN_LABEL,
        value_label="rating, 1 to 5 (mean)",
        row_format=lambda name: name.replace("_", " "),
        column_format=lambda turn: str(int(turn) + 1),
        limits=(1, 5),
    )
    return figure


def _lines(axes: Axes, context: FigureContext, measures: dict[str, str]) -> None:
    """Means of measures by turn, turns counted from 1 as people do."""
    from contextrot.figures.charts import line_with_interval
    from contextrot.scores.score import select

    turns: list[Any] = []
    for index, (measure, name) in enumerate(measures.items()):
        rows = select(context.metrics, measure, "turn")
        turns = sorted({*turns, *rows["turn"]})
        spread = (index - (len(measures) - 1) / 2) * 0.05
        line_with_interval(axes, rows["turn"] + 1 + spread, rows["value"], rows["low"], rows["high"], rows["n"], name, index)
    axes.set_xticks([turn + 1 for turn in turns], [str(int(turn) + 1) for turn in turns])
    axes.set_xlabel(TURN_LABEL)
