"""Histories are seeded, grow by one turn, and never hold the target."""

from __future__ import annotations

import pytest

from contextrot.errors import ConfigError
from contextrot.randomness import generator_for
from contextrot.tasks.context_switching.histories import draw_history, messages
from contextrot.tasks.context_switching.task_sets import Item, TaskSet

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
