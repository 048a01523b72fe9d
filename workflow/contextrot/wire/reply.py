"""What a server answered, checked at the door: whatever is odd but readable is read, whatever is not is a Malformed of that one request.

Nothing passes that cannot be written later: counts are whole, not negative and fit 64 bits, texts hold whole characters, log-probabilities are plain.
A count that a server does not give, or that cannot be one, is None. The shapes that are read are in `reply_form`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from contextrot.wire import ends, faults, meaning
from contextrot.wire.reply_form import MOST_LOGPROBS, Choice, Chunk, count_of, mapping, whole_characters

LARGEST_TEXT_CHARACTERS = 2**25
MOST_ANSWERS = 128
MOST_BESIDE = 2**17
"""Tokens that a total may hold beside prompt and answer: as many as the longest thoughts."""
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def _plain_chunk(values: dict[str, Any]) -> tuple[str, str | None] | None:
    """Text and end of a chunk that holds nothing else, as nearly all do; None for one that the model must check."""
    choices = values.get("choices")
    if type(choices) is not list or len(choices) != 1 or values.get("usage") or values.get("timings") or values.get("provider"):
        return None
    choice, model = choices[0], values.get("model")
    if type(choice) is not dict or choice.get("logprobs") or choice.get("index") or choice.get("text") or choice.get("message"):
        return None
    if choice.get("usage") or choice.get("error"):
        return None
    part, end = choice.get("delta"), choice.get("finish_reason")
    if type(part) is not dict or not (end is None or end in ("stop", "length")):
        return None
    if not (model is None or (type(model) is str and model.isascii() and len(model) <= 200 and model == model.strip())):
        return None
    text = part.get("content")
    if not (text is None or type(text) is str) or any(part[name] for name in part if name not in ("content", "role")):
        return None
    return text or "", end


@dataclass
class Reply:
    """What a server answered; token counts are its own, None where it gave none.

    Attributes:
        text, reasoning, refusal: whole only after `finish`.
        finish_reason: as the server gave it.
        model: as the server names it.
        upstream: who answered behind a router, where it tells.
        prompt_tokens, completion_tokens, cached_tokens, cache_written_tokens, reasoning_tokens: the server's counts.
        first_token_seconds: until the first text, thought, refusal or tool call; None for an answer in one piece.
        logprobs: of each token, in OpenAI's form.
        any_choice: whether there was a choice at all.
        answers: how many choices there were, though one was asked for; the others may be billed as well.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    finish_reason: str | None = None
    model: str | None = None
    upstream: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    cache_written_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_token_seconds: float | None = None
    total_seconds: float = 0.0
    logprobs: list[Any] = field(default_factory=list)
    any_choice: bool = False
    answers: int = 1
    _indices: set[int | None] = field(default_factory=set, init=False, repr=False, compare=False)
    _followed: int | None = field(default=None, init=False, repr=False, compare=False)

    def add(self, values: dict[str, Any], seconds: float, event: str = "", sent: meaning.Sent | None = None) -> bool:
        """Takes in one chunk of a stream, or a whole answer.

        Args:
            values: its JSON.
            seconds: since the request was sent.
            event: the name of a stream's event.
            sent: what was asked, for what an error in the chunk means.

        Returns:
            Whether it brought anything of the answer: text, thought, refusal or a tool call.

        Raises:
            Failure: what an error in it means; Malformed if it cannot be read.
        """
        if (error := meaning.error_in(values, event)) is not None:
            raise self._failure(error, values, sent)
        if not self._followed and (plain := _plain_chunk(values)) is not None:
            text, end = plain
            self.any_choice, self._followed = True, 0
            self.model = values.get("model") or self.model
            self.text += text
            if end:
                self._end(end)
            if text and self.first_token_seconds is None:
                self.first_token_seconds = seconds
            self._bound()
            return bool(text)
        try:
            chunk = Chunk.model_validate(values)
        except (ValidationError, RecursionError) as failure:
            what = failure.errors(include_url=False, include_input=False)[:3] if isinstance(failure, ValidationError) else failure
            raise faults.Malformed(f"the answer cannot be read: {what}", 200) from None
        self.model, self.upstream = chunk.model or self.model, chunk.provider or self.upstream
        self._count(chunk, values)
        brought = False
        if (choice := self._of_the_answer(chunk.choices)) is not None:
            if choice.error and not isinstance(choice.error, bool):
                raise self._failure(choice.error if isinstance(choice.error, dict) else str(choice.error), values, sent)
            brought = self._choose(choice)
        if brought and self.first_token_seconds is None:
            self.first_token_seconds = seconds
        self._bound()
        return brought

    @property
    def begun(self) -> bool:
        """Whether anything of an answer came, or was counted: whatever follows, it may be billed."""
        return bool(self.text or self.reasoning or self.refusal or self.prompt_tokens or self.completion_tokens)

    def _failure(self, error: dict[str, Any] | str, values: dict[str, Any], sent: meaning.Sent | None) -> faults.Failure:
        """What an error inside of an answer means."""
        failure = meaning.failure_of(None, error, sent=sent)
        failure.billed = failure.billed or self.begun or meaning.counts_tokens(values)
        return failure

    def _bound(self) -> None:
        if (
            len(self.text) + len(self.reasoning) + len(self.refusal) > LARGEST_TEXT_CHARACTERS
            or len(self.logprobs) > MOST_LOGPROBS
        ):
            raise faults.Malformed(f"the answer is longer than {LARGEST_TEXT_CHARACTERS} characters", 200)

    def _of_the_answer(self, choices: list[Choice]) -> Choice | None:
        """The choice of a chunk that goes on with the answer: the one with the index that the answer began with, 0 where there is one.

        A server that was asked for one answer and gives several is read as one of them, never as a mixture.
        """
        found: dict[int | None, Choice] = {}
        for choice in choices:
            found.setdefault(count_of(choice.index) or 0, choice)
        if found and len(self._indices) < MOST_ANSWERS:
            self._indices |= {*found, *([] if self._followed is None else [self._followed])}
            self.answers = max(self.answers, len(self._indices), min(len(choices), MOST_ANSWERS))
        if self._followed is None and found:
            self._followed = 0 if 0 in found else next(iter(found))
        return found.get(self._followed)

    def _end(self, end: str | None) -> None:
        """Takes in an end; one that says that the answer is not whole is not taken back by a later `stop`, as gateways append it."""
        told = self.finish_reason and ends.outcome_of_end(self.finish_reason)
        if end and not (told in (ends.TRUNCATED, ends.REFUSED, ends.FAULT) and ends.outcome_of_end(end) == ends.ANSWERED):
            self.finish_reason = end

    def _choose(self, choice: Choice) -> bool:
        self.any_choice = True
        self._end(choice.finish_reason)
        part = choice.delta or choice.message
        text, thought = (part.content[0] or choice.text, part.thought) if part else (choice.text, "")
        refusal, logprobs = (part.refusal or part.content[2]) if part else "", choice.logprobs
        brought = bool(text or thought or refusal or (part and (part.tool_calls or part.function_call)))
        if choice.delta is None and choice.message is not None and (self.text or self.reasoning or self.refusal):
            self.text, text = "", text or self.text  # a stream that closes with the whole message (MiniMax) says it twice
            self.reasoning, thought = "", thought or self.reasoning
            self.refusal, refusal = "", refusal or self.refusal
            self.logprobs, logprobs = [], logprobs or self.logprobs
        self.text += text
        self.reasoning += thought
        self.refusal += refusal
        self.logprobs += logprobs
        return brought

    def _count(self, chunk: Chunk, values: dict[str, Any]) -> None:
        """The counts, in whatever words; what a later chunk does not tell, or tells as 0, stays as an earlier one told it, and no answer shrinks."""
        usage = chunk.usage or mapping(chunk.x_groq.get("usage")) or chunk.usageMetadata
        usage = usage or next((choice.usage for choice in chunk.choices if choice.usage), {})
        if not usage:
            if chunk.timings:  # llama.cpp, if not asked for usage
                new, kept = count_of(chunk.timings.get("prompt_n")), count_of(chunk.timings.get("cache_n"))
                usage = {"completion_tokens": chunk.timings.get("predicted_n")}
                usage |= {"prompt_tokens": new + kept, "cached_tokens": kept} if new is not None and kept is not None else {}
            elif "prompt_eval_count" in values or "eval_count" in values:
                usage = values
            else:
                return
        usage = {_CAMEL.sub("_", name).lower(): value for name, value in usage.items()}
        prompt_details = mapping(usage.get("prompt_tokens_details")) or mapping(usage.get("input_tokens_details"))
        completion_details = mapping(usage.get("completion_tokens_details")) or mapping(usage.get("output_tokens_details"))

        def first(*counts: Any) -> int | None:
            return next((number for count in counts if (number := count_of(count)) is not None), None)

        prompt = first(usage.get("prompt_tokens"), usage.get("prompt_eval_count"), usage.get("prompt_token_count"))
        created = mapping(usage.get("cache_creation"))  # Anthropic: by how long it is kept
        written = first(
            usage.get("cache_creation_input_tokens"),
            sum(count_of(value) or 0 for value in created.values()) if created else None,
        )
        beside = (written or 0) + (count_of(usage.get("cache_read_input_tokens")) or 0)
        if prompt is None and (fresh := count_of(usage.get("input_tokens"))) is not None:
            prompt = fresh + beside
        completion = first(usage.get("completion_tokens"), usage.get("output_tokens"), usage.get("eval_count"))
        thoughts = first(
            completion_details.get("reasoning_tokens"), usage.get("reasoning_tokens"), usage.get("thoughts_token_count")
        )
        if completion is None and (candidates := count_of(usage.get("candidates_token_count"))) is not None:
            completion = candidates + (thoughts or 0)
        total = count_of(usage.get("total_tokens"))
        if total is not None and prompt and completion is not None and 0 < (more := total - prompt - completion) <= MOST_BESIDE:
            if more == beside:
                prompt += more
            else:  # xAI, Gemini: thoughts are counted beside the answer; whatever else it is, it is billed as that at most
                completion += more
        cached = first(
            prompt_details.get("cached_tokens"),
            usage.get("cached_tokens"),
            usage.get("prompt_cache_hit_tokens"),
            usage.get("cache_read_input_tokens"),
            usage.get("cached_content_token_count"),
        )
        written = first(
            written,
            prompt_details.get("cache_creation_tokens"),
            prompt_details.get("cache_write_tokens"),
        )
        self.cache_written_tokens = self.cache_written_tokens if written is None else written
        self.prompt_tokens = prompt or self.prompt_tokens
        self.completion_tokens = completion if self.completion_tokens is None else max(completion or 0, self.completion_tokens)
        self.cached_tokens = cached if cached is not None else self.cached_tokens
        self.reasoning_tokens = thoughts if thoughts is not None else self.reasoning_tokens

    def finish(self, status: int | None = 200) -> Reply:
        """The whole reply, once nothing more comes.

        A count of 0 for a prompt, or for an answer that has a text, is none. Without an end a reply is cut, also if `[DONE]` came and also if it has a text:
        nothing says that the text is whole, and asking again is the one thing that tells.

        Raises:
            NoChoices, CutStream, ServerFault: if it is no whole answer.
        """
        if not self.any_choice:
            raise faults.NoChoices("the answer holds no choices", status)
        if self.finish_reason is None:
            raise faults.CutStream("the answer ended without a finish reason", status)
        if ends.outcome_of_end(self.finish_reason) == ends.FAULT:
            raise faults.ServerFault(f"the server gave up (finish reason {self.finish_reason!r})", status)
        self.text, self.reasoning = whole_characters(self.text), whole_characters(self.reasoning)
        self.refusal = whole_characters(self.refusal)
        self.prompt_tokens = self.prompt_tokens or None
        if not self.completion_tokens and (self.text or self.reasoning or self.refusal):
            self.completion_tokens = None
        if self.cached_tokens is not None and self.prompt_tokens is not None and self.cached_tokens > self.prompt_tokens:
            self.cached_tokens = None
        if self.prompt_tokens is not None and (self.cache_written_tokens or 0) > self.prompt_tokens:
            self.cache_written_tokens = None
        return self
