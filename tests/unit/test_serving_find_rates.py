"""The search of rates as a run does it: what a trial's answers must be to count."""

from dataclasses import replace

import pytest

from contextrot.engines import Endpoint
from contextrot.errors import ConfigError
from contextrot.records import Sample
from contextrot.serving.run import Run
from contextrot.serving.timings import Timing
from contextrot.settings import ModelSettings
from contextrot.tasks.serving.task import Serving, ServingParameters

SENT = 3000


def found(counted, cached):
    """What is found on a server that answers everything in 10 ms, counts so many prompt tokens, and has had so many cached."""
    model = ModelSettings(
        engine="external", name="m", base_url="http://127.0.0.1:9/v1", tokenizer="m", window=4096, max_output_tokens=9
    )
    task = Serving(ServingParameters(rates=[1], find_rate=True, find_rate_requests=20, ttft_limit_seconds=1))
    salted = lambda sample, salt: replace(sample, sample_id=f"{sample.sample_id}-{salt}")  # noqa: E731

    def play(sessions, *_):
        turns = [turn for session in sessions for turn in session]
        answers = [Timing(t.sample.sample_id, t.due_seconds, 0.01, 0.02, counted, 2, cached, "t", said="t") for t in turns]
        return answers, 1.0

    endpoint = Endpoint("external", "m", "hosted_vllm", base_url=model.base_url)
    condition = {"length": SENT, "repeat": 0, "index": 0, "rate": 1.0}
    with Run(endpoint, task, model, "aggregated", 1, salted, 10, len) as run:
        run.load.play = play
        [entry] = run.find_rates([Sample("s", [], [], 1, target_tokens=SENT, prompt_tokens=SENT, condition=condition)])
    return entry


def test_whole_prompts_answered_at_once_break_no_limit():
    assert "breaks a limit" in found(SENT, 0)["why"]


def test_a_cut_prompt_is_a_quick_one_and_keeps_no_limit():
    entry = found(1024, 0)
    assert entry["rate"] is None and "keeps the limits" in entry["why"]
    assert entry["trials"][0]["failed"] == 20


def test_answers_from_a_cache_tell_nothing_of_a_rate():
    entry = found(SENT, SENT - 20)
    assert entry["low"] is None and entry["high"] is None and "cannot tell" in entry["why"]


def test_prompts_with_a_shared_beginning_are_refused_rather_than_made_unique():
    from contextrot.checked import validate

    with pytest.raises(ConfigError, match="leave out prefix: shared"):
        validate(ServingParameters, {"rates": [1], "find_rate": True, "prefix": "shared"}, "test")
