"""The form of a reply, as pydantic models: whatever is odd but readable is read, whatever is not is a validation error.

Sources of the shapes that are read: OpenAI "chat completion chunk object", and its content parts of type `refusal`; content and thoughts in parts: Mistral "Reasoning" (`thinking` parts), Anthropic
content blocks; thoughts: DeepSeek and vLLM `reasoning_content`, vLLM and Groq `reasoning`, OpenRouter `reasoning_details`, LiteLLM's proxy `thinking_blocks`, Copilot
`reasoning_text`; errors of one choice: OpenRouter `error`, SGLang's `abort` with a message; counts: Moonshot's `usage` of a choice, Bedrock's in camel case, Anthropic `usage` (its
`input_tokens` leaves out what was read from or written to the cache), DeepSeek `prompt_cache_hit_tokens`, Moonshot `cached_tokens`, Google `usageMetadata`, Groq
`x_groq`, Ollama `prompt_eval_count`, llama.cpp `timings`; `provider` of OpenRouter.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from contextrot.wire import ends

LARGEST_COUNT = 10**10
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


def _thought(value: Any) -> str:
    """The text of a field that some servers use for thoughts, and others for something else."""
    try:
        return _plain_text(value)
    except ValueError:
        return ""


def _text_thought_refusal(value: Any) -> tuple[str, str, str]:
    """Text, thought and refusal of a `content`: text alone, or parts that say what they are."""
    if value is None or isinstance(value, str):
        return value or "", "", ""
    parts = [value] if isinstance(value, dict) else value
    if not isinstance(parts, list):
        raise ValueError("content is neither text nor a list of parts")
    text, thought, refusal = [], [], []
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "refusal":
            refusal.append(_plain_text(part.get("refusal")))
            continue
        thinks = isinstance(part, dict) and (part.get("type") in _THOUGHT_TYPES or ("thinking" in part and "text" not in part))
        (thought if thinks else text).append(_plain_text(part))
    return "".join(text), "".join(thought), "".join(refusal)


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


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    """Choices: none, one, or a list with gaps."""
    return [choice for choice in (value if isinstance(value, list) else [value]) if choice not in (None, {}, [], "")]


Content = Annotated[tuple[str, str, str], BeforeValidator(_text_thought_refusal)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is False else _plain_text(value))]
Thought = Annotated[str, BeforeValidator(_thought)]
Name = Annotated[str | None, BeforeValidator(_name)]
Plain = Annotated[dict[str, Any], BeforeValidator(mapping)]


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Part(_Lenient):
    """A `delta`, or a whole `message`."""

    content: Content = ("", "", "")
    reasoning_content: Text = ""
    reasoning: Text = ""
    reasoning_details: Text = ""
    thinking: Thought = ""
    thinking_blocks: Thought = ""
    reasoning_text: Thought = ""
    refusal: Text = ""
    tool_calls: Any = None
    function_call: Any = None

    @property
    def thought(self) -> str:
        """The thought; servers that have several fields for it repeat themselves."""
        named = self.reasoning_content or self.reasoning or self.reasoning_details or self.content[1]
        return named or self.thinking or self.thinking_blocks or self.reasoning_text


class Choice(_Lenient):
    """One of `choices`."""

    delta: Annotated[Part | None, BeforeValidator(_object_or_none)] = None
    message: Annotated[Part | None, BeforeValidator(_object_or_none)] = None
    text: Text = ""
    finish_reason: Annotated[str | None, BeforeValidator(_end)] = None
    index: Any = 0
    error: Any = None
    usage: Plain = {}
    logprobs: Annotated[list[dict[str, Any]], BeforeValidator(_logprobs)] = []

    @model_validator(mode="before")
    @classmethod
    def _error_in_end(cls, values: Any) -> Any:
        """SGLang says within the end why it gave up."""
        end = values.get("finish_reason") if isinstance(values, dict) else None
        return {**values, "error": end} if isinstance(end, dict) and end.get("message") else values


class Chunk(_Lenient):
    """A chunk of a stream, or a whole answer."""

    model: Name = None
    provider: Name = None
    choices: Annotated[list[Choice], BeforeValidator(_listed)] = []
    usage: Plain = {}
    usageMetadata: Plain = {}
    x_groq: Plain = {}
    timings: Plain = {}
