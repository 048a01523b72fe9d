"""Figures that compare models, conditions or tiers: drawn from the tables of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contextrot.figures import FigureContext
from contextrot.figures.charts import aside, count_label, legend_below, line_with_interval, score_axis, token_axis, token_label
from contextrot.figures.style import COLORS, MARKERS, new_figure, save
from contextrot.scores.rot_curves import DEFINITIONS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LENGTHS = {"length": "prompt length (tokens, log scale)", "count": "words to repeat (log scale)", "turn": "turn (log scale)",
           "history_turns": "turns of history"}  # fmt: skip
DEFINITION_LABELS = {"ruler": "score above 85.6 % (RULER)", "nolima": "85 % of the shortest length's score (NoLiMa)"}


def draw_comparison(folder: Path, length: str | None, title: str, outputs: Sequence[str | Path]) -> None:
    """Draws from table.csv, curves.csv and differences.csv the figures that the outputs are named for.

    Args:
        folder: of the tables.
        length: name of the length column.
        title: what is compared, in words.
        outputs: paths of rot_curves, effective_length, paired_differences and rank, or of some of them.
    """
    import pandas as pd

    table, curves, differences = (pd.read_csv(folder / f"{name}.csv") for name in ("table", "curves", "differences"))
    context = FigureContext(table, curves, folder, "Comparison", title, note_of_table(table))
    for output in outputs:
        save(FIGURES[Path(output).stem](context, table, curves, differences, length), output)


def note_of_table(table: pd.DataFrame) -> str:
    """The notes of the entries, each with the entries it is about unless it is about all; only what stands before the colon."""
    noted = table[table["note"].notna() & (table["note"] != "")]
    found = []
    for note, rows in noted.groupby("note", sort=False):
        said = note.split(":")[0]
        found.append(said if len(rows) == len(table) else f"{said}: {', '.join(rows['title'])}")
    return "; ".join(found)


def rot_curves(context: FigureContext, table: Any, curves: Any, differences: Any, length: str | None) -> Figure:
    """Score against length, and the same relative to the score at the shortest length."""
    figure, (left, right) = new_figure(context, columns=2, panel_height=3.0, sharex=True)
    entries = list(table["title"])
    for index, title in enumerate(entries):
        rows = curves[curves["title"] == title].sort_values("length")
        x = aside(rows["length"], curves["length"], index, len(entries), log=curves["length"].min() > 0)
        line_with_interval(left, x, rows["score"], rows["low"], rows["high"], rows["n"], title, index)
        line_with_interval(right, x, rows["relative"], rows["relative_low"], rows["relative_high"], [], None, index)
    score_axis(left)
    right.axhline(DEFINITIONS["nolima"], color="#777777", linewidth=0.8, linestyle="--")
    right.annotate("85 %", (1, DEFINITIONS["nolima"]), xycoords=("axes fraction", "data"), ha="right", va="bottom", size=6)
    highest = curves[["relative", "relative_high"]].max()
    right.set_ylim(
        -0.03, 1.1 if _missing(highest["relative"]) else max(1.1, highest["relative"] + 0.1, min(2, highest["relative_high"]))
    )
    right.set_ylabel("score relative to the shortest length\n(95 % bootstrap interval)")
    for axes in (left, right):
        _length_axis(axes, curves["length"], length)
    if curves.empty:
        _say(left, "no answers to show")
    else:
        legend_below(figure, left)
    return figure


def effective_lengths(context: FigureContext, table: Any, curves: Any, differences: Any, length: str | None) -> Figure:
    """How far each entry gets before its score falls below a threshold, by both definitions, with intervals."""
    figure, axes = new_figure(context, panel_width=6.0, panel_height=0.6 + 0.6 * len(table))
    lengths = sorted(curves["length"].unique()) or [1]
    left, right = _edges(lengths)
    for place, row in enumerate(table.to_dict("records")):
        for step, definition in enumerate(DEFINITIONS):
            y = place + 0.42 * (step - 0.5)
            _effective_length(axes, row, definition, y, left, right, COLORS[step], MARKERS[step])
    for step, definition in enumerate(DEFINITIONS):
        axes.plot([], [], MARKERS[step], color=COLORS[step], label=DEFINITION_LABELS[definition])
    axes.plot([], [], "|", color="#333333", markersize=8, label="largest tested length that passes")
    _length_axis(axes, lengths, length)
    axes.set_xlim(left, right)
    _rows(axes, [f"{t} {count_label([n])}" for t, n in zip(table["title"], table["n"], strict=True)])
    legend_below(figure, axes, columns=1)
    return figure


def _effective_length(
    axes: Any, row: dict, definition: str, y: float, left: float, right: float, color: str, marker: str
) -> None:
    """One interval: arrows where it goes on beyond the tested lengths; the point is the crossing of the fitted curve."""
    part = {name: row[f"{definition}_{name}"] for name in ("status", "crossing", "low", "high", "longest_passing", "reason")}
    if part["status"] == "unknown":
        axes.text(left, y, f"  unknown: {part['reason']}", va="center", size=6.5, color=color)
        return
    below, beyond = _missing(part["low"]), _missing(part["high"])
    ends = left if below else part["low"], right if beyond else part["high"]
    axes.hlines(y, *ends, color=color, linewidth=1.3)
    for is_open, x, arrow in ((below, ends[0], "<"), (beyond, ends[1], ">")):
        if is_open:
            axes.plot([x], [y], arrow, color=color, markersize=5, clip_on=False)
        else:
            axes.vlines(x, y - 0.09, y + 0.09, color=color, linewidth=1.0)
    if not _missing(part["crossing"]):
        axes.plot([part["crossing"]], [y], marker, color=color, markersize=5)
        axes.annotate(
            token_label(part["crossing"]) if part["crossing"] >= 100 else f"{part['crossing']:.1f}",
            (part["crossing"], y),
            (0, 4),
            textcoords="offset points",
            ha="center",
            size=6,
        )
    else:
        words = f"all pass: beyond {token_label(row['longest'])}" if part["status"] == "beyond_longest" else "none passes"
        at, side = (right, "right") if part["status"] == "beyond_longest" else (left, "left")
        axes.annotate(words, (at, y), (-8 if side == "right" else 8, 3), textcoords="offset points", ha=side, size=6)
    if not _missing(part["longest_passing"]):
        axes.plot([part["longest_passing"]], [y], "|", color="#333333", markersize=8)


def paired_differences(context: FigureContext, table: Any, curves: Any, differences: Any, length: str | None) -> Figure:
    """Difference of mean scores on the same samples, for every pair, with Holm-corrected p values."""
    figure, axes = new_figure(context, panel_width=6.6, panel_height=0.9 + 0.3 * max(1, len(differences)))
    if differences.empty:
        _say(axes, f"only {table['title'].iloc[0]}: nothing to compare it with")
        return figure
    for place, row in enumerate(differences.to_dict("records")):
        text = "no answers in common"
        if not _missing(row["difference"]):
            if not _missing(row["low"]):
                axes.hlines(place, row["low"], row["high"], color=COLORS[0], linewidth=1.3)
            axes.plot([row["difference"]], [place], "o", color=COLORS[0])
            text = f"{row['difference']:+.2f}, {_p(row['p_holm'])}, n = {row['n']}"
        axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", size=6.5, annotation_clip=False)
    axes.axvline(0, color="#333333", linewidth=0.8)
    known = differences[["low", "high", "difference"]].abs().max().max()
    widest = 0.1 if _missing(known) else max(0.1, known)
    axes.set_xlim(-1.1 * widest, 1.1 * widest)
    axes.set_xlabel("difference of mean scores, 95 % interval")
    axes.annotate("p: Holm-corrected", (1.02, 1), xycoords="axes fraction", size=6.5, style="italic", annotation_clip=False)
    _rows(axes, [f"{a} − {b}" for a, b in zip(differences["first"], differences["second"], strict=True)])
    return figure


def rank_figure(context: FigureContext, table: Any, curves: Any, differences: Any, length: str | None) -> Figure:
    """Place of each entry by mean score over the answers that all have, with its uncertainty."""
    figure, axes = new_figure(context, panel_width=6.0, panel_height=0.9 + 0.3 * len(table))
    if table["rank"].isna().all():
        _say(axes, "no answer that all have in common")
        return figure
    ordered = table.sort_values(["rank", "title"])
    for place, row in enumerate(ordered.to_dict("records")):
        axes.hlines(place, row["rank_low"], row["rank_high"], color=COLORS[0], linewidth=1.3)
        axes.plot([row["rank"]], [place], "o", color=COLORS[0])
        text = f"score {row['common_score']:.2f}, best in {100 * row['share_best']:.0f} %"
        axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", size=6.5, annotation_clip=False)
    axes.set_xlim(0.7, len(table) + 0.3)
    axes.set_xticks(range(1, len(table) + 1))
    axes.set_xlabel(f"rank by mean score, 95 % interval\n({int(table['common'].iloc[0])} answers that all have)")
    _rows(axes, list(ordered["title"]))
    return figure


FIGURES: dict[str, Callable[..., Any]] = {
    "rot_curves": rot_curves,
    "effective_length": effective_lengths,
    "paired_differences": paired_differences,
    "rank": rank_figure,
}
COMPARISON_FIGURES = tuple(FIGURES)


def _length_axis(axes: Any, lengths: Any, length: str | None) -> None:
    label = LENGTHS.get(length or "", (length or "").replace("_", " "))
    if len(lengths) and min(lengths) > 0:
        token_axis(axes, lengths, label=label)
    else:
        axes.set_xlabel(label)


def _edges(lengths: list[float]) -> tuple[float, float]:
    """Ends of an axis with some room beyond the tested lengths."""
    if lengths[0] > 0:
        return lengths[0] / 1.5, lengths[-1] * 1.5
    room = 0.1 * max(lengths[-1], 1)
    return -room, lengths[-1] + room


def _rows(axes: Any, labels: list[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(False, axis="y")


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_axis_off()


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _missing(value: Any) -> bool:
    return value is None or value != value
