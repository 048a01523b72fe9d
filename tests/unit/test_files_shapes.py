"""Data sets and other tools' results by their shapes: answers are texts as written, in lists."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextrot.errors import DataError
from contextrot.files.shapes import flat, read_records
from contextrot.files.values import Row


def jsonl(folder, *rows):
    path = folder / "r.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


QAS = [
    {"id": "1", "question": "Where?", "answers": [{"text": "Oslo", "answer_start": 3}, {"text": "Oslo", "answer_start": 3}, {"text": "in Oslo", "answer_start": 0}]},
    {"id": "2", "question": "Why?", "answers": [{"text": "x", "answer_start": 0}], "is_impossible": True},
]  # fmt: skip


def test_squad_nested(tmp_path):
    (tmp_path / "s.json").write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "In Oslo.", "qas": QAS}]}]})
    )
    first, second = read_records(tmp_path / "s.json")
    assert (first.references, first.context, first.record_id) == (("Oslo", "in Oslo"), "In Oslo.", "1")
    assert second.references == ()


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "json"])
def test_squad_flat_as_the_hub_has_it(tmp_path, ending):
    row = {
        "id": "a",
        "title": "t",
        "context": "In Oslo.",
        "question": "Where?",
        "answers": {"text": ["Oslo", "0042"], "answer_start": [3, 9]},
    }
    path = tmp_path / f"r.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps([row] if ending == "json" else row))
    (record,) = read_records(path)
    assert record.references == ("Oslo", "0042")


def test_csv_answers_are_text_as_written(tmp_path):
    (tmp_path / "r.csv").write_text("question,answer\nWhen?,12:30\nWhich?,0042\nHow?,1.50\n")
    assert [record.references for record in read_records(tmp_path / "r.csv")] == [("12:30",), ("0042",), ("1.50",)]


def test_evalscope_predictions(tmp_path):
    path = jsonl(
        tmp_path,
        {"index": 0, "model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Why?"}],
         "model_output": {"choices": [{"message": {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "42"}]}}]}},
        {"index": 1, "model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "How?"}]}],
         "model_output": {"choices": [{"message": {"content": ""}}], "error": "400: too long"}},
    )  # fmt: skip
    first, second = read_records(path)
    assert (first.record_id, first.question, first.prediction, first.references) == ("0", "Why?", "42", ())
    assert (second.question, second.prediction, second.error) == ("How?", None, "400: too long")


def test_evalscope_reviews(tmp_path):
    score = {"value": {"acc": 1.0}, "extracted_prediction": "B", "prediction": "ANSWER: B", "main_score_name": "acc"}
    path = jsonl(tmp_path, {"index": 7, "input": "Which?", "target": "B", "sample_score": {"score": score, "sample_id": 7}})
    (record,) = read_records(path)
    assert (record.record_id, record.references, record.prediction, record.scores) == ("7", ("B",), "ANSWER: B", {"acc": 1.0})


@pytest.mark.parametrize(
    "arguments", [{"gen_args_0": {"arg_0": "Q: 6*7?", "arg_1": {"until": []}}}, [["Q: 6*7?", {"until": []}]]]
)
def test_lm_eval_samples(tmp_path, arguments):
    row = {
        "doc_id": 0,
        "doc": {"question": "6*7?"},
        "target": "0042",
        "arguments": arguments,
        "resps": [["so 42"]],
        "metrics": ["exact_match"],
        "exact_match": 0.0,
    }
    path = jsonl(
        tmp_path, row | {"filtered_resps": ["42"], "filter": "strict"}, row | {"filtered_resps": [["so 42"]], "filter": "none"}
    )
    first, second = read_records(path)
    assert (first.record_id, first.question, first.prediction, first.references) == ("0-strict", "Q: 6*7?", "42", ("0042",))
    assert (second.prediction, second.scores) == ("so 42", {"exact_match": 0.0})


def test_likelihoods_are_no_answers(tmp_path):
    row = {
        "doc_id": 0,
        "target": 1,
        "arguments": [["Q", " A"], ["Q", " B"]],
        "resps": [[[-1.5, False]], [[-0.5, True]]],
        "filtered_resps": [[-1.5, False], [-0.5, True]],
    }
    (record,) = read_records(jsonl(tmp_path, row))
    assert (record.question, record.prediction, record.references) == ("Q", None, ("1",))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "q", "answer": {"value": "x"}}], r"r\.jsonl, line 1, answer: .*must have `text`, as in SQuAD"),
        ([{"question": "q"}], r"line 1: no column for the answer"),
        ([{"question": "", "answer": "x"}], r"line 1: 'question' is missing or empty"),
        ([{"id": 1, "question": "q", "answer": "x"}, {"id": 1, "question": "r", "answer": "y"}], r"line 2: the id '1' stands already at .*line 1"),
        ([{"question": "q", "answer": [["x"]]}], r"line 1, answer: must be one text or number, but is a list"),
        ([{"index": 1, "sample_score": 3}], r"line 1: `sample_score` must hold a `score`"),
        ([{"doc_id": 1, "resps": [], "arguments": []}], r"line 1: `arguments` must hold the prompt"),
        ([], "holds no row"),
    ],
)  # fmt: skip
def test_what_is_not_in_its_shape_is_named_by_line(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_records(jsonl(tmp_path, *rows))


def test_columns_may_have_other_names():
    (record,) = flat([Row({"frage": "Wo?", "antwort": 7}, "here")], {"question": "frage", "answers": "antwort"})
    assert (record.question, record.references) == ("Wo?", ("7",))
