"""What will be asked, before anything is: each task's own conversations, held with answers of the expected length.

So an arm in steps, a chat of many turns, or a window that is cut count as what they are, whatever task they are of; nobody else needs to know
how a task asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain, zip_longest
from random import Random

from contextrot.records import Response, Sample
from contextrot.responses.cost import Call, CostEstimate, estimate_calls
from contextrot.responses.expected_output import ExpectedOutput
from contextrot.responses.store import request_key
from contextrot.samples.sample_table import SampleTable, column
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings
from contextrot.task import Asker, Request, Task

STAND_IN = "The keeper wrote down what the tide had brought that day, and went up the stairs to light the lamp."


def holds_conversations(task: Task, samples: Sequence[Sample]) -> bool:
    """Whether the requests of samples are known only by holding their conversations, for which prompts must be read."""
    return type(task).converse is not Task.converse or any(column(samples, "later_prompts"))


def estimate_experiment(
    model_name: str,
    experiment: str,
    task: Task,
    model: ModelSettings,
    samples: Sequence[Sample],
    expected: ExpectedOutput | None = None,
    shared: Mapping[str, tuple[int, int]] | None = None,
    by_batch: bool = False,
) -> CostEstimate:
    """The estimate for the answers themselves.

    Args:
        samples: those that do not fit the window cost nothing; with their prompts where conversations are held.
        expected: what answers are expected to be, instead of their limits.
        shared: sample_id -> tokens of its first prompt that a prompt cache gives and takes.
        by_batch: whether they are asked in batches.
    """
    longest = most_calls(task, samples, model, shared)
    calls = expected_calls(task, samples, model, expected.of, shared) if expected else longest
    return estimate_calls(model_name, experiment, None, model, calls, expected, by_batch, longest)


def most_calls(
    task: Task, samples: Sequence[Sample], model: ModelSettings, shared: Mapping[str, tuple[int, int]] | None = None
) -> list[Call]:
    """What samples can take at most, however long the answers are.

    Long answers make long prompts, short ones leave room for more turns: a request that only short answers leave room for may fill the window.
    """
    if not holds_conversations(task, samples):
        return _plain_calls(samples, model, shared or {})
    long = Rehearsal(task, model, None, shared or {}).hold(samples)
    short = Rehearsal(task, model, lambda limit: 1, shared or {}).hold(samples)
    found = []
    for sample_id, of_long in long.items():
        for at_limit, at_once in zip_longest(of_long, short[sample_id]):
            whole = at_limit or replace(at_once, prompt_tokens=model.window + model.reasoning_tokens - at_once.output_limit)
            found.append(replace(whole, prompt_tokens=max(whole.prompt_tokens, at_once.prompt_tokens if at_once else 0)))
    return found


def expected_calls(
    task: Task,
    samples: Sequence[Sample],
    model: ModelSettings,
    tokens_of: Callable[[int], float],
    shared: Mapping[str, tuple[int, int]] | None = None,
) -> list[Call]:
    """The requests that samples will take, each once, as the request store has them; samples that do not fit take none.

    Args:
        samples: with their prompts where conversations are held.
        tokens_of: the expected tokens of an answer with a limit.
        shared: sample_id -> tokens of its first prompt that a prompt cache gives and takes.
    """
    if not holds_conversations(task, samples):
        return _plain_calls(samples, model, shared or {})
    return list(chain.from_iterable(Rehearsal(task, model, tokens_of, shared or {}).hold(samples).values()))


def _plain_calls(samples: Sequence[Sample], model: ModelSettings, shared: Mapping[str, tuple[int, int]]) -> list[Call]:
    light = samples.without_messages() if isinstance(samples, SampleTable) else samples
    sent, room = [sample for sample in light if sample.fits_window], model.reasoning_tokens
    return [Call(s.prompt_tokens or 0, s.max_output_tokens + room, *shared.get(s.sample_id, ())) for s in sent]


class Rehearsal:
    """Holds a task's conversations with stand-in answers.

    Args:
        tokens_of: the expected tokens of an answer with a limit; without it answers reach their limits.
        shared: sample_id -> tokens of its first prompt that a prompt cache gives and takes.
    """

    def __init__(
        self,
        task: Task,
        model: ModelSettings,
        tokens_of: Callable[[int], float] | None,
        shared: Mapping[str, tuple[int, int]],
    ) -> None:
        self.task, self.model, self.shared = task, model, shared
        self._asked: set[str] = set()
        self._tokens_of = tokens_of

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""
        return tokenizer_of(self.model)

    def hold(self, samples: Iterable[Sample]) -> dict[str, list[Call]]:
        """What is asked for each sample that fits, by its id, if it was not asked for one before."""
        return asyncio.run(self._hold(samples))

    async def _hold(self, samples: Iterable[Sample]) -> dict[str, list[Call]]:
        found = {}
        for sample in samples:
            if sample.fits_window:
                ask = _Asker(self, sample)
                await self.task.converse(sample, ask)
                found[sample.sample_id] = ask.calls
        return found

    def is_new(self, key: str) -> bool:
        """Whether a request is asked for the first time."""
        new = key not in self._asked
        self._asked.add(key)
        return new

    def answer_to(self, key: str, limit: int) -> tuple[str, int]:
        """A text as long as the answer is expected to be, another for each request, and its tokens; thoughts are not part of it."""
        most = limit + self.model.reasoning_tokens
        tokens = limit if self._tokens_of is None else min(limit, max(1, round(self._tokens_of(most))))
        return stand_in(self.tokenizer, tokens, key), tokens


class _Asker(Asker):
    def __init__(self, rehearsal: Rehearsal, sample: Sample) -> None:
        super().__init__(sample, rehearsal.model.window)
        self._rehearsal, self._first = rehearsal, True
        self.calls: list[Call] = []

    @property
    def tokenizer(self) -> Tokenizer:
        return self._rehearsal.tokenizer

    async def answer(self, request: Request) -> Response:
        tokens, limit = request.prompt_tokens, request.max_output_tokens
        if tokens is None:
            tokens = self.tokenizer.count_chat(request.messages)
        if tokens + limit > self.window:
            return Response(self.sample.sample_id, request.turn, "over_window", built_tokens=tokens)
        options = {**self._rehearsal.task.request_options(self.sample), **request.options}
        key = request_key({"messages": request.messages, "limit": limit, "options": options, "repeat": request.repeat})
        read_written = self._rehearsal.shared.get(self.sample.sample_id, ()) if self._first else ()
        if self._rehearsal.is_new(key):
            self.calls.append(Call(tokens, limit + self._rehearsal.model.reasoning_tokens, *read_written))
        self._first = False
        text, answered = self._rehearsal.answer_to(key, limit)
        return Response(
            self.sample.sample_id, request.turn, "answered", text, prompt_tokens=tokens, completion_tokens=answered, attempts=1
        )

    async def reset(self) -> None:
        """There is no engine."""


def stand_in(tokenizer: Tokenizer, tokens: int, name: str = "") -> str:
    """A text of so many tokens; each name has its own."""
    words = STAND_IN.split()
    Random(name).shuffle(words)
    return tokenizer.decode(tokenizer.encode(" ".join(words * (1 + tokens // len(words))))[:tokens])
