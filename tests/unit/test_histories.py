"""Histories are seeded, grow by one turn, and never hold the target."""

from __future__ import annotations

from functools import partial

import pytest

from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.records import Response
from contextrot.task import SampleContext
from contextrot.tasks.context_switching.histories import draw_history, messages, randomly_answered
from contextrot.tasks.context_switching.task_sets import Item, TaskSet
from tests.unit.test_task_context_switching import CharacterTokenizer, task

SET = TaskSet("letters", tuple(Item(f"i{n}", f"question {n}", (f"answer {n}",)) for n in range(6)), (), 8)


def draw(turns: int, target: Item = SET.items[0], seed: int = 1) -> list[Item]:
    return draw_history(SET, target, turns, generator_for(seed, "history", target.item_id))


def test_a_longer_history_begins_with_the_shorter_one():
    assert [draw(h) for h in range(6)] == [draw(5)[:h] for h in range(6)]


def test_the_target_is_never_in_its_own_history():
    for seed in range(20):
        for target in SET.items:
            assert target not in draw(5, target, seed)


def test_a_copy_of_the_target_under_another_id_is_left_out_too():
    twin = Item("twin", SET.items[0].prompt, ("other",))
    doubled = TaskSet("doubled", (*SET.items, twin), (), 8)
    for seed in range(20):
        history = draw_history(doubled, SET.items[0], 5, generator_for(seed))
        assert SET.items[0].prompt not in [item.prompt for item in history]


def test_no_item_comes_twice():
    assert len({item.item_id for item in draw(5)}) == 5


def test_another_seed_gives_another_history():
    assert len({tuple(item.item_id for item in draw(5, seed=seed)) for seed in range(5)}) > 1


def test_a_history_longer_than_the_set_says_how_many_there_are():
    with pytest.raises(ConfigError, match=r"6 turns .* 'letters' has 5"):
        draw(6)


def test_chat_turns_are_answered_with_the_first_accepted_answer():
    history = [Item("x", "Q1", ("A1", "a1"))]
    assert messages(history, SET.items[0], "chat") == [
        {"role": "user", "content": "Q1"},
        {"role": "assistant", "content": "A1"},
        {"role": "user", "content": "question 0"},
    ]


def test_plain_text_ends_where_the_answer_begins():
    history = [Item("x", "Q1", ("A1",)), Item("y", "Q2", ("A2",))]
    (message,) = messages(history, SET.items[0], "plain")
    assert message == {
        "role": "user",
        "content": "User: Q1\nAssistant: A1\n\nUser: Q2\nAssistant: A2\n\nUser: question 0\nAssistant:",
    }


class OwnAsker:
    """Answers a1, a2, ...; keeps what it was asked. An answer None is an empty one."""

    tokenizer = CharacterTokenizer()

    def __init__(self, *answers, window=10_000):
        self.answers, self.window, self.asked, self.limits = list(answers), window, [], []

    async def __call__(self, messages, turn, *, max_output_tokens=None, prompt_tokens=None):
        self.asked.append([message["content"] for message in messages])
        self.limits.append(max_output_tokens)
        answer = self.answers.pop(0)
        return Response("s", turn, "answered" if answer else "empty", answer, built_tokens=prompt_tokens)


def conversation(data, asking="chat", **parameters):
    """The task and its sample of a two-turn history before a question of sentiment."""
    of = task(
        history="conversational",
        asking=asking,
        targets=["sentiment"],
        distractors=["multiple_choice"],
        history_turns=[0, 2],
        items=1,
    )
    zero, two = of.samples(SampleContext(CharacterTokenizer(), 100_000, 512, data, partial(generator_for, 1)))
    return of, zero, two


async def test_a_conversational_history_holds_the_model_s_own_answers(data):
    of, zero, two = conversation(data)
    asker = OwnAsker("own 1", "own 2", "positive")
    responses = await of.converse(two, asker)
    first, second = two.messages[0]["content"], two.later_prompts[0]
    question = zero.messages[-1]["content"]
    assert asker.asked == [[first], [first, "own 1", second], [first, "own 1", second, "own 2", question]]
    assert [r.turn for r in responses] == [0, 1, 2] and responses[2].built_tokens == sum(map(len, asker.asked[2]))
    assert asker.limits[:2] == [two.condition["history_answer_tokens"]] * 2 and asker.limits[2] == two.max_output_tokens


async def test_only_the_last_turn_of_a_conversation_is_scored(data):
    of, _, two = conversation(data)
    responses = await of.converse(two, OwnAsker("own 1", "own 2", two.references[0]))
    assert [of.score_turn(two, r, [], []) for r in responses[:2]] == [{}, {}]
    assert of.score_turn(two, responses[2], [], [])["score"] == 1


async def test_a_plain_conversation_is_one_transcript(data):
    of, _, two = conversation(data, asking="plain")
    asker = OwnAsker("own 1", "own 2", "positive")
    await of.converse(two, asker)
    assert [len(asked) for asked in asker.asked] == [1, 1, 1]
    assert asker.asked[1][0].startswith(asker.asked[0][0] + " own 1\n\nUser: ") and asker.asked[2][0].endswith("Assistant:")


async def test_after_a_turn_without_a_text_or_room_nothing_more_is_asked(data):
    of, _, two = conversation(data)
    asker = OwnAsker("own 1", None)
    responses = await of.converse(two, asker)
    assert [r.outcome for r in responses] == ["answered", "empty", "empty"] and len(asker.asked) == 2
    small = OwnAsker("own 1", window=len(two.messages[0]["content"]) + 60)
    assert [r.outcome for r in await of.converse(two, small)][1:] == ["over_window", "over_window"]


def test_a_random_history_has_answers_of_other_items(data):
    answered = randomly_answered(SET.items, SET, generator_for(3))
    assert [item.prompt for item in answered] == [item.prompt for item in SET.items]
    assert all(
        item.answers[0] != SET.items[i].answers[0] and item.answers[0].startswith("answer") for i, item in enumerate(answered)
    )
    assert randomly_answered(SET.items, SET, generator_for(4)) != answered
    shared = {"targets": ["sentiment"], "distractors": ["multiple_choice"], "history_turns": [0, 2], "items": 2}
    context = SampleContext(CharacterTokenizer(), 100_000, 512, data, partial(generator_for, 1))
    forced, random = (task(history=kind, **shared).samples(context) for kind in ("teacher_forced", "random"))
    assert [s.sample_id for s in forced] == [s.sample_id for s in random]
    assert [m["content"] for m in forced[1].messages][::2] == [m["content"] for m in random[1].messages][::2]
    assert any(a.messages != b.messages for a, b in zip(forced, random, strict=True))
