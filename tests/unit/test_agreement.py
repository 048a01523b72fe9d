"""Agreement of judges: counts, kappa, and what is undefined."""

import pytest

from contextrot.errors import ConfigError, DataError
from contextrot.judging.agreement import judge_agreement, krippendorff_alpha, write_agreement
from contextrot.records import Judgement, write_judgements


def judged(folder, name, verdicts):
    rows = [Judgement(f"s{i}", 0, 0, name, verdict) for i, verdict in enumerate(verdicts)]
    write_judgements(folder / f"{name}.parquet", rows)
    return folder / f"{name}.parquet"


def test_counts_and_kappa_of_the_textbook_table(tmp_path):
    first = judged(tmp_path, "first", [True] * 25 + [False] * 25)
    second = judged(tmp_path, "second", [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15)
    row = judge_agreement([first, second]).iloc[0]
    assert (row["judge_a"], row["judge_b"], row["n"]) == ("first", "second", 50)
    assert (row["right_right"], row["right_wrong"], row["wrong_right"], row["wrong_wrong"]) == (20, 5, 10, 15)
    assert (row["agreement"], row["kappa"]) == (pytest.approx(0.7), pytest.approx(0.4))


def test_unjudged_answers_are_counted_but_not_in_kappa(tmp_path):
    first = judged(tmp_path, "first", [True, False, None, None, True])
    second = judged(tmp_path, "second", [True, False, True, None, None])
    row = judge_agreement([first, second]).iloc[0]
    assert (row["n"], row["kappa"]) == (2, 1.0)
    assert (row["unjudged_right"], row["unjudged_unjudged"], row["right_unjudged"]) == (1, 1, 1)


def test_judges_that_only_ever_say_right_have_no_kappa(tmp_path):
    paths = [judged(tmp_path, name, [True, True]) for name in ("first", "second")]
    row = judge_agreement(paths).iloc[0]
    assert row["kappa"] is None
    assert (row["agreement"], row["reason"]) == (1.0, "both always say the same")


def test_three_judges_make_three_pairs(tmp_path):
    paths = [judged(tmp_path, name, [True, False, index == 1]) for index, name in enumerate("abc")]
    assert judge_agreement(paths)[["judge_a", "judge_b"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]


def test_one_judge_alone_is_an_error_that_says_so(tmp_path):
    with pytest.raises(ConfigError, match="two judges or more"):
        judge_agreement([judged(tmp_path, "first", [True])])


def test_judges_of_different_answers_are_not_compared(tmp_path):
    with pytest.raises(DataError, match="did not judge the same answers"):
        judge_agreement([judged(tmp_path, "first", [True]), judged(tmp_path, "second", [True, True])])


def test_file_and_figure_are_written(tmp_path):
    first = judged(tmp_path, "first", [True, True, False, None, False])
    second = judged(tmp_path, "second", [True, False, False, True, False])
    write_agreement(
        [first, second],
        tmp_path / "agreement.csv",
        tmp_path / "agreement.svg",
        ("Model", "Experiment"),
        "SIMULATED: not from a model",
    )
    assert (tmp_path / "agreement.csv").read_text().splitlines()[0].startswith("judge_a,judge_b,right_right")
    assert 'id="note"' in (tmp_path / "agreement.svg").read_text()


def test_krippendorff_alpha_is_that_of_the_published_example():
    # Krippendorff (2011), section A: two observers, ten units, binary: alpha = 0.095
    first = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    second = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    found = krippendorff_alpha([[bool(a), bool(b)] for a, b in zip(first, second, strict=True)])
    assert found == pytest.approx(0.095, abs=0.0005)
    assert krippendorff_alpha([[True, True], [True, None]]) is None
    assert krippendorff_alpha([[True, True, None], [False, False, False]]) == 1
