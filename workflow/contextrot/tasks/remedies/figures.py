"""Figures of what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext

COSTS = (("usd", "USD a question (mean)"), ("input_tokens", "tokens read a question (mean)"))


def draw_quality_against_cost(context: FigureContext) -> Figure:
    """Score of each arm against what a question costs under it (USD where it is billed, else tokens read); the line is the Pareto front:
    no other arm is both better and cheaper.
    """
    from contextrot.figures.charts import count_label, score_axis, token_axis
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    scores = select(context.metrics, "score", "arm").set_index("arm")
    costs = {measure: select(context.metrics, measure, "arm").set_index("arm")["value"].astype(float) for measure, _ in COSTS}
    measure, label = COSTS[0] if costs["usd"].fillna(0).gt(0).any() else COSTS[1]
    points = (
        scores.assign(cost=costs[measure])
        .dropna(subset=["cost", "value"])
        .sort_values(["cost", "value"], ascending=[True, False])
    )
    figure, axes = new_figure(context, panel_width=5.6, panel_height=3.6)
    best = pareto(points)
    axes.plot(points.loc[best, "cost"], points.loc[best, "value"], color="0.6", drawstyle="steps-post", marker="", zorder=1)
    for arm, row in points.iterrows():
        ends = (
            [[max(0.0, row["value"] - row["low"])], [max(0.0, row["high"] - row["value"])]] if row["low"] == row["low"] else None
        )
        color = "C0" if arm in best else "0.45"
        axes.errorbar(
            [row["cost"]], [row["value"]], yerr=ends, fmt="o" if arm in best else "s", capsize=2, color=color, elinewidth=0.8
        )
    log = len(points) and points["cost"].min() > 0 and points["cost"].max() > 4 * points["cost"].min()
    if log and measure == COSTS[1][0]:
        token_axis(axes, sorted(points["cost"]), label=f"{label}, log scale")
    else:
        axes.set_xlabel(label)
        axes.set_xscale("log" if log else "linear")
    axes.margins(x=0.18)
    for names, cost, value in labelled_together(points, bool(log)):
        axes.annotate(names, (cost, value), xytext=(5, 4), textcoords="offset points", fontsize="small")
    score_axis(axes, f"score (mean, 95 % interval) {count_label(points['n'].astype(int).tolist())}")
    return figure


def labelled_together(points: pd.DataFrame, log: bool) -> list[tuple[str, float, float]]:
    """Names of the arms that stand (nearly) on one place, one under the other, with that place."""
    import numpy as np

    places = np.log(points["cost"]) if log else points["cost"]
    width = max(float(places.max() - places.min()), 1e-9)
    groups: list[tuple[list[str], float, float, float]] = []
    for arm, row in points.iterrows():
        x = float(places[arm])
        near = next((g for g in groups if abs(g[1] - x) < 0.12 * width and abs(g[3] - row["value"]) < 0.05), None)
        name = str(arm).replace("_", " ")
        if near:
            near[0].append(name)
        else:
            groups.append(([name], x, float(row["cost"]), float(row["value"])))
    return [("\n".join(names), cost, value) for names, _, cost, value in groups]


def pareto(points: pd.DataFrame) -> list[Any]:
    """Arms that no other beats in score without costing more; `points` come by cost."""
    front, top = [], float("-inf")
    for arm, row in points.iterrows():
        if row["value"] > top:
            front.append(arm)
            top = row["value"]
    return front


def draw_difference_to_full(context: FigureContext) -> Figure:
    """Score of each arm less that of the whole context on the same questions, with 95 % intervals; filled where the difference is more
    than chance after Holm's correction (p < 0.05). Beside each its share of the evidence and the number of questions.
    """
    from contextrot.figures.style import new_figure
    from contextrot.scores.score import select

    rows = select(context.metrics, "minus_full", "arm").set_index("arm").dropna(subset=["value"]).sort_values("value")
    p_values = select(context.metrics, "p_holm", "arm").set_index("arm")["value"]
    recalls = select(context.metrics, "evidence_recall", "arm").set_index("arm")["value"]
    figure, axes = new_figure(context, panel_width=5.2, panel_height=max(2.2, 0.8 + 0.28 * len(rows)))
    axes.axvline(0, color="0.6", lw=0.8)
    labels = []
    for place, (arm, row) in enumerate(rows.iterrows()):
        sure = p_values.get(arm) is not None and p_values.get(arm) < 0.05
        ends = (
            [[max(0.0, row["value"] - row["low"])], [max(0.0, row["high"] - row["value"])]] if row["low"] == row["low"] else None
        )
        axes.errorbar(
            [row["value"]], [place], xerr=ends, fmt="o", capsize=2, color="C0", markerfacecolor="C0" if sure else "white"
        )
        recall = recalls.get(arm)
        known = "" if recall is None or recall != recall else f", evidence {100 * recall:.0f} %"
        labels.append(f"{str(arm).replace('_', ' ')} (n = {int(row['n'])}{known})")
    axes.set_yticks(range(len(rows)), labels)
    axes.set_xlabel("score less that of the whole context\n(mean, 95 % interval; filled: p < 0.05, Holm)")
    axes.set_ylim(-0.6, len(rows) - 0.4)
    return figure


def draw_score_by_length(context: FigureContext) -> Figure:
    """Mean score by arm and length."""
    from contextrot.figures.length_curves import draw_table_by_length

    return draw_table_by_length(context, "arm", "", "score (mean)", row_format=lambda arm: str(arm).replace("_", " "))


NEEDS = {"score_by_length": ("length_column",)}
