"""Averages of averages: their intervals are as wide as the groups' own say, or unknown."""

import pandas as pd
import pytest

from contextrot.records import OUTCOMES
from contextrot.scores.macro import macro_averages
from contextrot.tasks.ruler.averages import task_averages


def averaged(*cells):
    """The row of the average of groups, each (value, low, high)."""
    none = dict.fromkeys([*OUTCOMES, "unjudged"], 0)
    rows = [
        {"grouping": "kind", "measure": "score", "kind": f"k{i}", "value": value, "low": low, "high": high, "n": 2, **none}
        for i, (value, low, high) in enumerate(cells)
    ]
    (row,) = macro_averages(pd.DataFrame(rows), "kind", [], "macro").to_dict("records")
    return row


def test_the_interval_is_that_of_independent_means():
    """Half widths 0.3 and 0.4: sqrt(0.09 + 0.16) / 2 = 0.25."""
    row = averaged((0.5, 0.2, 0.8), (0.5, 0.1, 0.9))
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.5, 0.25, 0.75))


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_group_whose_interval_is_unknown_leaves_the_average_s_unknown(missing):
    for cells in ([(0.5, missing, missing), (1.0, missing, missing)], [(0.5, 0.2, 0.8), (1.0, missing, missing)]):
        row = averaged(*cells)
        assert row["value"] == 0.75
        assert pd.isna(row["low"]) and pd.isna(row["high"])


def test_a_group_without_a_value_leaves_no_average():
    row = averaged((0.5, 0.2, 0.8), (None, None, None))
    assert pd.isna(row["value"]) and pd.isna(row["low"]) and pd.isna(row["high"])


def test_averages_over_lengths_have_an_interval_only_if_every_length_has_one():
    none = dict.fromkeys([*OUTCOMES, "unjudged"], 0)
    rows = [
        {"grouping": "task,length", "measure": "score", "task": "t", "length": length, "value": 0.5, "low": low, "high": 0.8, "n": 2, **none}
        for length, low in ((1, 0.2), (2, None))
    ]  # fmt: skip
    whole = task_averages(pd.DataFrame(rows)).set_index("grouping").loc[""]
    assert (whole["value"] == 0.5).all() and whole["low"].isna().all() and whole["high"].isna().all()
    rows[1]["low"] = 0.2
    whole = task_averages(pd.DataFrame(rows)).set_index("grouping").loc[""]
    assert whole["low"].between(0.2, 0.5, inclusive="neither").all()
