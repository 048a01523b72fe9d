"""What a server answered, checked at the door: whatever is odd but readable is read, whatever is not is a Malformed of that one request.

Nothing passes that cannot be written later: counts are whole, not negative and fit 64 bits, texts hold whole characters, log-probabilities are plain.
A count that a server does not give, or that cannot be one, is None.

Sources of the shapes that are read: OpenAI "chat completion chunk object"; content and thoughts in parts: Mistral "Reasoning" (`thinking` parts), Anthropic
content blocks; thoughts: DeepSeek and vLLM `reasoning_content`, vLLM and Groq `reasoning`, OpenRouter `reasoning_details`; counts: Anthropic `usage` (its
`input_tokens` leaves out what was read from or written to the cache), DeepSeek `prompt_cache_hit_tokens`, Moonshot `cached_tokens`, Google `usageMetadata`, Groq
`x_groq`, Ollama `prompt_eval_count`, llama.cpp `timings`; `provider` of OpenRouter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from contextrot import ends, faults, meaning

LARGEST_COUNT = 10**10
LARGEST_TEXT_CHARACTERS = 2**25
MOST_LOGPROBS = 2**20
LOWEST_LOGPROB = -9999.0
_THOUGHT_TYPES = (
    "thinking",
    "reasoning",
    "reasoning.text",
    "reasoning.summary",
    "thought",
    "redacted_thinking",
    "reasoning.encrypted",
)
_DEEPEST = 8


def whole_characters(text: str) -> str:
    """A text whose characters a server's stream cut in two, put together; a half that stays alone becomes the replacement character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def count_of(value: Any) -> int | None:
    """A number of tokens, also one written as a float or as digits; None for what cannot be one."""
    if type(value) is not int:
        digits = isinstance(value, str) and len(value) <= 20 and value.strip().isascii() and value.strip().isdigit()
        if not digits and not (isinstance(value, float) and value.is_integer()):
            return None
        value = int(value)
    return value if 0 <= value <= LARGEST_COUNT else None


def _plain_text(value: Any, depth: int = 0) -> str:
    """All text of a value: itself, or that of its parts.

    Raises:
        ValueError: if it is neither text nor made of parts.
    """
    if value is None or isinstance(value, str):
        return value or ""
    if depth < _DEEPEST:
        if isinstance(value, list):
            return "".join([_plain_text(part, depth + 1) for part in value])
        if isinstance(value, dict):
            names = ("text", "content", "thinking", "reasoning", "summary")
            return next((_plain_text(value[name], depth + 1) for name in names if value.get(name)), "")
    raise ValueError("neither text nor a list of parts")


def _text_and_thought(value: Any) -> tuple[str, str]:
    """Text and thought of a `content`: text alone, or parts that say what they are."""
    if value is None or isinstance(value, str):
        return value or "", ""
    parts = [value] if isinstance(value, dict) else value
    if not isinstance(parts, list):
        raise ValueError("content is neither text nor a list of parts")
    text, thought = [], []
    for part in parts:
        thinks = isinstance(part, dict) and (part.get("type") in _THOUGHT_TYPES or ("thinking" in part and "text" not in part))
        (thought if thinks else text).append(_plain_text(part))
    return "".join(text), "".join(thought)


def _name(value: Any) -> str | None:
    """A short name, such as a model's; None for anything else."""
    return whole_characters(value.strip()[:200]) or None if isinstance(value, str) else None


def _end(value: Any) -> str | None:
    """The end as text; some servers send an empty one, or the word null, until there is one."""
    if value is None or value is False or (isinstance(value, str) and value.strip() in ("", "null", "None")):
        return None
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason") or value  # SGLang: {"type": "stop", "matched": ...}
    return whole_characters(str(value).strip()[: ends.LONGEST_NAME])


def _logprobs(value: Any) -> list[dict[str, Any]]:
    """Log-probabilities of tokens in OpenAI's form, plain; what is in another form is left out."""
    content = value.get("content") if isinstance(value, dict) else None
    return [plain for token in (content if isinstance(content, list) else [])[:MOST_LOGPROBS] if (plain := _logprob(token))]


def _logprob(token: Any, alternatives: bool = True) -> dict[str, Any] | None:
    if not isinstance(token, dict) or not isinstance(token.get("token"), str):
        return None
    value = token.get("logprob")
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= 1e300
    value = float(value) if number else LOWEST_LOGPROB if isinstance(value, float) and value == -math.inf else None
    plain: dict[str, Any] = {"token": whole_characters(token["token"]), "logprob": value}
    octets = token.get("bytes")
    if isinstance(octets, list) and all(type(octet) is int and 0 <= octet < 256 for octet in octets):
        plain["bytes"] = octets
    if alternatives and isinstance(token.get("top_logprobs"), list):
        plain["top_logprobs"] = [top for other in token["top_logprobs"] if (top := _logprob(other, alternatives=False))]
    return plain


def _object_or_none(value: Any) -> Any:
    """An object; what a server says where it has none (null, "", []) is None."""
    return value or None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    """Choices: none, one, or a list with gaps."""
    return [choice for choice in (value if isinstance(value, list) else [value]) if choice not in (None, {}, [], "")]


Content = Annotated[tuple[str, str], BeforeValidator(_text_and_thought)]
Text = Annotated[str, BeforeValidator(_plain_text)]
Name = Annotated[str | None, BeforeValidator(_name)]
Plain = Annotated[dict[str, Any], BeforeValidator(_mapping)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Lenient):
    """A `delta`, or a whole `message`."""

    content: Content = ("", "")
    reasoning_content: Text = ""
    reasoning: Text = ""
    reasoning_details: Text = ""
    refusal: Text = ""
    tool_calls: Any = None
    function_call: Any = None

    @property
    def thought(self) -> str:
        """The thought; servers that have several fields for it repeat themselves."""
        return self.reasoning_content or self.reasoning or self.reasoning_details or self.content[1]


class Choice(_Lenient):
    """One of `choices`."""

    delta: Annotated[Part | None, BeforeValidator(_object_or_none)] = None
    message: Annotated[Part | None, BeforeValidator(_object_or_none)] = None
    text: Text = ""
    finish_reason: Annotated[str | None, BeforeValidator(_end)] = None
    index: Any = 0
    logprobs: Annotated[list[dict[str, Any]], BeforeValidator(_logprobs)] = []


class Chunk(_Lenient):
    """A chunk of a stream, or a whole answer."""

    model: Name = None
    provider: Name = None
    choices: Annotated[list[Choice], BeforeValidator(_listed)] = []
    usage: Plain = {}
    usageMetadata: Plain = {}
    x_groq: Plain = {}
    timings: Plain = {}


@dataclass
class Reply:
    """What a server answered; token counts are its own, None where it gave none.

    Attributes:
        text, reasoning, refusal: whole only after `finish`.
        finish_reason: as the server gave it.
        model: as the server names it.
        upstream: who answered behind a router, where it tells.
        prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens: the server's counts.
        first_token_seconds: until the first text, thought, refusal or tool call; None for an answer in one piece.
        logprobs: of each token, in OpenAI's form.
        any_choice: whether there was a choice at all.
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
    reasoning_tokens: int | None = None
    first_token_seconds: float | None = None
    total_seconds: float = 0.0
    logprobs: list[Any] = field(default_factory=list)
    any_choice: bool = False

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
            raise meaning.failure_of(None, error, sent=sent)
        try:
            chunk = Chunk.model_validate(values)
        except (ValidationError, RecursionError) as failure:
            what = failure.errors(include_url=False, include_input=False)[:3] if isinstance(failure, ValidationError) else failure
            raise faults.Malformed(f"the answer cannot be read: {what}", 200) from None
        self.model, self.upstream = chunk.model or self.model, chunk.provider or self.upstream
        self._count(chunk, values)
        brought = False
        for choice in chunk.choices:
            if choice.index in (0, None, "0") or len(chunk.choices) == 1:
                brought = self._choose(choice) or brought
        if brought and self.first_token_seconds is None:
            self.first_token_seconds = seconds
        if (
            len(self.text) + len(self.reasoning) + len(self.refusal) > LARGEST_TEXT_CHARACTERS
            or len(self.logprobs) > MOST_LOGPROBS
        ):
            raise faults.Malformed(f"the answer is longer than {LARGEST_TEXT_CHARACTERS} characters", 200)
        return brought

    def _choose(self, choice: Choice) -> bool:
        self.any_choice = True
        self.finish_reason = choice.finish_reason or self.finish_reason
        self.logprobs += choice.logprobs
        part = choice.delta or choice.message
        text, thought = (part.content[0] or choice.text, part.thought) if part else (choice.text, "")
        if choice.delta is None and choice.message is not None and self.text:
            self.text, text = "", text or self.text  # a stream that closes with the whole message (MiniMax) says it twice
            self.reasoning, thought = "", thought or self.reasoning
        self.text += text
        self.reasoning += thought
        if part:
            self.refusal += part.refusal
        return bool(text or thought or (part and (part.refusal or part.tool_calls or part.function_call)))

    def _count(self, chunk: Chunk, values: dict[str, Any]) -> None:
        """The counts, in whatever words; what a later chunk does not tell stays as an earlier one told it."""
        usage = chunk.usage or _mapping(chunk.x_groq.get("usage")) or chunk.usageMetadata
        if not usage:
            if chunk.timings:  # llama.cpp, if not asked for usage
                new, kept = count_of(chunk.timings.get("prompt_n")), count_of(chunk.timings.get("cache_n"))
                usage = {"completion_tokens": chunk.timings.get("predicted_n")}
                usage |= {"prompt_tokens": new + kept, "cached_tokens": kept} if new is not None and kept is not None else {}
            elif "prompt_eval_count" in values or "eval_count" in values:
                usage = values
            else:
                return
        prompt_details = _mapping(usage.get("prompt_tokens_details")) or _mapping(usage.get("input_tokens_details"))
        completion_details = _mapping(usage.get("completion_tokens_details")) or _mapping(usage.get("output_tokens_details"))

        def first(*counts: Any) -> int | None:
            return next((number for count in counts if (number := count_of(count)) is not None), None)

        prompt = first(usage.get("prompt_tokens"), usage.get("prompt_eval_count"), usage.get("promptTokenCount"))
        if prompt is None and (fresh := count_of(usage.get("input_tokens"))) is not None:
            beside = ("cache_read_input_tokens", "cache_creation_input_tokens")
            prompt = fresh + sum(count_of(usage.get(name)) or 0 for name in beside)
        completion = first(usage.get("completion_tokens"), usage.get("output_tokens"), usage.get("eval_count"))
        thoughts = first(
            completion_details.get("reasoning_tokens"), usage.get("reasoning_tokens"), usage.get("thoughtsTokenCount")
        )
        if completion is None and (candidates := count_of(usage.get("candidatesTokenCount"))) is not None:
            completion = candidates + (thoughts or 0)
        cached = first(
            prompt_details.get("cached_tokens"),
            usage.get("cached_tokens"),
            usage.get("prompt_cache_hit_tokens"),
            usage.get("cache_read_input_tokens"),
            usage.get("cachedContentTokenCount"),
        )
        self.prompt_tokens = prompt if prompt is not None else self.prompt_tokens
        self.completion_tokens = completion if completion is not None else self.completion_tokens
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
        return self
