import warnings

import pytest

from contextrot.records import Judgement, Response, Sample
from contextrot.report.inspect_log import export_inspect_log
from tests.experiment_files import write_experiment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    inspect_log = pytest.importorskip("inspect_ai.log")


@pytest.fixture
def exported(tmp_path):
    """Four answers that count (right, wrong, half right, unjudged by the second judge), one over the window, one of two turns."""
    ids = ["a", "b", "c", "d"]
    samples = [
        Sample(i, [{"role": "system", "content": "Be short."}, {"role": "user", "content": f"Q {i}"}], ["gold"], 9, 5, later_prompts=["And?"], condition={"length": 256})
        for i in ids
    ]  # fmt: skip
    samples.append(Sample("e", [], ["gold"], 9, None, fits_window=False, condition={"length": 9999}))
    scored = {("a", 0): 1.0, ("a", 1): 0.0, ("b", 0): 0.0, ("c", 0): 0.5, ("d", 0): 1.0}
    responses = [
        Response(
            i, turn, "answered", f"answer {i} {turn}", reasoning="hm" if i == "b" else None, prompt_tokens=5, completion_tokens=3
        )
        for i, turn in scored
    ] + [Response("e", 0, "over_window")]
    second = {**scored, ("d", 0): None}
    rows = [
        {
            "sample_id": i,
            "turn": turn,
            "outcome": "answered",
            "score": value,
            "verdict_match": value,
            "verdict_llm": second[i, turn],
        }
        for (i, turn), value in scored.items()
    ]
    rows.append({"sample_id": "e", "turn": 0, "outcome": "over_window", "score": None})
    judgements = {
        judge: [Judgement(i, turn, 0, judge, value == 1, f"{judge} on {i}") for (i, turn), value in scored.items()]
        for judge in ("match", "llm")
    }
    files = write_experiment(tmp_path, samples, responses, judgements, rows)
    export_inspect_log(*files, "niah", "transformers/embedded", tmp_path / "inspect.eval")
    return inspect_log.read_eval_log(str(tmp_path / "inspect.eval"))


def test_inspects_own_reader_finds_the_same_accuracy(exported):
    inspect_log.recompute_metrics(exported)
    accuracy = {score.name: score.metrics["accuracy"].value for score in exported.results.scores}
    assert accuracy["score"] == pytest.approx((1 + 0 + 0 + 0.5 + 1) / 5)
    assert accuracy["match"] == pytest.approx((1 + 0 + 0 + 0.5 + 1) / 5)
    assert accuracy["llm"] == pytest.approx((1 + 0 + 0 + 0.5) / 4)


def test_answers_that_do_not_count_are_there_without_a_score(exported):
    sample = next(sample for sample in exported.samples if sample.id == "e#0")
    assert sample.scores is None
    assert sample.metadata["outcome"] == "over_window"
    assert len(exported.samples) == 6


def test_a_later_turn_shows_the_turns_before_it(exported):
    sample = next(sample for sample in exported.samples if sample.id == "a#1")
    assert [message.role for message in sample.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert [message.text for message in sample.messages][1:] == ["Q a", "answer a 0", "And?", "answer a 1"]


def test_prompt_target_answer_reason_and_condition_can_be_read(exported):
    sample = next(sample for sample in exported.samples if sample.id == "b#0")
    assert sample.target == ["gold"]
    assert sample.output.completion == "answer b 0"
    assert sample.scores["llm"].explanation == "llm on b"
    assert sample.scores["match"].value == "I"
    assert sample.metadata["length"] == 256
    assert sample.output.message.content[0].reasoning == "hm"
    assert exported.eval.model == "transformers/embedded"
