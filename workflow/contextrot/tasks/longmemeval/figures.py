"""Figures of LongMemEval: the focused against the full history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contextrot.figures.charts import bars_with_interval, score_axis
from contextrot.figures.style import new_figure
from contextrot.figures.transitions import transitions
from contextrot.scores.score import select
from contextrot.tasks.longmemeval.data import QUESTION_TYPES
from contextrot.tasks.longmemeval.task import HISTORIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def draw_focused_and_full(context: FigureContext) -> Figure:
    """Share of right answers with the focused and the full history."""
    rows = select(context.metrics, "score", "history").set_index("history").reindex(HISTORIES)
    figure, axes = new_figure(context)
    bars_with_interval(axes, HISTORIES, rows["value"], rows["low"], rows["high"], rows["n"].fillna(0))
    score_axis(axes, "right answers (share, 95 % interval)")
    axes.set_xlabel("history in the prompt")
    return figure


def draw_by_question_type(context: FigureContext) -> Figure:
    """Share of right answers by question type, focused and full side by side."""
    rows = select(context.metrics, "score", "history", "question_type")
    rows = rows.assign(question_type=rows["question_type"].astype(object).fillna("type not known"))
    kinds = [kind for kind in (*QUESTION_TYPES, "type not known") if kind in set(rows["question_type"])]
    figure, axes = new_figure(context, panel_width=max(3.6, 1.15 * len(kinds) + 1), panel_height=3.2)
    for index, history in enumerate(HISTORIES):
        of = rows[rows["history"] == history].set_index("question_type").reindex(kinds)
        bars_with_interval(
            axes,
            kinds,
            of["value"],
            of["low"],
            of["high"],
            of["n"].fillna(0),
            label=f"{history} history",
            index=index,
            series=2,
        )
    score_axis(axes, "right answers (share, 95 % interval)")
    axes.set_xticks(range(len(kinds)), [kind.replace("-", "-\n", 1) for kind in kinds], rotation=0, ha="center")
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, handlelength=1)
    return figure


def draw_transitions(context: FigureContext) -> Figure:
    """What became of each question from the focused to the full history, with the exact McNemar test."""
    return transitions(context, HISTORIES, "question_type", QUESTION_TYPES)
