"""Figures of repeated words: how well a text is copied, by its length and by the place of the word that differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextrot.figures.charts import aside, legend_below, line_with_interval, score_axis, token_axis
from contextrot.figures.style import COLORS, new_figure
from contextrot.scores.score import select
from contextrot.tasks.repeated_words.task import MIN_FOR_INTERVAL, POSITION_BINS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_token_count_performance(context: FigureContext) -> Figure:
    """Mean normalised Levenshtein similarity of the copies against the prompt's length, one line for each word pair; beside it, where there
    are any, the share of answers that are no copy, and of copies with other words around them, whose form alone makes them less similar.
    """
    rows = select(context.metrics, "levenshtein", "pair", "count")
    tokens = context.scores.groupby(["pair", "count"])["prompt_tokens"].mean().rename("tokens").reset_index()
    rows = rows.merge(tokens, on=["pair", "count"])
    shares = {"with words around it": ("other_words",), "no copy": ("refusal", "off_task", "empty")}
    figure, axes = new_figure(context)
    pairs = list(rows.groupby("pair", sort=False))
    for index, (pair, line) in enumerate(pairs):
        x = aside(line["tokens"], rows["tokens"], index, len(pairs))
        line_with_interval(axes, x, line["value"], line["low"], line["high"], line["n"], label=pair, index=index)
        for (name, measures), marker in zip(shares.items(), ("+", "x"), strict=True):
            of = _share_of([select(context.metrics, measure, "pair", "count") for measure in measures], pair)
            share = line["count"].map(of)
            if share.gt(0).any():
                label = f"{name}{f' ({pair})' if len(pairs) > 1 else ''}, share"
                axes.plot(x, share, ":", lw=0.8, marker=marker, markersize=4, color=COLORS[index % len(COLORS)], label=label)
    if not rows["value"].notna().any():
        note = "no points: no answer is a copy\n(empty, refused or off the task; see metrics.csv)"
        axes.text(0.5, 0.5, note, ha="center", va="center", color="#777777", transform=axes.transAxes)
    token_axis(axes, rows.groupby("count")["tokens"].mean(), label="prompt length (tokens, log scale)")
    if rows["tokens"].nunique() > 1:
        axes.set_xlim(rows["tokens"].min() / 1.1, rows["tokens"].max() * 1.1)
    score_axis(axes, "normalised Levenshtein\n(mean, 95 % interval)")
    legend_below(figure, axes)
    return figure


def _share_of(tables: list[pd.DataFrame], pair: str) -> pd.Series:
    """The sum of several shares of one pair, by count of words; an unknown share leaves it unknown."""
    of = [table[table["pair"] == pair].set_index("count")["value"].astype(float) for table in tables]
    return sum(of[1:], of[0])


def draw_levenshtein_score(context: FigureContext) -> Figure:
    """Mean normalised Levenshtein similarity by position of the changed word, a panel for each count."""
    return _by_position(context, "levenshtein", "normalised\nLevenshtein (mean)")


def draw_modified_word_present(context: FigureContext) -> Figure:
    """Share of answers that hold the changed word, by its position."""
    return _by_position(context, "modified_word_present", "changed word\npresent (share)")


def draw_position_accuracy(context: FigureContext) -> Figure:
    """Share of answers with the changed word in its place, of those that hold it."""
    return _by_position(context, "position_accuracy", "changed word in\nits place (share)")


def draw_word_count_delta(context: FigureContext) -> Figure:
    """Words of the text less words of the answer, by position: above 0 the answer is too short."""
    return _by_position(context, "word_count_delta", "words of text\n- words of answer")


def _by_position(context: FigureContext, measure: str, label: str) -> Figure:
    """Bars of a measure over the position of the changed word, one panel for each count; an empty bin has no bar.

    Intervals are drawn for bins of at least MIN_FOR_INTERVAL answers: those of fewer tell next to nothing.
    """
    rows = select(context.metrics, measure, "count", "position_bin")
    counts = sorted(rows["count"].unique())
    columns, share = min(4, len(counts)), measure != "word_count_delta"
    figure, panels = new_figure(
        context,
        columns,
        -(-len(counts) // columns),
        panel_width=max(2.1, 3.6 / columns),
        panel_height=1.9,
        squeeze=False,
        sharex=True,
        sharey=share,
    )
    width = 100 / POSITION_BINS
    for panel, count in zip(panels.flat, counts, strict=False):
        of = rows[rows["count"] == count].dropna(subset=["value"])
        centers = (of["position_bin"].astype(float) + 0.5) * width
        # with an edge, so that a bar of height 0 is a line
        panel.bar(centers, of["value"], 0.85 * width, color=COLORS[0], edgecolor=COLORS[0], linewidth=0.7)
        empty = sorted(set(range(POSITION_BINS)) - set(of["position_bin"].astype(int)))
        panel.broken_barh(
            [(place * width, width) for place in empty], (0, 1), color="#EFEFEF", lw=0, transform=panel.get_xaxis_transform()
        )
        known = of["low"].notna() & of["high"].notna() & (of["n"] >= MIN_FOR_INTERVAL)
        ends = [(of["value"] - of["low"]).clip(lower=0)[known], (of["high"] - of["value"]).clip(lower=0)[known]]
        panel.errorbar(centers[known], of["value"][known], yerr=ends, fmt="none", ecolor="#333333", elinewidth=0.7)
        panel.set_title(f"{int(count):,} words (n = {int(of['n'].sum())})")
        panel.set_xlim(0, 100)
        if share:
            panel.set_ylim(-0.02, 1.05)
        elif of.empty:
            panel.set_yticks([])
        else:
            panel.axhline(0, color="#333333", linewidth=0.6)
        if of.empty:
            panel.text(
                50, 0.5, "no answer counts", ha="center", va="center", color="#777777", transform=panel.get_xaxis_transform()
            )
    for panel in list(panels.flat)[len(counts) :]:
        panel.set_visible(False)
    note = f"grey: no answer counts; 95 % intervals from {MIN_FOR_INTERVAL} answers on"
    figure.supxlabel(f"position of the changed word (% of the text)\n{note}", size=7.5)
    figure.supylabel(label, size=7.5)
    return figure
