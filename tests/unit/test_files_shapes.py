"""Data sets and other tools' results by their shapes: answers are texts as written, in lists."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contextrot.errors import DataError
from contextrot.files import as_texts, question_rows, read_rows
from contextrot.files.shapes import records_of


def jsonl(folder, *rows):
    path = folder / "r.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def records_in(path):
    return records_of(read_rows(path))


QAS = [
    {"id": "1", "question": "Where?", "answers": [{"text": "Oslo", "answer_start": 3}, {"text": "Oslo", "answer_start": 3}, {"text": "in Oslo", "answer_start": 0}]},
    {"id": "2", "question": "Why?", "answers": [{"text": "x", "answer_start": 0}], "is_impossible": True},
]  # fmt: skip


def test_squad_nested(tmp_path):
    (tmp_path / "s.json").write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": "In Oslo.", "qas": QAS}]}]})
    )
    first, second = records_in(tmp_path / "s.json")
    assert (first.references, first.context, first.record_id) == (("Oslo", "in Oslo"), "In Oslo.", "1")
    assert second.references == ()


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "json"])
def test_squad_flat_as_the_hub_has_it(tmp_path, ending):
    row = {"id": "a", "context": "In Oslo.", "question": "Where?", "answers": {"text": ["Oslo", "0042"], "answer_start": [3, 9]}}
    path = tmp_path / f"r.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps([row] if ending == "json" else row))
    (read,) = question_rows(read_rows(path))
    assert as_texts(read["answers"], "t") == ("Oslo", "0042")


def test_evalscope_predictions(tmp_path):
    path = jsonl(
        tmp_path,
        {"index": 0, "model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Why?"}],
         "model_output": {"choices": [{"message": {"role": "assistant", "content": [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "42"}]}}]}},
        {"index": 1, "model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "How?"}]}],
         "model_output": {"choices": [{"message": {"content": ""}}], "error": "400: too long"}},
    )  # fmt: skip
    first, second = records_in(path)
    assert (first.record_id, first.question, first.prediction, first.references) == ("0", "Why?", "42", ())
    assert (second.question, second.prediction, second.error) == ("How?", None, "400: too long")


def test_evalscope_reviews(tmp_path):
    score = {"value": {"acc": 1.0}, "extracted_prediction": "B", "prediction": "ANSWER: B", "main_score_name": "acc"}
    path = jsonl(tmp_path, {"index": 7, "input": "Which?", "target": "B", "sample_score": {"score": score, "sample_id": 7}})
    (record,) = records_in(path)
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
    first, second = records_in(path)
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
    (record,) = records_in(jsonl(tmp_path, row))
    assert (record.question, record.prediction, record.references) == ("Q", None, ("1",))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": {"value": "x"}}]}]}], r"line 1, paragraph 1, question 1, answers: .*must have `text`"),
        ([{"paragraphs": [{"context": "c", "qas": [{"id": 1, "question": "q"}, {"id": 1, "question": "r"}]}]}], r"the id '1' stands already at .*question 1"),
        ([{"paragraphs": [{"context": "c", "qas": [{"question": "", "answers": []}]}]}], r"question 1: 'question' is missing or empty"),
        ([{"index": 1, "sample_score": 3}], r"line 1: `sample_score` must hold a `score`"),
        ([{"doc_id": 1, "resps": [], "arguments": []}], r"line 1: `arguments` must hold the prompt"),
    ],
)  # fmt: skip
def test_what_is_not_in_its_shape_is_named_by_line(tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        records_in(jsonl(tmp_path, *rows))


def test_other_tools_rows_are_questions_with_answers(tmp_path):
    row = {
        "doc_id": 3,
        "doc": {"context": "In Oslo."},
        "target": "0042",
        "arguments": [["Q?", {}]],
        "resps": [["42"]],
        "metrics": ["em"],
        "em": 0.0,
    }
    (read,) = question_rows(read_rows(jsonl(tmp_path, row)))
    assert (read["id"], read["context"], read["question"], read["answers"]) == ("3", "In Oslo.", "Q?", ["0042"])
    assert (read["prediction"], read["score_em"]) == ("42", 0.0)
    plain = read_rows(jsonl(tmp_path, {"a": 1}))
    assert question_rows(plain) is plain
