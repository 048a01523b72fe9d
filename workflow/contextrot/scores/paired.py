"""The same question asked under two conditions: what became of each pair, and whether the difference is more than chance.

Pairs with an answer in one condition only (the other did not fit the window, or failed) are not compared, but counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
