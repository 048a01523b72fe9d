"""What became of each pair of answers to one question under two conditions: drawn from the metrics of scores.paired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contextrot.figures.style import COLORS, new_figure
from contextrot.scores.score import select

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from contextrot.figures import FigureContext


def transitions(context: FigureContext, levels: tuple[str, str], group: str, order: Sequence[str]) -> Figure:
    """What became of each pair, overall and by group: stacked shares with their counts, and the exact McNemar test beside them.

    Args:
        context: a FigureContext whose metrics hold the rows of `compare` over () and (group,).
        order: the groups from top to bottom; others follow.
    """
    a, b = levels
    kinds = (
        ("right_in_both", "right in both", COLORS[2]),
        (f"right_in_{a}_only", f"right only {a}", COLORS[1]),
        (f"right_in_{b}_only", f"right only {b}", COLORS[5]),
        ("right_in_neither", "wrong in both", "#BBBBBB"),
    )

    def values(measure: str) -> dict[str, Any]:
        overall, by_group = select(context.metrics, measure), select(context.metrics, measure, group)
        named = by_group.set_index(by_group[group].astype(object).fillna("not known"))
        known = [name for name in named.index if set(named.index) != {"not known"}]
        return {"all": overall.iloc[0], **{name: named.loc[name] for name in known}}

    shares = {measure: values(measure) for measure, _, _ in kinds}
    tests = {
        measure: values(measure) for measure in (f"{a}_minus_{b}", f"odds_{a}_only_to_{b}_only", "mcnemar_p", "mcnemar_p_holm")
    }
    groups = [name for name in shares["right_in_both"] if shares["right_in_both"][name]["n"] > 0]
    groups.sort(key=lambda name: (name != "all", [*order, name].index(name)))
    figure, axes = new_figure(context, panel_width=7.2, panel_height=max(1.9, 1.1 + 0.33 * len(groups)))
    for place, name in enumerate(groups):
        start, n = 0.0, int(shares["right_in_both"][name]["n"])
        for measure, label, color in kinds:
            share = shares[measure][name]["value"]
            axes.barh(place, share, left=start, height=0.72, color=color, label=label if place == 0 else None)
            if share * n >= 0.5 and share > 0.025:
                axes.text(start + share / 2, place, f"{share * n:.0f}", ha="center", va="center", size=6.5)
            start += share
        axes.text(1.015, place, _test_text(tests, name, a, b), va="center", size=6.5)
    if groups:
        header = f"{a} - {b} [95 %], odds ratio,\nexact McNemar p (types: Holm)"
        below = {"xycoords": "axes fraction", "xytext": (8, -9), "textcoords": "offset points"}
        axes.annotate(header, (1.015, 0), va="top", size=6.5, color="#555555", **below)
    axes.set_yticks(range(len(groups)), [f"{name} (n = {int(shares['right_in_both'][name]['n'])})" for name in groups])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.grid(False, axis="y")
    unpaired = select(context.metrics, "unpaired")["value"]
    note = f"; without a pair: {int(unpaired.iloc[0])}" if len(unpaired) and unpaired.iloc[0] else ""
    axes.set_xlabel(f"pairs of one question (share){note}")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, handlelength=1)
    if not groups:
        axes.text(0.5, 0.5, "no question was answered in both conditions", ha="center", va="center", transform=axes.transAxes)
    return figure


def _test_text(tests: dict[str, dict[str, Any]], name: str, a: str, b: str) -> str:
    """Difference with its interval, odds ratio, and p value (corrected for the number of groups, if it is one of several)."""
    difference, odds = tests[f"{a}_minus_{b}"][name], tests[f"odds_{a}_only_to_{b}_only"][name]
    p_value = tests["mcnemar_p" if name == "all" else "mcnemar_p_holm"][name]["value"]
    ratio = f"OR {odds['value']:.1f}" if odds["value"] == odds["value"] else "OR not finite"
    p_text = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return f"{difference['value']:+.2f} [{difference['low']:+.2f}, {difference['high']:+.2f}]  {ratio}  {p_text}"
