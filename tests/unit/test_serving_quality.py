"""Another task's samples as load: exact lengths with the code before them, and scores by its own rules."""

from functools import partial

import pandas as pd
import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import read_samples, write_samples
from contextrot.serving.rows import rows_of, scores_of
from contextrot.serving.timings import FailedRequest, Timing, Turn
from contextrot.task import SampleContext
from contextrot.tasks.serving.codes import salted
from contextrot.tasks.serving.load_samples import asked_sample
from contextrot.tasks.serving.summary import quality
from contextrot.tasks.serving.task import Serving, ServingParameters

NIAH = {"task": "niah", "task_parameters": {"needles": ["restaurant_high"], "answer_tokens": 16, "depths": [0, 50, 100]}}


def parameters(**more):
    return validate(
        ServingParameters, {"lengths": [400], "requests": 3, "repeats": 2, "warmup_requests": 1, **NIAH, **more}, "test"
    )


@pytest.fixture
def samples(data, embedded_tokenizer):
    context = SampleContext(embedded_tokenizer, 4096, 64, data, partial(generator_for, 1))
    return Serving(parameters()).samples(context)


def measured(samples):
    return [sample for sample in samples if sample.condition["phase"] == "measured"]


def test_needle_prompts_have_the_asked_length_with_the_code_before_them(samples, embedded_tokenizer):
    for sample in measured(samples):
        counted = embedded_tokenizer.count_chat(sample.messages)
        assert counted == sample.prompt_tokens and 392 <= counted <= 400
        fresh = salted(sample, "abc", lambda text: len(embedded_tokenizer.encode(text)))
        assert embedded_tokenizer.count_chat(fresh.messages) == counted
        assert fresh.messages != sample.messages


def test_every_repeat_asks_the_same_under_codes_of_its_own(samples):
    one, two = ([s for s in measured(samples) if s.condition["repeat"] == repeat] for repeat in (0, 1))
    assert [s.condition["asked"] for s in one] == [s.condition["asked"] for s in two]
    assert not {s.messages[0]["content"][:14] for s in one} & {s.messages[0]["content"][:14] for s in two}


def test_samples_survive_their_file(samples, tmp_path):
    write_samples(tmp_path / "samples.parquet", samples)
    again = measured(read_samples(tmp_path / "samples.parquet"))[0]
    assert asked_sample(again).condition["needle"] == "restaurant_high"


def answer(said, finish="stop"):
    return Timing("s", 0.0, 1.0, 2.0, 400, 5, None, said, finish, said=said)


def test_right_answers_score_1_wrong_ones_0_and_failed_ones_nothing(samples):
    sent = measured(samples)[:3]
    sessions = [[Turn(sample)] for sample in sent]
    answers = [answer(sent[0].references[0]), answer("I do not know."), FailedRequest("s", 0.0, "no")]
    assert scores_of(sessions, answers, parameters()) == [1.0, 0.0, None]


def test_an_answer_without_words_is_wrong_not_missing(samples):
    sent = measured(samples)[0]
    assert scores_of([[Turn(sent)]], [answer("", "length")], parameters()) == [0.0]


def test_quality_speaks_for_what_was_asked_and_cost_for_what_was_billed(samples):
    from contextrot.responses.prices import Pricing, Rate

    sent = measured(samples)
    sessions = [[Turn(sample)] for sample in sent]
    answers = [answer(sent[0].references[0] if i % 3 else "no") for i in range(6)]
    rows = rows_of(sessions, answers, "aggregated", Pricing(((0, Rate(1e-6, 1e-6, 1e-5)),)))
    for row, score in zip(rows, scores_of(sessions, answers, parameters()), strict=True):
        row["score"] = score
    found = {row["measure"]: row for row in quality(pd.DataFrame(rows), pd.DataFrame(rows))}
    assert found["score"]["value"] == pytest.approx(4 / 6) and found["score"]["n"] == 6
    assert found["score"]["low"] < 4 / 6 < found["score"]["high"]
    assert found["cost_usd_mean"]["value"] == pytest.approx(450e-6)


def test_stories_are_sessions(data, embedded_tokenizer):
    context = SampleContext(embedded_tokenizer, 4096, 64, data, partial(generator_for, 1))
    found = measured(
        Serving(validate(ServingParameters, {"task": "story_sequences", "requests": 1, "lengths": [500]}, "t")).samples(context)
    )
    assert found and all(sample.later_prompts for sample in found)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "niahh"}, "niah"),
        ({"task": "niah", "task_parameters": {"needels": ["x"]}}, "needels.*`task_parameters` of task 'niah'|needels"),
    ],
)
def test_a_task_or_parameter_that_is_none_is_named_when_the_run_is_planned(data, given, message):
    with pytest.raises(ConfigError, match=message):
        Serving(validate(ServingParameters, given, "test")).data_files(data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": "serving"}, "another task"),
        ({"task_parameters": {"a": 1}}, "needs `task`"),
        ({"task": "niah", "turns": 2}, "prompts of its own"),
        ({"turns": 2, "prefix": "shared"}, "share no prefix"),
    ],
)
def test_loads_that_exclude_each_other_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        validate(ServingParameters, given, "test")
