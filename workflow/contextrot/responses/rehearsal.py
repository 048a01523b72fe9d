"""What will be asked, before anything is: each task's own conversations, held with answers of the expected length.

So an arm in steps, a chat of many turns, or a window that is cut count as what they are, whatever task they are of; nobody else needs to know
how a task asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from contextrot.records import Response, Sample
from contextrot.responses.store import request_key
from contextrot.samples.sample_table import SampleTable, column
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings
from contextrot.task import Asker, Request, Task

STAND_IN = "The keeper wrote down what the tide had brought that day, and went up the stairs to light the lamp."


@dataclass(frozen=True)
class Call:
    """One request as it is expected: its prompt, and the most that its answer can be, thoughts included.

    Attributes:
        read_tokens, written_tokens: of the prompt's, those that a prompt cache gives and takes.
    """

    prompt_tokens: int
    output_limit: int
    read_tokens: int = 0
    written_tokens: int = 0


def holds_conversations(task: Task, samples: Sequence[Sample]) -> bool:
    """Whether the requests of samples are known only by holding their conversations, for which prompts must be read."""
    return type(task).converse is not Task.converse or any(column(samples, "later_prompts"))


def expected_calls(
    task: Task,
    samples: Sequence[Sample],
    model: ModelSettings,
    tokens_of: Callable[[int], float] | None = None,
    shared: Mapping[str, tuple[int, int]] | None = None,
) -> list[Call]:
    """The requests that samples will take, each once, as the request store has them; samples that do not fit take none.

    Args:
        samples: with their prompts where conversations are held.
        tokens_of: the expected tokens of an answer with a limit; without it answers reach their limits.
        shared: sample_id -> tokens of its first prompt that a prompt cache gives and takes.
    """
    known, room = shared or {}, model.reasoning_tokens
    if not holds_conversations(task, samples):
        light = samples.without_messages() if isinstance(samples, SampleTable) else samples
        sent = [sample for sample in light if sample.fits_window]
        return [Call(s.prompt_tokens or 0, s.max_output_tokens + room, *known.get(s.sample_id, ())) for s in sent]
    rehearsal = Rehearsal(task, model, tokens_of, known)
    for sample in samples:
        if sample.fits_window:
            rehearsal.hold(sample)
    return list(rehearsal.calls.values())


class Rehearsal:
    """Holds a task's conversations with stand-in answers, and keeps in `calls` what was asked."""

    def __init__(
        self,
        task: Task,
        model: ModelSettings,
        tokens_of: Callable[[int], float] | None,
        shared: Mapping[str, tuple[int, int]],
    ) -> None:
        self.task, self.model, self.shared = task, model, shared
        self.calls: dict[str, Call] = {}
        self._tokens_of = tokens_of

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""
        return tokenizer_of(self.model)

    def hold(self, sample: Sample) -> list[Response]:
        """One sample's conversation."""
        return asyncio.run(self.task.converse(sample, _Asker(self, sample)))

    def answer_to(self, key: str, limit: int) -> tuple[str, int]:
        """A text as long as the answer is expected to be, another for each request, and its tokens; thoughts are not part of it."""
        most = limit + self.model.reasoning_tokens
        tokens = limit if self._tokens_of is None else min(limit, max(1, round(self._tokens_of(most))))
        return stand_in(self.tokenizer, tokens, key), tokens


class _Asker(Asker):
    def __init__(self, rehearsal: Rehearsal, sample: Sample) -> None:
        super().__init__(sample, rehearsal.model.window)
        self._rehearsal, self._first = rehearsal, True

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
        self._rehearsal.calls.setdefault(key, Call(tokens, limit + self._rehearsal.model.reasoning_tokens, *read_written))
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
