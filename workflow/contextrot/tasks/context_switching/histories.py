"""Teacher-forced histories: turns of another task, with their right answers, before the question that counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from contextrot.errors import ConfigError
from contextrot.tasks.context_switching.task_sets import Item, TaskSet

Asking = Literal["chat", "plain"]


def draw_history(distractor: TaskSet, target: Item, turns: int, rng: np.random.Generator) -> list[Item]:
    """Items of the distractor set in random order, the longest history that is needed.

    A history of h turns is the first h of them, so that each history extends the shorter ones. The target itself (by id or
    by text) is never among them.

    Raises:
        ConfigError: if the set has too few other items.
    """
    order = rng.permutation(len(distractor.items))
    history: list[Item] = []
    for index in order:
        if len(history) == turns:
            break
        item = distractor.items[index]
        if item.prompt != target.prompt:
            history.append(item)
    if len(history) < turns:
        raise ConfigError(
            f"a history of {turns} turns needs as many items beside the target; set {distractor.name!r} has {len(history)}. "
            "Lower `history_turns`, or name a larger set."
        )
    return history


def messages(history: Sequence[Item], target: Item, asking: Asking) -> list[dict[str, str]]:
    """The chat that ends with the target's question.

    Args:
        history: earlier questions, each answered with its first accepted answer.
        asking: `chat`: one message a turn; `plain`: all in the user's one message, as "User: ..." and "Assistant: ..." text that
            ends with "Assistant:".
    """
    if asking == "plain":
        turns = [f"User: {item.prompt}\nAssistant: {item.answers[0]}" for item in history]
        return [{"role": "user", "content": "\n\n".join([*turns, f"User: {target.prompt}\nAssistant:"])}]
    chat = []
    for item in history:
        chat += [{"role": "user", "content": item.prompt}, {"role": "assistant", "content": item.answers[0]}]
    return [*chat, {"role": "user", "content": target.prompt}]
