"""Samples of a search's rounds: whole blocks, each prompt once, whatever round asks for it."""

from __future__ import annotations

from functools import partial

import pytest

from contextrot.errors import ConfigError
from contextrot.project import Project
from contextrot.randomness import generator_for
from contextrot.samples.rounds import blocks_of, dealt_blocks, refuse_repeats
from contextrot.samples.tokenizers import load_tokenizer
from contextrot.task import SampleContext
from contextrot.tasks.niah.task import NeedleInAHaystack
from contextrot.tasks.repeated_words.task import RepeatedWords

NEEDLES = ["restaurant_high", "spare_key_high", "night_train_high"]


@pytest.fixture(scope="module")
def context():
    project = Project({})
    tokenizer = load_tokenizer(str(project.data / "models/embedded"))
    return SampleContext(tokenizer, 4096, 64, project.data, partial(generator_for, 1))


def needles():
    given = {"lengths": [400], "depths": [0, 50, 100], "needles": NEEDLES, "answer_tokens": 48}
    return NeedleInAHaystack(NeedleInAHaystack.Parameters.model_validate(given))


def words():
    given = {"pairs": [["apple", "apples"], ["golden", "Golden"]], "counts": [25, 50], "positions": 5}
    return RepeatedWords(RepeatedWords.Parameters.model_validate(given))


def test_a_block_has_each_needle_once_and_blocks_together_every_depth(context):
    samples = blocks_of(needles(), context, {400: range(0, 3)})
    assert len(samples) == 3 * len(NEEDLES)
    for name in NEEDLES:
        assert sorted(s.condition["depth"] for s in samples if s.condition["needle"] == name) == [0, 50, 100]


def test_rounds_that_go_on_ask_what_one_round_would_and_no_prompt_twice(context):
    at_once = blocks_of(needles(), context, {400: range(0, 4)})
    in_two = [s for ends in (range(0, 1), range(1, 4)) for s in blocks_of(needles(), context, {400: ends})]
    texts = [s.messages[0]["content"] for s in in_two]
    assert sorted(s.sample_id for s in at_once) == sorted(s.sample_id for s in in_two)
    assert len(set(texts)) == len(texts)


def test_dealt_blocks_hold_every_sample_of_a_length_once(context):
    task = words()
    every = [s for s in task.samples(context) if s.condition[task.length_column] == 25]
    dealt = dealt_blocks(task, context, {25: range(0, 50)})
    assert sorted(s.sample_id for s in dealt) == sorted(s.sample_id for s in every)
    first = dealt_blocks(task, context, {25: range(0, 1)})
    assert len({s.condition[task.cluster_column] for s in first}) == len(first) == 2


def test_a_length_outside_the_parameters_is_dealt_too(context):
    task = words()
    found = dealt_blocks(task, context, {37: range(0, 2)})
    assert {s.condition[task.length_column] for s in found} == {37}


def test_a_sample_of_an_earlier_round_is_refused(context):
    samples = blocks_of(needles(), context, {400: range(0, 1)})
    refuse_repeats(samples, ["another"])
    with pytest.raises(ConfigError, match="earlier round; delete the folder `rounds`"):
        refuse_repeats(samples, [samples[0].sample_id])
    with pytest.raises(ConfigError, match="earlier round"):
        refuse_repeats([*samples, samples[0]], [])
