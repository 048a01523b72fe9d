"""Story sequences: what is asked, how turns follow each other, and what is measured of each answer."""

from __future__ import annotations

import json
from functools import partial

import pytest

from contextrot.checked import validate
from contextrot.errors import ConfigError, DataError
from contextrot.randomness import generator_for
from contextrot.records import OUTCOMES, Response
from contextrot.task import SampleContext
from contextrot.tasks.story_sequences.task import StoryParameters, StorySequences, read_sequences, store_number


class WordTokenizer:
    """One token a word, and three for each message."""

    exact = True

    def count_chat(self, messages):
        return sum(3 + len(message["content"].split()) for message in messages)


class ScriptedAsker:
    """Answers from a list; keeps what it was asked."""

    window = 10_000
    tokenizer = WordTokenizer()

    def __init__(self, *answers):
        self.answers, self.asked, self.repeats, self.options, self.resets = list(answers), [], [], [], 0

    async def __call__(self, messages, turn, *, max_output_tokens=None, prompt_tokens=None, repeat=0, options=None):
        assert prompt_tokens == self.tokenizer.count_chat(messages)
        self.asked.append([dict(message) for message in messages])
        self.repeats.append(repeat)
        self.options.append(options)
        answer = self.answers.pop(0)
        if isinstance(answer, Response):
            return answer
        outcome = "answered" if answer else "empty"
        return Response(
            "", turn, outcome, answer or None, prompt_tokens=prompt_tokens, completion_tokens=len(answer.split()), attempts=1
        )

    async def reset(self):
        self.resets += 1


STORIES = """
- name: one
  words: [10, null, 20]
  prompts: [Write a story., Building on it continue., Building on both end it.]
- name: two
  system: You write.
  prompts: [Write a poem., Go on.]
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "stories.yaml").write_text(STORIES)
    return tmp_path


def task(**parameters):
    return StorySequences(validate(StoryParameters, {"file": "stories.yaml", **parameters}, "a test"))


def samples_of(folder, window=10_000, max_output_tokens=1_000, **parameters):
    context = SampleContext(WordTokenizer(), window, max_output_tokens, folder, partial(generator_for, 1))
    return task(**parameters).samples(context)


def test_the_project_s_own_file_has_five_sequences_of_three_prompts(data):
    sequences = read_sequences(data / "tasks/story_sequences.yaml")
    assert [len(sequence.prompts) for sequence in sequences] == [3] * 5
    assert sequences[0].words == [2000, 2400, 2500]


def test_a_sequence_is_one_sample_of_several_turns_for_each_repeat(folder):
    samples = samples_of(folder, repeats=2)
    assert [s.sample_id for s in samples] == ["one-0", "two-0", "one-1", "two-1"]
    assert samples[0].later_prompts == ["Building on it continue.", "Building on both end it."]
    assert samples[1].messages[0] == {"role": "system", "content": "You write."}
    assert samples[0].prompt_tokens == 3 + 3
    assert samples[0].condition["asked_words"] == [10, None, 20]


def test_sequences_and_turns_can_be_fewer(folder):
    (sample,) = samples_of(folder, sequences=1, turns=2)
    assert len(sample.later_prompts) == 1 and sample.condition["asked_words"] == [10, None]


def test_window_and_output_are_the_models_where_those_are_smaller(folder):
    assert samples_of(folder, window=600)[0].condition["window"] == 600
    assert samples_of(folder, window=600)[0].max_output_tokens == 1_000
    big = samples_of(folder, window=1_000_000, max_output_tokens=100_000)[0]
    assert (big.condition["window"], big.max_output_tokens) == (32_768, 16_384)


def test_a_first_prompt_over_the_budget_is_never_sent(folder):
    sample = samples_of(folder, window=100, output_tokens=90, margin_tokens=5)[0]
    assert not sample.fits_window and sample.messages == []


def test_an_asked_length_is_said_in_every_prompt(folder):
    sample = samples_of(folder, asked_words=300)[0]
    assert sample.messages[-1]["content"].endswith("Write about 300 words.")
    assert sample.later_prompts[0].endswith("Write about 300 words.") and sample.condition["asked_words"] == [300] * 3


async def test_each_turn_is_asked_with_all_answers_before_it(folder):
    asker = ScriptedAsker("First answer here.", "Second answer here.", "Third answer here.")
    sample = samples_of(folder)[0]
    responses = await task().converse(sample, asker)
    assert [message["content"] for message in asker.asked[2]] == [
        "Write a story.", "First answer here.", "Building on it continue.", "Second answer here.", "Building on both end it."
    ]  # fmt: skip
    assert [r.outcome for r in responses] == ["answered"] * 3 and asker.resets == 0


async def test_the_oldest_turn_goes_when_the_window_is_full_and_the_row_says_so(folder):
    asker = ScriptedAsker(*["Some words here. " * 5] * 3)
    sample = samples_of(folder, window=60, output_tokens=20, margin_tokens=5)[0]
    responses = await task(margin_tokens=5).converse(sample, asker)
    rows = [task().columns(response) for response in responses]
    assert [row["turns_dropped"] for row in rows] == [0, 0, 1]
    assert [row["context_changed"] for row in rows] == [0.0, 0.0, 1.0]
    assert all(row["tokens_after"] + 20 + 5 <= 60 for row in rows)
    assert rows[2]["tokens_before"] - rows[2]["tokens_after"] == rows[2]["tokens_dropped"] == 6 + 18
    assert rows[2]["policy"] == "sliding"


async def test_without_a_policy_over_the_budget_is_an_outcome_and_the_next_turn_is_asked(folder):
    asker = ScriptedAsker("word " * 30, "never used")
    sample = samples_of(folder, window=60, output_tokens=20, margin_tokens=5)[0]
    responses = await task(policy="none", margin_tokens=5).converse(sample, asker)
    assert [r.outcome for r in responses] == ["answered", "over_window", "over_window"]
    assert len(asker.asked) == 1
    assert task().columns(responses[1])["tokens_before"] == 6 + 33 + 7


async def test_an_empty_answer_is_asked_again_after_a_reset_each_attempt_with_its_own_place_in_the_store(folder):
    asker = ScriptedAsker("", "tiny", "A whole story now.", "Second answer here.", "Third answer here.")
    responses = await task().converse(samples_of(folder)[0], asker)
    assert [r.outcome for r in responses] == ["answered"] * 3
    assert asker.resets == 2 and responses[0].attempts == 3
    assert asker.repeats[:3] == [0, 1_000_000, 2_000_000]
    columns = task().columns(responses[0])
    assert columns["retries"] == 2 and columns["attempt_outcomes"] == ["empty", "empty", "answered"]


async def test_always_empty_ends_as_empty_and_the_sequence_goes_on_without_that_turn(folder):
    asker = ScriptedAsker("First answer here.", "", "", "", "Third answer here.")
    responses = await task().converse(samples_of(folder)[0], asker)
    assert [r.outcome for r in responses] == ["answered", "empty", "answered"]
    contents = [message["content"] for message in asker.asked[-1]]
    assert contents == ["Write a story.", "First answer here.", "Building on both end it."]


async def test_a_sequence_that_stops_keeps_a_row_for_every_turn(folder):
    asker = ScriptedAsker("", "", "")
    responses = await task(after_failure="stop").converse(samples_of(folder)[0], asker)
    assert [(r.turn, r.outcome, r.attempts) for r in responses] == [(0, "empty", 3), (1, "empty", 0), (2, "empty", 0)]
    assert responses[1].error_type == "not_asked"
    assert task().columns(responses[1])["policy"] is None


async def test_the_first_turn_may_fail_and_the_second_still_has_a_prompt(folder):
    asker = ScriptedAsker("", "", "", "Second answer here.", "Third answer here.")
    responses = await task().converse(samples_of(folder)[1], ScriptedAsker("", "", "", "Second answer here."))
    assert [r.outcome for r in responses] == ["empty", "answered"]
    await task().converse(samples_of(folder)[0], asker)
    assert [m["content"] for m in asker.asked[3]] == ["Building on it continue."]


async def test_a_refusal_is_not_asked_again(folder):
    refusal = Response("", 0, "refused", "I cannot.", attempts=1)
    asker = ScriptedAsker(refusal, "Second answer here.", "Third answer here.")
    responses = await task().converse(samples_of(folder)[0], asker)
    assert responses[0].outcome == "refused" and asker.resets == 0


async def test_a_very_long_answer_can_be_followed_by_a_reset(folder):
    asker = ScriptedAsker("word " * 30, "Second answer here.", "Third answer here.")
    await task(reset_above_tokens=20).converse(samples_of(folder)[0], asker)
    assert asker.resets == 1


async def test_a_temperature_brings_a_seed_of_its_own_to_each_attempt_the_same_in_every_run(folder):
    seeds = []
    for _ in range(2):
        asker = ScriptedAsker("", "A whole story now.", "Second answer here.", "Third answer here.")
        await task(temperature=0.8).converse(samples_of(folder)[0], asker)
        assert all(options["temperature"] == 0.8 for options in asker.options)
        seeds.append([options["seed"] for options in asker.options])
    assert seeds[0] == seeds[1] and len(set(seeds[0])) == 4


async def test_without_a_temperature_the_models_own_sampling_is_left_alone(folder):
    asker = ScriptedAsker(*["An answer here."] * 3)
    await task().converse(samples_of(folder)[0], asker)
    assert asker.options == [{}, {}, {}]


def test_no_two_attempts_of_any_repeats_share_a_place_in_the_store():
    numbers = {store_number(repeat, attempt) for repeat in range(50) for attempt in range(20)}
    assert len(numbers) == 1000


def test_scores_of_an_answer_by_hand(folder):
    sample = samples_of(folder, window=100, output_tokens=20)[0]
    text = "The sea was calm. The sea was calm and grey."
    response = Response(
        sample.sample_id, 2, "answered", text, prompt_tokens=40, completion_tokens=10, total_seconds=4.0, first_token_seconds=1.0
    )
    before = [
        Response(sample.sample_id, 0, "answered", "Today the sea was calm and blue."),
        Response(sample.sample_id, 1, "empty"),
    ]
    scores = task().score_turn(sample, response, [], before)
    assert scores["score"] == 1.0
    assert scores["tokens_per_second"] == 2.5 and scores["decode_tokens_per_second"] == 3.0
    assert scores["window_use"] == 0.5
    assert scores["words"] == 10 and scores["length_ratio"] == 10 / 20
    assert scores["longest_repeated_words"] == 4 and scores["longest_repeated_share"] == 0.4
    assert scores["distinct_1"] == 6 / 10
    assert scores["overlap"] == 1 / 6  # "the sea was calm and" of six 5-grams


def test_a_turn_without_a_text_scores_0_and_has_no_other_measure(folder):
    sample = samples_of(folder)[0]
    assert task().score_turn(sample, Response(sample.sample_id, 0, "empty"), [], []) == {"score": 0.0, "overlap": None}


def test_the_length_asked_of_a_turn_without_one_is_missing(folder):
    sample = samples_of(folder)[0]
    assert task().score(sample, Response(sample.sample_id, 1, "answered", "Long enough text."), [])["length_ratio"] is None


def test_every_outcome_has_its_columns(folder):
    for outcome in OUTCOMES:
        columns = task().columns(Response("one-0", 0, outcome, details=None))
        assert set(columns) >= {"policy", "tokens_before", "tokens_after", "tokens_dropped", "cut_at", "retries"}


def test_an_answer_is_rated_by_criteria_and_has_no_gold_answer(folder):
    assert samples_of(folder)[0].references == [] and len(StorySequences.criteria) == 7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- name: a\n  prompts: []\n", "sequence 1: prompts"),
        ("- name: a\n  prompts: [x]\n  words: [1, 2]\n", "2 `words` for 1 prompts"),
        ("- name: a\n  prompts: [x]\n- name: a\n  prompts: [x]\n", "two sequences are named 'a'"),
        ("- name: a\n  prompt: [x]\n", "sequence 1: prompt"),
        ("name: a", "must be a list"),
        ("- [", "not valid YAML"),
    ],
)
def test_a_broken_file_of_sequences_says_where(tmp_path, content, message):
    (tmp_path / "stories.yaml").write_text(content)
    with pytest.raises(DataError, match=message):
        read_sequences(tmp_path / "stories.yaml")


def test_a_missing_file_of_sequences_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.yaml does not exist"):
        read_sequences(tmp_path / "none.yaml")


def test_an_unknown_policy_in_config_names_the_known_ones():
    with pytest.raises(ConfigError, match="'none', 'sliding' or 'keep_first'"):
        task(policy="slide")


def test_details_of_the_client_are_kept_beside_ours(folder):
    import asyncio

    answer = Response("", 0, "answered", "Long enough text.", details=json.dumps({"logprobs": [1]}), attempts=1)
    asker = ScriptedAsker(answer, "Second answer here.", "Third answer here.")
    responses = asyncio.run(task().converse(samples_of(folder)[0], asker))
    assert set(json.loads(responses[0].details)) == {"logprobs", "context", "attempts"}
