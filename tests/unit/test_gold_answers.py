"""What holds for the gold answers of every generated task, at drawn seeds and lengths: they score 1, those of other samples do not, and the
filler holds none of them by accident."""

import re
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks import load
from contextrot.tasks.babilong.world import PEOPLE, without_facts

QUICK = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
TASKS = {
    "ruler": {"repeats": 2},
    "latent_needles": {"depths": [50], "needles": ["rialto", "vegan"], "repeats": 2},
    "mrcr": {"needles": [2], "lines": 2, "repeats": 2},
    "graphwalks": {"depths": [1, 2], "repeats": 2},
    "babilong": {"repeats": 2},
}


def build(name, tokenizer, data, seed, **parameters):
    kind = load(name)
    of = kind(validate(kind.Parameters, TASKS[name] | parameters, "a test"))
    return of, of.samples(SampleContext(tokenizer, 100_000, 1_000, data, partial(generator_for, seed)))


def score(of, sample, text):
    return of.score(sample, Response(sample.sample_id, 0, "answered", text), [])["score"]


def gold(sample):
    return " ".join(sample.references)


@pytest.mark.parametrize("name", TASKS)
@QUICK
@given(seed=st.integers(0, 10**6), length=st.integers(1200, 2000))
def test_the_gold_answer_scores_one_another_sample_s_does_not_and_the_length_is_the_asked_one(
    name, seed, length, embedded_tokenizer, data
):
    of, samples = build(name, embedded_tokenizer, data, seed, lengths=[length])
    for sample, other in zip(samples, [*samples[1:], samples[0]], strict=True):
        assert length - 8 <= embedded_tokenizer.count_chat(sample.messages) <= length
        assert score(of, sample, gold(sample)) == 1, sample.sample_id
        assert score(of, sample, "") == 0
        if set(other.references) != set(sample.references):
            assert score(of, sample, gold(other)) < 1, sample.sample_id


@QUICK
@given(seed=st.integers(0, 10**6))
def test_a_value_key_or_variable_of_ruler_stands_in_the_text_only_where_it_was_planted(seed, embedded_tokenizer, data):
    tasks = ["niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multivalue", "niah_multiquery", "vt"]
    _, samples = build("ruler", embedded_tokenizer, data, seed, lengths=[1500], tasks=tasks, repeats=1)
    for sample in samples:
        text = sample.messages[0]["content"]
        if sample.condition["task"] == "vt":
            chain = sample.references  # each stands where it is assigned and, but for the last, where it is passed on
            assert [text.count(name) for name in chain] == [2] * (len(chain) - 1) + [1]
            continue
        assert all(text.count(value) == 1 for value in sample.references), sample.sample_id
        assert all(re.search(rf"The secret \w+ of \S+ is {re.escape(value)}\.", text) for value in sample.references)


@QUICK
@given(seed=st.integers(0, 10**6))
def test_the_person_of_a_latent_needle_is_named_once(seed, embedded_tokenizer, data):
    _, samples = build("latent_needles", embedded_tokenizer, data, seed, lengths=[1000])
    assert all(sample.messages[0]["content"].count(sample.references[0]) == 1 for sample in samples)


def test_sentences_of_a_corpus_that_read_like_facts_are_no_filler(embedded_tokenizer, tmp_path):
    lines = [
        "It rained all day.",
        "Bruno went to the cellar.",
        "The library is north of the stable.",
        "Brunoise is a cut.",
        "We sat down.",
    ]
    assert without_facts([lines, ["Clio left."]]) == [["It rained all day.", "Brunoise is a cut.", "We sat down."]]
    (tmp_path / "text.txt").write_text(" ".join(lines * 40))
    _, samples = build("babilong", embedded_tokenizer, tmp_path, 1, lengths=[600], topic="text.txt", kinds=["qa1"])
    for sample in samples:
        text = sample.messages[0]["content"].partition("<text>")[2].partition("</text>")[0]
        assert sum(len(re.findall(rf"\b{name}\b", text)) for name in PEOPLE) == sample.condition["facts"]
