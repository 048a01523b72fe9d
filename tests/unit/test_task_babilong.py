"""Facts scattered over a text: exact lengths, and answers that another reader of the facts gives too."""

import re
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.samples.corpus import topic_documents
from contextrot.task import SampleContext
from contextrot.tasks.babilong.scoring import PUBLISHED_LABELS, is_right
from contextrot.tasks.babilong.task import Babilong, BabilongParameters
from contextrot.tasks.babilong.world import KINDS, LABELS, PEOPLE, PLACES, THINGS, WAYS, story


def build(tokenizer, data, seed=1, window=200_000, **parameters):
    of = Babilong(validate(BabilongParameters, {"repeats": 1} | parameters, "a test"))
    return of, of.samples(SampleContext(tokenizer, window, 2_000, data, partial(generator_for, seed)))


def score(of, sample, answer):
    return of.score(sample, Response(sample.sample_id, 0, "answered", answer), [])["score"]


def named(text, names):
    return [word for word in re.findall(r"\w+", text) if word in names]


def solutions(facts, question):
    """All answers that the facts allow, by reading them forward (relations: by coordinates)."""
    if "went" not in " ".join(facts) and all(" is " in fact for fact in facts):
        step = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
        (a, way, b), (c, other, d) = (re.findall(r"The (\w+) is (\w+) of the (\w+)", fact)[0] for fact in facts)
        near = {(a, way, b), (b, WAYS[way], a), (c, other, d), (d, WAYS[other], c)}
        assert all(way in step for _, way, _ in near)
        if found := re.match(r"What is (\w+) of the (\w+)\?", question):
            return {x for x, way, y in near if (way, y) == found.groups()}
        place, way = re.match(r"What is the (\w+) (\w+) of\?", question).groups()
        return {y for x, w, y in near if (x, w) == (place, way)}
    at, bearer, trail, gifts = {}, {}, {}, []
    for fact in facts:
        people, places, things = named(fact, PEOPLE), named(fact, PLACES), named(fact, THINGS)
        if places:
            at[people[0]] = places[0]
            for thing, who in bearer.items():
                if who == people[0]:
                    trail[thing].append(places[0])
        elif len(people) == 2:
            assert bearer[things[0]] == people[0]
            bearer[things[0]] = people[1]
            gifts.append((people[0], things[0], people[1]))
        elif things[0] in bearer:
            assert bearer.pop(things[0]) == people[0]
        else:
            bearer[things[0]] = people[0]
            trail.setdefault(things[0], [at[people[0]]])
    if found := re.match(r"Where is (the )?(\w+)\?", question):
        return {trail[found[2]][-1] if found[1] else at[found[2]]}
    if found := re.match(r"Where was the (\w+) before the (\w+)\?", question):
        path = trail[found[1]]
        return {path[i - 1] for i in range(1, len(path)) if path[i] == found[2]}
    if found := re.match(r"Who gave the (\w+) to (\w+)\?", question):
        return {who for who, thing, whom in gifts if (thing, whom) == found.groups()}
    if found := re.match(r"Who did (\w+) give the (\w+) to\?", question):
        return {whom for who, thing, whom in gifts if (who, thing) == found.groups()}
    who, whom = re.match(r"What did (\w+) give to (\w+)\?", question).groups()
    return {thing for giver, thing, taker in gifts if (giver, taker) == (who, whom)}


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10**6))
def test_every_story_has_one_answer_and_it_is_the_gold(kind, seed):
    told = story(kind, np.random.default_rng(seed))
    assert solutions(told.facts, told.question) == {told.answer}
    assert told.answer in LABELS[kind]
    assert is_right(told.answer, told.answer, told.question, LABELS[kind])
    assert not any(is_right(other, told.answer, told.question, LABELS[kind]) for other in LABELS[kind] if other != told.answer)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), length=st.integers(700, 2500))
def test_lengths_are_exact_and_the_facts_stand_in_their_order(seed, length, embedded_tokenizer, data):
    of, samples = build(embedded_tokenizer, data, seed, lengths=[length])
    assert len(samples) == 5
    for sample in samples:
        assert length - 8 <= embedded_tokenizer.count_chat(sample.messages) <= length
        told = story(sample.condition["kind"], generator_for(seed, "story", sample.condition["kind"], 0))
        text, place = sample.messages[0]["content"], 0
        for fact in told.facts:
            place = text.index(fact, place) + len(fact)
        body = text.partition("<text>")[2].rpartition("</text>")[0]
        said = re.findall(rf"(?:(?:{'|'.join(PEOPLE)}) [^.]*\.|The \w+ is (?:{'|'.join(WAYS)}) of the \w+\.)", body)
        assert [" ".join(fact.split()) for fact in said] == list(told.facts)  # no fact by accident in the text around
        assert score(of, sample, f"{told.answer.capitalize()}.") == 1 and score(of, sample, "") == 0


def test_the_text_around_names_none_of_the_people(data):
    words = set(re.findall(r"\w+", " ".join("".join(document) for document in topic_documents("essays", data))))
    assert not words & set(PEOPLE)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("The most recent location of Mary is garden.", True), ("Garden", True), ("garden. Not the kitchen.", True),
        ("garden or kitchen", False), ("She left the kitchen. She is in the garden.", False), ("", False), ("the yard", False),
        ("garden<example> kitchen", True), ("GARDEN\nQuestion: kitchen", False),
    ],
)  # fmt: skip
def test_the_published_reading_of_an_answer(answer, right):
    assert is_right(answer, "garden", "Where is Mary?", PUBLISHED_LABELS["qa1"]) is right


def test_labels_of_the_question_do_not_count_as_a_second_answer():
    assert is_right("Before the kitchen it was in the garden", "garden", "Where was the milk before the kitchen?", PUBLISHED_LABELS["qa3"])  # fmt: skip
    assert is_right("Mary gave it to Fred", "Fred", "Who did Mary give the apple to?", PUBLISHED_LABELS["qa5"])


def test_published_answers_are_read_and_scored(tmp_path, embedded_tokenizer, data):
    (tmp_path / "qa1_4k_instruction_yes.csv").write_text("target,output,question\ngarden,In the garden.,Where is Mary?\noffice,The hallway,Where is John?\n")  # fmt: skip
    (tmp_path / "qa1_0k_instruction_yes.csv").write_text('target,output,question\nkitchen,"",Where is Mary?\n')
    of, samples = build(embedded_tokenizer, data, answers=str(tmp_path))
    recorded = of.recorded_answers(data)
    assert [(s.condition["length"], recorded[s.sample_id].outcome) for s in samples] == [(0, "empty"), (4096, "answered"), (4096, "answered")]  # fmt: skip
    assert [score(of, s, recorded[s.sample_id].text) for s in samples] == [0, 1, 0]
    (tmp_path / "qa2_1k.csv").write_text("target,output\na,b\n")
    with pytest.raises(DataError, match="question"):
        of.recorded_answers(data)
    with pytest.raises(ConfigError, match="answers"):
        build(embedded_tokenizer, data, lengths=[900], kinds=["qa1"])[0].recorded_answers(data)


@pytest.mark.parametrize(
    ("name", "target", "output", "length", "right"),
    [
        ("qa1_1M_instruction_yes.csv", "garden", "garden", 1_048_576, 1), ("qa6_8k.csv", "yes", "Yes, she is", 8_192, 1),
        ("qa7_0k.csv", "none", "one", 0, 0), ("qa9_2k.csv", "no", "Unknown", 2_048, 1), ("qa10_10M.csv", "maybe", "Maybe", 10_485_760, 1),
    ],
)  # fmt: skip
def test_every_task_and_length_that_was_published_is_read(
    name, target, output, length, right, tmp_path, embedded_tokenizer, data
):
    (tmp_path / name).write_text(f'target,output,question\n{target},"{output}",Is Mary there?\n')
    of, (sample,) = build(embedded_tokenizer, data, answers=str(tmp_path))
    assert sample.condition["length"] == length and score(of, sample, of.recorded_answers(data)[sample.sample_id].text) == right


@pytest.mark.parametrize(
    "other", ["b/qa1_1k.csv", "a/qa1_1k_instruction_no_examples_no.csv", "a/QA1_1K_instruction_yes.csv", "a/qa1_1024.csv"]
)
def test_answers_of_two_runs_and_of_an_unknown_task_are_refused(other, tmp_path, embedded_tokenizer, data):
    for place in ("a/qa1_1k.csv", other):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text("target,output,question\ngarden,x,Where is Mary?\n")
    with pytest.raises(DataError, match=r"holds answers to qa1, 1024 twice: .*; `answers` must name one run alone"):
        build(embedded_tokenizer, data, answers=str(tmp_path))
    (tmp_path / other).unlink()
    (tmp_path / "a" / "qa8_1k.csv").write_text("target,output,question\ngarden,x,Where is Mary?\n")
    with pytest.raises(DataError, match="no answers are known of qa8"):
        build(embedded_tokenizer, data, answers=str(tmp_path / "a"))


def test_a_length_without_room_for_the_facts_is_refused(embedded_tokenizer, data):
    with pytest.raises(ConfigError, match="too short"):
        build(embedded_tokenizer, data, lengths=[60])
