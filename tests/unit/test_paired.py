import numpy as np
import pandas as pd
import pytest

from contextrot.scores.paired import compare, counts, pair

LEVELS = ("focused", "full")


def scores(*rows):
    """Rows (question, kind, focused, full): 1 right, 0 wrong, or an outcome that does not count."""
    table = []
    for question, kind, *sides in rows:
        for level, side in zip(LEVELS, sides, strict=True):
            counted = not isinstance(side, str)
            table.append(
                {
                    "question_id": question,
                    "question_type": kind,
                    "history": level,
                    "outcome": "answered" if counted else side,
                    "score": float(side) if counted else np.nan,
                }
            )
    return pd.DataFrame(table)


def pairs_of(frame):
    return pair(frame, "question_id", "history", LEVELS, keep=["question_type"])


def measure(metrics, name, kind=None):
    rows = metrics[metrics["measure"] == name]
    rows = rows[rows["grouping"] == ("question_type" if kind else "")]
    return (rows[rows["question_type"] == kind] if kind else rows).iloc[0]


def test_pairs_are_joined_by_question_and_not_by_row():
    frame = scores(("a", "x", 1, 0), ("b", "x", 0, 1))
    shuffled = frame.iloc[[3, 0, 2, 1]]
    assert counts(pairs_of(shuffled)) == {"both": 0, "first_only": 1, "second_only": 1, "neither": 0, "unpaired": 0}


def test_a_question_over_the_window_in_one_condition_is_no_pair_but_is_counted():
    pairs = pairs_of(
        scores(("a", "x", 1, "over_window"), ("b", "x", "failed", 1), ("c", "x", 1, 1), ("d", "x", "failed", "failed"))
    )
    assert counts(pairs) == {"both": 1, "first_only": 0, "second_only": 0, "neither": 0, "unpaired": 3}


def test_a_pair_that_is_refused_in_one_condition_is_wrong_there_and_still_a_pair():
    frame = scores(("a", "x", 1, 0))
    frame.loc[1, "outcome"] = "refused"
    assert counts(pairs_of(frame))["first_only"] == 1


def test_comparison_of_eleven_lost_and_three_won():
    rows = [(f"b{i}", "x", 1, 1) for i in range(20)] + [(f"l{i}", "x", 1, 0) for i in range(11)]
    rows += [(f"w{i}", "y", 0, 1) for i in range(3)] + [(f"n{i}", "y", 0, 0) for i in range(6)]
    metrics = compare(pairs_of(scores(*rows)), LEVELS, [(), ("question_type",)])
    assert measure(metrics, "right_in_focused_only")["value"] == pytest.approx(11 / 40)
    assert measure(metrics, "focused_minus_full")["value"] == pytest.approx(8 / 40)
    assert measure(metrics, "odds_focused_only_to_full_only")["value"] == pytest.approx(11 / 3)
    # Two-sided binomial test of 3 in 14: 2 * (1 + 14 + 91 + 364) / 2**14.
    assert measure(metrics, "mcnemar_p")["value"] == pytest.approx(2 * 470 / 2**14)
    assert measure(metrics, "mcnemar_p")["n"] == 40
    assert measure(metrics, "right_in_neither", "y")["value"] == pytest.approx(6 / 9)


def test_p_values_of_several_types_are_corrected_for_their_number():
    rows = [(f"l{i}", "x", 1, 0) for i in range(6)] + [(f"w{i}", "y", 0, 1) for i in range(6)]
    metrics = compare(pairs_of(scores(*rows)), LEVELS, [("question_type",)])
    assert measure(metrics, "mcnemar_p", "x")["value"] == pytest.approx(2 / 2**6)
    assert measure(metrics, "mcnemar_p_holm", "x")["value"] == pytest.approx(4 / 2**6)


def test_without_a_whole_pair_nothing_is_claimed():
    metrics = compare(pairs_of(scores(("a", "x", 1, "over_window"))), LEVELS, [()])
    assert metrics[metrics["measure"] != "unpaired"]["value"].isna().all()
    assert measure(metrics, "unpaired")["value"] == 1


def test_questions_without_a_known_type_are_one_group():
    metrics = compare(pairs_of(scores(("a", None, 1, 1), ("b", None, 1, 0))), LEVELS, [("question_type",)])
    assert metrics[metrics["measure"] == "right_in_both"]["n"].tolist() == [2]
