"""Answers that other tools wrote: read by their own forms, judged and averaged as any others."""

import json
import warnings

import pytest

from contextrot.errors import ConfigError, DataError
from contextrot.records import Judgement, Response, Sample
from contextrot.report.inspect_log import export_inspect_log
from contextrot.scores.score import select
from contextrot.tasks.imported.answers import read_answers
from tests.experiment_files import write_experiment
from tests.unit.test_recorded import run


def lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def score_of(metrics):
    row = select(metrics, "score").iloc[0]
    return row["value"], row["n"]


def test_our_log_read_back_by_inspect_gives_the_same_scores(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("inspect_ai")
    texts = {"a": "It is gold.", "b": "I do not know.", "c": "gold", "d": "silver"}
    samples = [
        Sample(
            i, [{"role": "user", "content": f"What is it, {i}?"}], ["gold"], 9, 5, condition={"length": 256 * n, "depth": 50.0}
        )
        for n, i in enumerate(texts, 1)
    ] + [Sample("e", [], ["gold"], 9, None, fits_window=False, condition={"length": 9999, "depth": 50.0})]
    responses = [Response(i, 0, "answered", text, prompt_tokens=11, completion_tokens=3) for i, text in texts.items()]
    responses.append(Response("e", 0, "over_window"))
    right = {i: i in "ac" for i in texts}
    rows = [
        {"sample_id": i, "turn": 0, "outcome": "answered", "score": float(v), "verdict_match": float(v)} for i, v in right.items()
    ]
    rows.append({"sample_id": "e", "turn": 0, "outcome": "over_window", "score": None})
    files = write_experiment(
        tmp_path, samples, responses, {"match": [Judgement(i, 0, 0, "match", v) for i, v in right.items()]}, rows
    )
    export_inspect_log(*files, "niah", "transformers/embedded", tmp_path / "inspect.eval")
    metrics, scores, agreement = run(tmp_path, "imported", {"files": [str(tmp_path / "inspect.eval")]})
    assert score_of(metrics) == (0.5, 4)
    by_id = scores.set_index("sample_id")
    assert by_id["score"].dropna().to_dict() == {i: float(v) for i, v in right.items()}
    assert by_id["outcome"]["e"] == "over_window" and by_id["length"]["c"] == 768 and set(by_id["depth"]) == {50.0}
    assert agreement["agreement"].item() == 1  # the tool's verdicts and match's


def test_samples_of_lm_eval_are_judged(tmp_path):
    row = {
        "doc": {"question": "6 times 7?", "length": 2000},
        "target": "42",
        "arguments": [["6 times 7?", {}]],
        "metrics": ["exact_match"],
    }
    path = lines(
        tmp_path / "samples_sums.jsonl",
        row | {"doc_id": 0, "filtered_resps": ["42"], "exact_match": 1.0},
        row | {"doc_id": 1, "filtered_resps": ["41"], "exact_match": 0.0},
    )
    metrics, scores, agreement = run(tmp_path, "imported", {"files": [path]})
    assert score_of(metrics) == (0.5, 2) and set(scores["length"]) == {2000} and scores["tool_score"].tolist() == [1, 0]
    assert agreement["right_right"].item() == agreement["wrong_wrong"].item() == 1


def test_evalscopes_reviews_are_judged(tmp_path):
    score = {"value": {"acc": 1.0}, "prediction": "It is B."}
    rows = [{"index": i, "input": "Which?", "target": "B", "sample_score": {"score": score, "sample_id": i}} for i in range(3)]
    metrics, _, _ = run(tmp_path, "imported", {"files": [lines(tmp_path / "reviews.jsonl", *rows)]})
    assert score_of(metrics) == (1, 3)


def test_kamradts_results_have_lengths_depths_and_a_short_answer_of_ones_own(tmp_path):
    needle = "The best thing to do in San Francisco is eat a sandwich and sit in Dolores Park on a sunny day."
    folder = tmp_path / "results"
    folder.mkdir()
    for length, depth, response, score in (
        (1000, 0, "Eat a sandwich in Dolores Park.", 10),
        (1000, 50, "I cannot tell.", 1),
        (2000, 0, "Eat a sandwich and sit in Dolores Park.", 7),
    ):
        held = {"model": "m", "context_length": length, "depth_percent": float(depth), "version": 1, "needle": needle, "model_response": response,
                "score": score, "test_duration_seconds": 2.5, "test_timestamp_utc": "2023-11-08 10:00:00+0000"}  # fmt: skip
        (folder / f"m_len_{length}_depth_{depth}.json").write_text(json.dumps(held))
    metrics, scores, agreement = run(
        tmp_path, "imported", {"files": [str(folder / "*.json")], "answer": "a sandwich Dolores Park"}
    )
    assert scores.set_index(["length", "depth"])["tool_score"].to_dict() == {(1000, 0): 1.0, (1000, 50): 0.1, (2000, 0): 0.7}
    assert len(select(metrics, "score", "length", "depth")) == 3
    assert agreement["n"].item() == 3


def test_answers_that_nobody_judged_stop_the_run_and_a_judge_heals_it(tmp_path):
    rows = [{"question": "What?", "answer": "gold", "output": text, "length": 10} for text in ("gold", "silver")]
    path = lines(tmp_path / "own.jsonl", *rows)
    with pytest.raises(DataError, match="no verdict on 2 of 2 answers"):
        run(tmp_path, "imported", {"files": [path]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"question": "q", "answer": "a"}\n', r"row|line 1.*no answer; name its column"),
        ('{"question": "q", "output": "a"}\n', "does not say what is right; set `answer`"),
        ("not json\n", "own.jsonl"),
        ("", "own.jsonl"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, content, message):
    (tmp_path / "own.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        run(tmp_path, "imported", {"files": [str(tmp_path / "own.jsonl")]})


def test_a_file_that_is_no_log_and_files_that_are_not_there_are_refused(tmp_path):
    (tmp_path / "broken.eval").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match="no log that Inspect can read"):
        read_answers(tmp_path / "broken.eval")
    with pytest.raises(ConfigError, match="matches no file"):
        run(tmp_path, "imported", {"files": ["nowhere/*.eval"]})
    with pytest.raises(ConfigError, match="name the files"):
        run(tmp_path, "imported", {})
