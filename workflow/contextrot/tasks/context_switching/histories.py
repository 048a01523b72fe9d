"""Histories: turns of another task before the question that counts, with their right answers, the model's own, or random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from contextrot.errors import ConfigError
from contextrot.records import Response
from contextrot.task import not_asked
from contextrot.tasks.context_switching.task_sets import Item, TaskSet

if TYPE_CHECKING:
    from contextrot.records import Sample
    from contextrot.task import Asker

Asking = Literal["chat", "plain"]
History = Literal["teacher_forced", "conversational", "random"]
"""Answers of the earlier turns: the right ones, the model's own, or each of another item of the set."""


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


def randomly_answered(history: Sequence[Item], distractor: TaskSet, rng: np.random.Generator) -> list[Item]:
    """The history with each answer taken from another item of the set, drawn at random: the right form, and right by chance alone."""
    drawn = []
    for item in history:
        others = [other for other in distractor.items if other.prompt != item.prompt]
        drawn.append(replace(item, answers=others[int(rng.integers(len(others)))].answers[:1] if others else item.answers))
    return drawn


async def converse(sample: Sample, ask: Asker, asking: Asking, answer_tokens: int) -> list[Response]:
    """Asks the history's questions one after the other, each after the model's own answers so far, then the target's.

    A turn whose prompt and answer exceed the window is over_window; after it, and after a turn without a text, nothing more is asked.

    Args:
        sample: `messages` asks the first question alone, `later_prompts` are the others and, last, the target's.
        answer_tokens: limit of an answer within the history.
    """
    prompts = [sample.condition["first_prompt"], *sample.later_prompts]
    told: list[Item] = []
    responses: list[Response] = []
    for turn, prompt in enumerate(prompts):
        if responses and not responses[-1].text:
            responses.append(not_asked(responses[-1], turn))
            continue
        if responses:
            told.append(Item("", prompts[turn - 1], (str(responses[-1].text),)))
        made = messages(told, Item("", prompt, ("",)), asking)
        limit = sample.max_output_tokens if turn == len(prompts) - 1 else answer_tokens
        tokens = ask.tokenizer.count_chat(made)
        if tokens + limit > ask.window:
            responses.append(Response(sample.sample_id, turn, "over_window", built_tokens=tokens))
        else:
            responses.append(await ask(made, turn, prompt_tokens=tokens, max_output_tokens=limit))
    return responses


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
