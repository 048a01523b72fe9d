"""Comparisons: what is compared, over which answers, and that every figure is drawn."""

import numpy as np
import pandas as pd
import pytest

from contextrot.figures.comparison import COMPARISON_FIGURES, draw_comparison
from contextrot.scores.comparison import compare, write_comparison

LENGTHS = (500, 1000, 2000, 4000, 8000)


def scores(right, n=10, lengths=LENGTHS, column="length", over=None):
    """`right[i]` of n right at the i-th length; lengths above `over` were never sent."""
    rows = []
    for length, k in zip(lengths, right, strict=True):
        for i in range(n):
            sent = over is None or length <= over
            row = {"sample_id": f"{length}-{i}", "turn": 0, column: length, "depth": 10.0 * i}
            rows.append({**row, "outcome": "answered" if sent else "over_window", "score": float(i < k) if sent else None})
    return pd.DataFrame(rows)


def test_pairs_are_the_answers_that_both_have():
    found = compare({"a": scores((10, 9, 8, 2, 0)), "b": scores((10, 8, 4, 0, 0), over=2000)}, "length", 1)
    (row,) = found.differences.to_dict("records")
    assert (row["n"], row["clusters"]) == (30, 30)
    assert row["difference"] == pytest.approx((27 - 22) / 30)
    assert row["test"] == "exact McNemar"
    assert row["p_value"] == pytest.approx(2 / 2**5)
    assert list(found.table["common"]) == [30, 30]
    assert list(found.table["n"]) == [50, 30]


def test_conditions_are_paired_by_what_is_asked_not_by_sample_id():
    plain = scores((10, 9, 8, 2, 0))
    harder = scores((9, 5, 3, 0, 0)).assign(sample_id=lambda rows: "harder-" + rows["sample_id"])
    twice = pd.concat([harder, harder.assign(sample_id=lambda rows: rows["sample_id"] + "-again")])
    assert compare({"plain": plain, "harder": twice}, "length", 1).differences["n"].item() == 0
    (row,) = compare({"plain": plain, "harder": twice}, "length", 1, "", ["length", "depth"]).differences.to_dict("records")
    assert (row["n"], row["difference"]) == (50, pytest.approx((29 - 17) / 50))


def test_ranks_are_over_the_common_answers_not_over_each_ones_own():
    easy_only = scores((10, 10, 0, 0, 0), over=1000)  # 1.0 over its own answers
    found = compare({"all": scores((10, 10, 5, 5, 5)), "easy": easy_only}, "length", 1).table.set_index("title")
    assert found.loc["easy", "score"] > found.loc["all", "score"]
    assert found.loc["easy", "rank"] == found.loc["all", "rank"] == 1.5


def test_several_pairs_are_corrected_by_holm():
    found = compare(
        {"a": scores((10, 9, 8, 2, 0)), "b": scores((9, 8, 4, 0, 0)), "c": scores((2, 2, 1, 0, 0))}, "length", 1
    ).differences
    assert len(found) == 3
    assert (found["p_holm"] >= found["p_value"]).all()
    assert found["p_holm"].min() == pytest.approx(3 * found["p_value"].min())


def test_rows_that_do_not_count_are_in_no_curve():
    failed = scores((10, 9, 8, 2, 0)).assign(outcome=lambda rows: np.where(rows["length"] == 8000, "failed", rows["outcome"]))
    found = compare({"a": failed}, "length", 1)
    assert list(found.curves["length"]) == [500, 1000, 2000, 4000]
    assert found.table["longest"].item() == 4000


def test_nothing_that_counts_is_missing_not_zero():
    empty = scores((0, 0, 0, 0, 0)).assign(outcome="failed")
    row = compare({"a": empty, "b": scores((10, 9, 8, 2, 0))}, "length", 1).table.iloc[0]
    assert pd.isna(row["score"])
    assert pd.isna(row["rank"])
    assert (row["ruler_status"], row["slope_reason"]) == ("unknown", "no row counts")


def test_the_same_seed_gives_the_same_tables():
    data = {"a": scores((10, 9, 8, 2, 0)), "b": scores((9, 8, 4, 0, 0))}
    first, second = compare(data, "length", 7, "x"), compare(data, "length", 7, "x")
    pd.testing.assert_frame_equal(first.table, second.table)
    pd.testing.assert_frame_equal(first.differences, second.differences)


CASES = {
    "three": {"a": scores((10, 9, 8, 2, 0)), "b": scores((10, 10, 10, 10, 10)), "c": scores((5, 4, 0, 0, 0), over=4000)},
    "one": {"only": scores((10, 9, 8, 2, 0))},
    "nothing": {"a": scores((0,) * 5).assign(outcome="failed"), "b": scores((10, 9, 8, 2, 0))},
    "zero": {"a": scores((10, 9, 8, 2, 0), lengths=(0, 1, 2, 4, 8)), "b": scores((0,) * 5, lengths=(0, 1, 2, 4, 8))},
}


@pytest.mark.parametrize("case", CASES)
def test_every_figure_is_drawn_and_says_what_must_be_said(tmp_path, case):
    found = compare(CASES[case], "length", 1)
    notes = ["SIMULATED: from a curve"] + [""] * (len(found.table) - 1)
    found.table.assign(note=notes).to_csv(tmp_path / "table.csv", index=False)
    found.curves.to_csv(tmp_path / "curves.csv", index=False)
    found.differences.to_csv(tmp_path / "differences.csv", index=False)
    outputs = [tmp_path / f"{figure}.svg" for figure in COMPARISON_FIGURES]
    draw_comparison(tmp_path, "length", "Title", outputs)
    for output in outputs:
        assert 'id="note"' in output.read_text()


def test_tables_are_written_with_engine_and_note(tmp_path):
    scores((10, 9, 8, 2, 0)).to_parquet(tmp_path / "scores.parquet")
    entry = {"title": "A", "tier": "test", "model": "a", "experiment": "niah", "engine": "transformers", "note": "DEMONSTRATION"}
    how = {"column": "length", "pair_columns": [], "seed": 1, "name": "test/comparison/niah"}
    write_comparison([entry], [tmp_path / "scores.parquet"], tmp_path / "out", **how)
    row = pd.read_csv(tmp_path / "out/table.csv").iloc[0]
    assert {name: row[name] for name in entry} == entry
    assert row["n"] == 50
    assert pd.read_csv(tmp_path / "out/differences.csv").empty
