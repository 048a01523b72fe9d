"""Answers that other tools wrote: read by their own forms, judged and averaged as any others."""

import json
import warnings
from pathlib import Path

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


def csv_file(path, text):
    path.write_text(text)
    return str(path)


def test_lengths_and_depths_of_tables_are_those_of_the_file_or_refused(tmp_path):
    path = csv_file(tmp_path / "a.csv", "question,answer,output,context_length,depth\nq,gold,gold,1000,50\nq,gold,no,2000,50\n")
    _, scores, _ = run_judged(tmp_path, path)
    assert scores["length"].tolist() == [1000, 2000] and scores["depth"].tolist() == [50, 50]
    for bad in ("4k", '"1,000"', "many"):
        path = csv_file(tmp_path / "b.csv", f"question,answer,output,length\nq,gold,gold,{bad}\n")
        with pytest.raises(DataError, match=r"b.csv, row 1: .* is no number"):
            run_judged(tmp_path, path)


def run_judged(folder, *files, **parameters):
    """As `run`, by judge match alone: the files hold no verdicts."""
    from contextrot import tasks
    from contextrot.task import SampleContext
    from contextrot.tasks.imported.task import Imported

    class Counts:
        def count_chat(self, messages):
            return len(messages[0]["content"])

    kind = tasks.load("imported")
    task: Imported = kind(kind.Parameters(files=list(files), **parameters))
    samples = task.samples(SampleContext(Counts(), 10_000, 100, folder, None))
    import pandas as pd

    rows = [{**s.condition, "sample_id": s.sample_id, "references": s.references} for s in samples]
    return task, pd.DataFrame(rows), task.recorded_answers(folder)


def test_likelihoods_of_choices_are_no_answers_also_as_texts(tmp_path):
    row = {
        "doc": {},
        "doc_id": 0,
        "target": "1",
        "arguments": [["Which?", {}]],
        "metrics": [],
        "filtered_resps": [["-1.0", "False"], ["-2.0", "True"]],
    }
    _, _, recorded = run_judged(tmp_path, lines(tmp_path / "samples_choice.jsonl", row))
    assert [one.outcome for one in recorded.values()] == ["failed"]


def test_a_tools_score_on_a_scale_of_its_own_has_no_interval_of_shares(tmp_path):
    row = {"doc": {"length": 100}, "target": "42", "arguments": [["6 times 7?", {}]], "metrics": ["points"]}
    path = lines(
        tmp_path / "samples_points.jsonl",
        *(row | {"doc_id": i, "filtered_resps": ["42"], "points": value} for i, value in enumerate((85, 90, -1))),
    )
    task, scores, _ = run_judged(tmp_path, path)
    found = task.metrics(scores.assign(outcome="answered", score=1.0, unjudged=False))
    points = select(found, "tool_score").iloc[0]
    assert points["value"] == 87.5 and points["low"] < 87.5 < points["high"] and points["n"] == 2


def test_a_one_of_ten_is_no_right_answer_and_what_was_not_measured_no_score(tmp_path):
    row = {"doc": {}, "target": "x", "arguments": [["p", {}]], "filtered_resps": ["x"], "metrics": ["4096", "8192"]}
    graded = lines(tmp_path / "a.jsonl", *({**row, "doc_id": n, "4096": float(n), "8192": -1.0} for n in (1, 7)))
    assert [(a.verdict, a.tool_score) for a in read_answers(Path(graded))] == [(None, 1.0), (None, 7.0)]
    shares = lines(tmp_path / "b.jsonl", {**row, "doc_id": 1, "4096": -1.0, "8192": 1.0})
    assert [(a.verdict, a.tool_score) for a in read_answers(Path(shares))] == [(True, 1.0)]


@pytest.mark.parametrize(
    ("grades", "verdicts"),
    [(["1", "5"], [None, None]), (["1.0", "10"], [None, None]), (["1", "-1"], [None, None]), (["1", "0"], [True, False]), (["1", ""], [True, None])],
)  # fmt: skip
def test_a_judge_s_grades_in_a_table_are_no_verdicts(grades, verdicts, tmp_path):
    (tmp_path / "a.csv").write_text("question,answer,output,judge\n" + "".join(f"q,gold,gold,{grade}\n" for grade in grades))
    rows = lines(
        tmp_path / "b.jsonl", *({"question": "q", "answer": "gold", "output": "gold", "judge": grade} for grade in grades)
    )
    for path in (tmp_path / "a.csv", Path(rows)):
        assert [answer.verdict for answer in read_answers(path)] == verdicts


def test_scores_below_0_are_a_scale_of_their_own(tmp_path):
    row = {"doc": {}, "target": "x", "arguments": [["p", {}]], "filtered_resps": ["x"], "metrics": ["gain", "acc"], "acc": 1.0}
    path = lines(tmp_path / "a.jsonl", *({**row, "doc_id": n, "gain": gain} for n, gain in enumerate((-0.5, 1.0))))
    assert [(a.verdict, a.tool_score) for a in read_answers(Path(path))] == [(None, -0.5), (None, 1.0)]


def test_a_chat_as_lm_eval_logs_it_is_asked_by_its_last_message(tmp_path):
    chat = json.dumps([{"role": "system", "content": "s"}, {"role": "user", "content": "6 times 7?"}])
    row = {"doc_id": 0, "doc": {}, "target": "42", "arguments": {"gen_args_0": {"arg_0": chat}}, "filtered_resps": ["42"]}
    assert [a.question for a in read_answers(Path(lines(tmp_path / "a.jsonl", row)))] == ["6 times 7?"]


def test_a_depth_in_percent_and_longmemevals_labels_are_read(tmp_path):
    (tmp_path / "a.csv").write_text("question,answer,output,depth\nq,gold,gold,50%\n")
    assert read_answers(tmp_path / "a.csv")[0].depth == 50
    row = {"doc_id": 0, "doc": {}, "target": "x", "arguments": [["p", {}]], "filtered_resps": ["x"]}
    held = lines(tmp_path / "c.jsonl", {**row, "metadata": {"depth": "25 %", "length": "nan", "input_length": "4e3"}})
    assert [(a.depth, a.length) for a in read_answers(Path(held))] == [(25, 4000)]
    row = {"question_id": "a", "hypothesis": "x", "autoeval_label": {"model": "m", "label": True}}
    assert read_answers(Path(lines(tmp_path / "b.jsonl", row)))[0].verdict is True


def test_files_of_one_name_and_one_file_named_twice_are_no_double(tmp_path):
    row = {
        "model": "m",
        "context_length": 1000,
        "depth_percent": 50,
        "version": 1,
        "needle": "n",
        "model_response": "n",
        "score": 10,
    }
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "res.json").write_text(json.dumps(row))
    _, scores, _ = run_judged(tmp_path, str(tmp_path / "*/res.json"), str(tmp_path / "a/*.json"))
    assert scores["sample_id"].tolist() == ["a/res:1000-50-1", "b/res:1000-50-1"]
    (tmp_path / "a/res.json").write_text(json.dumps(row | {"score": 100}))
    with pytest.raises(DataError, match="score 100 is not from 0 to 10"):
        run_judged(tmp_path, str(tmp_path / "a/*.json"))


def test_lists_of_answers_are_alternatives_and_no_output_is_a_failed_row(tmp_path):
    path = lines(
        tmp_path / "own.jsonl",
        {"question": "q", "answers": ["gold", "Au"], "output": "Au"},
        {"question": "q", "answers": ["x"], "output": None},
    )
    _, scores, recorded = run_judged(tmp_path, path)
    assert scores["references"].tolist() == [["gold", "Au"], ["x"]]
    assert [one.outcome for one in recorded.values()] == ["answered", "failed"]


def test_an_inspect_sample_without_output_is_a_failed_row_and_epochs_are_answers(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_of = pytest.importorskip("inspect_ai.log")
    from inspect_ai.model import ModelOutput

    samples = [
        log_of.EvalSample(id=name, epoch=epoch, input="What?", target="gold", output=ModelOutput() if epoch == 2 else ModelOutput.from_content("m", "gold"))
        for name, epoch in (("1", 1), ("1", 2), ("1-2", 1))
    ]  # fmt: skip
    log = log_of.EvalLog(
        eval=log_of.EvalSpec(
            created="2026-01-01T00:00:00+00:00", task="t", model="m", dataset=log_of.EvalDataset(), config=log_of.EvalConfig()
        ),
        samples=samples,
    )
    log_of.write_eval_log(log, str(tmp_path / "log.json"))
    _, scores, recorded = run_judged(tmp_path, str(tmp_path / "log.json"))
    assert sorted(scores["sample_id"]) == ["1#1", "1#2", "1-2#1"]
    assert [recorded[name].outcome for name in sorted(scores["sample_id"])] == ["answered", "failed", "answered"]
