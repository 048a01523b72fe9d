"""The same question asked under two conditions: what became of each pair, and whether the difference is more than chance.

Pairs with an answer in one condition only (the other did not fit the window, or failed) are not compared, but counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from contextrot.records import SCORED_OUTCOMES

if TYPE_CHECKING:
    import pandas as pd

RIGHT = 0.5
"""A score above this is a right answer."""


def pair(scores: pd.DataFrame, item: str, condition: str, levels: tuple[str, str], keep: Sequence[str] = ()) -> pd.DataFrame:
    """One row for each item: whether it was right under either level.

    Args:
        scores: rows of scores.parquet.
        item: column that names what is paired.
        condition: column of the condition.
        levels: the two values of the condition, first and second.
        keep: further columns, the same in both conditions.

    Returns:
        Columns `keep`, `first`, `second`: 1 right, 0 wrong, missing where there is no answer that counts.
    """
    import pandas as pd

    scores = scores.reset_index(drop=True)
    sides = {}
    for name, level in zip(("first", "second"), levels, strict=True):
        rows = scores[(scores[condition] == level) & scores["outcome"].isin(SCORED_OUTCOMES)]
        sides[name] = (rows.set_index(item)["score"] > RIGHT).astype(float)
    kept = scores.drop_duplicates(item).set_index(item)[list(keep)]
    return kept.join(pd.DataFrame(sides))


def counts(pairs: pd.DataFrame) -> dict[str, int]:
    """How many pairs were right both times, only the first, only the second, neither; and how many have no partner."""
    whole = pairs.dropna(subset=["first", "second"])
    first, second = whole["first"] == 1, whole["second"] == 1
    return {
        "both": int((first & second).sum()),
        "first_only": int((first & ~second).sum()),
        "second_only": int((~first & second).sum()),
        "neither": int((~first & ~second).sum()),
        "unpaired": len(pairs) - len(whole),
    }


def compare(pairs: pd.DataFrame, levels: tuple[str, str], groupings: Sequence[tuple[str, ...]]) -> pd.DataFrame:
    """Rows of metrics.csv that compare the two conditions, over each grouping.

    Measures, for levels a and b (n is the number of whole pairs in all of them):
    `right_in_both`, `right_in_{a}_only`, `right_in_{b}_only`, `right_in_neither`: shares, with Wilson intervals;
    `{a}_minus_{b}`: difference of the shares of right answers, with a paired interval;
    `odds_{a}_only_to_{b}_only`: odds ratio of the discordant pairs, with its exact interval; empty where it is infinite;
    `mcnemar_p`: two-sided p value of the exact McNemar test, and `mcnemar_p_holm`: corrected for the number of groups;
    `unpaired`: number of items without a counted answer in one condition.
    """
    import pandas as pd

    from contextrot.scores.stats import holm, mcnemar, wilson_interval

    a, b = levels
    rows = []
    for grouping in groupings:
        groups = list(pairs.groupby(list(grouping), dropna=False, sort=True)) if grouping else [((), pairs)]
        tests = [mcnemar(whole["first"] == 1, whole["second"] == 1) for whole in (_whole(group) for _, group in groups)]
        corrected = holm([test.p_value for test in tests])
        for (key, group), test, corrected_p in zip(groups, tests, corrected, strict=True):
            given = {"grouping": ",".join(grouping), **dict(zip(grouping, key, strict=True)), "n": test.n}
            cells = counts(group)
            for measure, count in (
                ("right_in_both", cells["both"]),
                (f"right_in_{a}_only", cells["first_only"]),
                (f"right_in_{b}_only", cells["second_only"]),
                ("right_in_neither", cells["neither"]),
            ):
                low, high = wilson_interval(count, test.n)
                rows.append({**given, "measure": measure, "value": count / test.n if test.n else None, "low": low, "high": high})
            for measure, value, low, high in (
                (f"{a}_minus_{b}", test.difference, test.difference_low, test.difference_high),
                (f"odds_{a}_only_to_{b}_only", test.odds_ratio, test.odds_ratio_low, test.odds_ratio_high),
                ("mcnemar_p", test.p_value, None, None),
                ("mcnemar_p_holm", corrected_p, None, None),
                ("unpaired", float(cells["unpaired"]), None, None),
            ):
                rows.append({**given, "measure": measure, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def _whole(pairs: pd.DataFrame) -> pd.DataFrame:
    return pairs.dropna(subset=["first", "second"])


def draw_transitions(context: Any, levels: tuple[str, str], group: str, order: Sequence[str]) -> Any:
    """What became of each pair, overall and by group: stacked shares with their counts, and the exact McNemar test beside them.

    Args:
        context: a FigureContext whose metrics hold the rows of `compare` over () and (group,).
        order: the groups from top to bottom; others follow.
    """
    from contextrot.figures.style import COLORS, new_figure
    from contextrot.scores.score import select

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
