"""The same prompt again: each time is a request of its own, and what the answers say of repeatability."""

import asyncio

import numpy as np
import pandas as pd
import pytest

from contextrot import tasks
from contextrot.errors import ConfigError
from contextrot.scores.score import select
from contextrot.tasks.retest.task import repeatability
from tests.unit.test_remedies import Scripted, context_of


def test_each_time_is_the_same_prompt_and_a_request_of_its_own(embedded_tokenizer, data):
    kind = tasks.load("retest")
    task = kind(
        kind.Parameters(of="niah", parameters={"lengths": [500], "depths": [50], "needles": ["restaurant_high"]}, times=3)
    )
    samples = task.samples(context_of(embedded_tokenizer, data))
    assert len(samples) == len({s.sample_id for s in samples}) == 3 and len({str(s.messages) for s in samples}) == 1
    askers = [Scripted(sample, embedded_tokenizer) for sample in samples]
    for sample, asker in zip(samples, askers, strict=True):
        asyncio.run(task.converse(sample, asker))
    assert [asker.asked[0].repeat for asker in askers] == [0, 1, 2]
    with pytest.raises(ValueError, match="no task with questions of its own"):
        kind.Parameters(of="remedies")


def rows(scores, texts=None):
    """Scores of prompts (rows) by times (columns)."""
    return pd.DataFrame(
        [
            {"asked": f"p{i}", "time": j, "length": 100, "outcome": "answered", "score": float(score), "cluster": f"p{i}",
             "answer_hash": str(score) if texts is None else texts[i][j]}
            for i, row in enumerate(scores) for j, score in enumerate(row)
        ]
    )  # fmt: skip


def of(frame):
    found = repeatability(frame, "length")
    return {row["measure"]: row["value"] for row in found[found["grouping"] == ""].to_dict("records")}


def test_answers_that_are_always_the_same_vary_between_prompts_alone():
    found = of(rows([[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]))
    assert (found["same_text"], found["flips"], found["disagreement"], found["variance_within"], found["reliability"]) == (
        1,
        0,
        0,
        0,
        1,
    )
    assert found["variance_between"] == pytest.approx(1 / 3)


def test_by_hand():
    found = of(rows([[1, 0], [1, 1]], [["a", "b"], ["c", "d"]]))
    assert (found["same_text"], found["flips"]) == (0, 0.5)
    assert found["disagreement"] == pytest.approx(0.5)
    assert found["variance_within"] == pytest.approx(0.25)
    # mean square between: 2 x ((0.5 - 0.75)^2 + (1 - 0.75)^2) / 1 = 0.25; (0.25 - 0.25) / 2 = 0
    assert found["variance_between"] == 0 and found["reliability"] == 0


def test_the_components_are_those_that_made_the_answers():
    rng = np.random.default_rng(4)
    shares = rng.choice([0.2, 0.9], 4000)
    found = of(rows([[rng.random() < share for _ in range(5)] for share in shares]))
    within = (0.2 * 0.8 + 0.9 * 0.1) / 2
    assert found["variance_within"] == pytest.approx(within, rel=0.05)
    assert found["variance_between"] == pytest.approx(0.35**2, rel=0.06)
    assert found["disagreement"] == pytest.approx(2 * within, rel=0.05)


def test_prompts_with_one_counted_answer_say_nothing():
    frame = rows([[1, 0], [1, 1]])
    frame.loc[1, "outcome"] = "failed"
    found = repeatability(frame, "length")
    assert set(found["n"]) == {1} and select(found, "flips")["value"].tolist() == [0]
    assert repeatability(frame.assign(outcome="failed"), "length").empty


@pytest.mark.parametrize("task", ["retest", "remedies"])
def test_conversations_are_not_borrowed(task, embedded_tokenizer, data):
    kind = tasks.load(task)
    with pytest.raises(ConfigError, match="are conversations or are rated"):
        kind(kind.Parameters(of="story_sequences", parameters={"output_tokens": 64})).samples(
            context_of(embedded_tokenizer, data)
        )


def test_a_counted_answer_without_a_score_is_no_flip():
    frame = rows([[1, 1], [0, 0]])
    frame.loc[1, "score"] = None
    found = repeatability(frame, "length")
    assert set(found["n"]) == {1} and select(found, "flips")["value"].tolist() == [0]
