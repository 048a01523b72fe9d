"""Like requests told apart by their order: exact lengths, and an answer that a reader of the conversation finds."""

import re
from difflib import SequenceMatcher
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks.mrcr.task import Mrcr, MrcrParameters, matching_ratio
from contextrot.tasks.mrcr.wording import ORDINALS


def build(tokenizer, data, seed=1, window=200_000, **parameters):
    of = Mrcr(validate(MrcrParameters, {"repeats": 1} | parameters, "a test"))
    return of, of.samples(SampleContext(tokenizer, window, 2_000, data, partial(generator_for, seed)))


def score(of, sample, answer):
    return of.score(sample, Response(sample.sample_id, 0, "answered", answer), [])


def answers_of(messages, form, topic):
    request = f"Write me a {form} about {topic}."
    return [after["content"] for asked, after in pairwise(messages) if asked["content"] == request]


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), length=st.integers(1500, 4000), needles=st.sampled_from([2, 4]))
def test_lengths_are_exact_and_a_reader_of_the_conversation_finds_the_gold_text(seed, length, needles, embedded_tokenizer, data):
    of, (sample,) = build(embedded_tokenizer, data, seed, lengths=[length], needles=[needles], lines=3)
    assert length - 8 <= embedded_tokenizer.count_chat(sample.messages) <= length
    assert [message["role"] for message in sample.messages] == ["user", "assistant"] * (len(sample.messages) // 2) + ["user"]
    ordinal, form, topic, prefix = re.search(
        r"for the (\w+) time to write a (.+) about (.+), word for word\. Put (\w+) ", sample.messages[-1]["content"]
    ).groups()
    written = answers_of(sample.messages, form, topic)
    assert len(written) == needles == len(set(written))
    gold = prefix + written[ORDINALS.index(ordinal)]
    assert [gold] == sample.references and score(of, sample, gold)["score"] == 1
    for wrong in written:
        assert (score(of, sample, prefix + wrong)["score"] == 1) == (prefix + wrong == gold)
    assert score(of, sample, gold.removeprefix(prefix))["score"] == 0
    assert not any(prefix in message["content"] for message in sample.messages[:-1])
    assert [message["content"] for message in sample.messages].count(gold.removeprefix(prefix)) == 1


def test_which_request_is_asked_for_goes_round(embedded_tokenizer, data):
    _, samples = build(embedded_tokenizer, data, lengths=[1800], needles=[4], repeats=4, lines=2)
    assert [sample.condition["ordinal"] for sample in samples] == [1, 2, 3, 4]


def test_lengths_are_exact_with_a_large_vocabulary_too(o200k, data):
    for sample in build(o200k, data, lengths=[2500, 9000])[1]:
        assert sample.target_tokens - 8 <= o200k.count_chat(sample.messages) <= sample.target_tokens


def test_the_ratio_is_difflib_s_behind_the_prefix():
    # "abcd" and "abxd": three matching characters of four each
    assert matching_ratio("PREabxd", "PREabcd", "PRE") == 2 * 3 / 8 == SequenceMatcher(None, "abxd", "abcd").ratio()
    assert matching_ratio(" PREabcd", "PREabcd", "PRE") == 0
    assert matching_ratio("PRE", "PREabcd", "PRE") == 0


def test_a_length_without_room_for_the_needles_is_refused(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match="too short"):
        build(embedded_tokenizer, data, lengths=[300], needles=[8])


def test_what_is_over_the_window_is_not_built(embedded_tokenizer, data):
    _, samples = build(embedded_tokenizer, data, window=1000, lengths=[4000], needles=[2])
    assert not samples[0].fits_window and samples[0].messages == []
