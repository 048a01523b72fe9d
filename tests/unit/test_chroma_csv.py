import csv
from pathlib import Path

import pytest

from contextrot.errors import DataError
from contextrot.samples.published import keyed, parse_verdict, read_rows, recorded, whole_number


def write(path: Path, rows: list[dict], columns=None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_columns_are_found_whatever_their_order_case_and_byte_order_mark(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("\ufeffQuestion,Custom ID,Answer,gpt-4.1_output,LLM-Judge-Output\nWhy?,q1,3,three,True\n", encoding="utf-8")
    rows = read_rows(path, ("id", "question", "answer", "output", "verdict"))
    assert rows == [{"id": "q1", "question": "Why?", "answer": "3", "output": "three", "verdict": "True"}]


def test_the_judges_column_is_not_taken_for_the_output(tmp_path):
    path = write(tmp_path / "a.csv", [{"question": "q", "llm_judge_output": "true"}])
    with pytest.raises(DataError, match=r"lacks the column 'output' or .*Its columns: question, llm_judge_output"):
        read_rows(path, ("output",))


def test_values_stay_text_so_that_no_answer_becomes_a_number_or_missing(tmp_path):
    path = write(tmp_path / "a.csv", [{"answer": "3", "output": "NA"}, {"answer": "0.50", "output": "None"}])
    assert [(row["answer"], row["output"]) for row in read_rows(path, ())] == [("3", "NA"), ("0.50", "None")]


def test_the_full_prompt_is_taken_where_a_file_has_both(tmp_path):
    path = write(tmp_path / "a.csv", [{"focused_prompt": "short", "full_prompt": "long"}])
    assert read_rows(path, (), {"prompt": "full_prompt"})[0]["prompt"] == "long"


def test_a_prompt_of_a_million_tokens_is_read(tmp_path):
    path = write(tmp_path / "a.csv", [{"prompt": "word " * 900_000}])
    assert len(read_rows(path, ("prompt",))[0]["prompt"]) == 4_500_000


def test_a_token_count_of_100_in_every_row_was_overwritten_and_is_not_believed(tmp_path):
    path = write(tmp_path / "a.csv", [{"token_count": 100, "output": "x"}, {"token_count": 100, "output": "y"}])
    assert "tokens" not in read_rows(path, ())[0]
    path = write(tmp_path / "b.csv", [{"token_count": 100, "output": "x"}, {"token_count": 101, "output": "y"}])
    assert read_rows(path, ())[0]["tokens"] == "100"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; the first line must name the columns"),
        ("output\n", "has a header but no row"),
        ('output,answer\n"x",y\n"cut off', "line 3: not CSV: unexpected end of data"),
        ("output,answer\nx\n", "line 2: the row has not as many fields as the header"),
        ("output\nx,y\n", "line 2: the row has not as many fields as the header"),
    ],
)
def test_a_damaged_file_is_refused_with_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_rows(path, ("output",))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.csv does not exist"):
        read_rows(tmp_path / "gone.csv", ())


@pytest.mark.parametrize(
    ("text", "outcome", "kind"),
    [
        ("FUTURE_ERROR: broken pipe", "failed", "FUTURE_ERROR"),
        ("ERROR_TIMEOUT: Request exceeded 500s", "failed", "ERROR_TIMEOUT"),
        ("ERROR: 429", "failed", "ERROR"),
        ("ERROR_NO_CONTENT", "empty", None),
        ("", "failed", "missing"),
        ("  ", "failed", "missing"),
        ("ERRORS are human", "answered", None),
        ("Error: none found", "answered", None),
    ],
)
def test_an_error_is_never_taken_for_an_answer(text, outcome, kind):
    found = recorded({"output": text})
    assert (found.outcome, found.error_type) == (outcome, kind)
    assert (found.text is None) == (outcome != "answered")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("True", True), ("false", False), ("TRUE ", True), ("false.", False), ("probably true", None), ("", None), (None, None),
     ("ERROR: 429", None)],
)  # fmt: skip
def test_a_verdict_is_true_false_or_none(text, verdict):
    assert parse_verdict(text) is verdict


def test_counts_may_have_been_through_a_spreadsheet():
    assert whole_number("500.0") == 500
    assert whole_number("") is whole_number("n/a") is whole_number(None) is None


def test_rows_are_joined_by_what_they_ask_and_never_by_position():
    prompts = [{"length": "500", "depth": "0", "prompt": "a"}, {"length": "500", "depth": "10", "prompt": "b"}]
    answers = [{"length": "500", "depth": "10", "output": "to b"}]
    joined = keyed(answers, ("length", "depth"))
    assert [joined.get(key, {}).get("output") for key in keyed(prompts, ("length", "depth"))] == [None, "to b"]


def test_rows_that_ask_the_same_are_told_apart_by_their_number():
    rows = [{"length": "500", "output": "first"}, {"length": "500", "output": "second"}]
    assert [key[-1] for key in keyed(rows, ("length",))] == [0, 1]
