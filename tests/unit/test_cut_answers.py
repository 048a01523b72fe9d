"""Answers that their limit cut are told: those that said nothing, and those that may have been right later."""

from __future__ import annotations

import pandas as pd
import pytest

from contextrot.records import Response, write_responses
from contextrot.report.cut_answers import cut_answers, limit_notes

TITLES = {"model_title": "m", "experiment_title": "e", "condition": None}


@pytest.fixture
def responses(tmp_path):
    rows = [
        Response("thought", 0, "truncated", None, reasoning="hm"),
        Response("wrong", 0, "truncated", "it goes on and"),
        Response("right", 0, "truncated", "in a blue can, which"),
        Response("whole", 0, "answered", "no"),
        Response("silent", 0, "empty", None),
    ]
    write_responses(tmp_path / "responses.parquet", rows)
    scores = pd.DataFrame(
        [{"sample_id": r.sample_id, "turn": 0, "outcome": r.outcome, "score": float(r.sample_id == "right")} for r in rows]
    )
    return scores, tmp_path / "responses.parquet"


def test_what_said_nothing_and_what_was_wrong_is_counted_apart(responses):
    assert cut_answers(*responses, judged=True) == {"cut_unsaid": 1, "cut_wrong": 1}
    assert cut_answers(*responses, judged=False) == {"cut_unsaid": 1, "cut_wrong": None}
    assert cut_answers(None, responses[1], judged=True) == {"cut_unsaid": None, "cut_wrong": None}


def test_they_are_told_above_a_tenth_of_the_answers():
    assert limit_notes({**TITLES, "answers": 10, "cut_unsaid": 1, "cut_wrong": None}) == []
    unsaid, wrong = limit_notes({**TITLES, "answers": 10, "cut_unsaid": 2, "cut_wrong": 3})
    assert "2 of 10 answers were cut before" in unsaid and "reasoning_tokens" in unsaid
    assert "3 of 10 answers are not right" in wrong and "answer_tokens" in wrong
