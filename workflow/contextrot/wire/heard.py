"""What was heard of one answer while litellm read it, and what its bytes say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from contextrot.wire.event_stream import LARGEST_EVENT_BYTES, events_of
from contextrot.wire.faults import Failure
from contextrot.wire.meaning import error_in


@dataclass
class Heard:
    """What litellm was told while it read one answer, and does not pass on.

    Attributes:
        ends: raw ends, as it looked them up.
        upstream: who answered behind a router.
        error: an error's object.
        answer, content: of HTTP, the last one and its bytes, up to a few more than LARGEST_EVENT_BYTES.
    """

    ends: list[str] = field(default_factory=list)
    upstream: str | None = None
    error: dict[str, Any] | None = None
    answer: Any = None
    content: bytearray = field(default_factory=bytearray)

    def hear(self, answer: Any, data: bytes) -> None:
        """Takes in bytes of an HTTP answer; of several, the last is kept."""
        if self.answer is not answer:
            self.answer, self.content = answer, bytearray()
        if len(self.content) <= LARGEST_EVENT_BYTES:
            self.content += data

    def chunks(self) -> list[dict[str, Any]]:
        """The objects of the answer; none of one that holds something else, or more than is kept."""
        if len(self.content) > LARGEST_EVENT_BYTES:
            return []
        try:
            return [event.chunk for event in events_of(bytes(self.content)) if event.chunk is not None]
        except Failure:
            return []


def in_openais_form(chunks: list[dict[str, Any]]) -> bool:
    """Whether these are chunks or one answer as OpenAI sends them."""
    return any(isinstance(chunk.get("choices"), list) and chunk["choices"] for chunk in chunks)


def in_googles_form(chunks: list[dict[str, Any]]) -> bool:
    """Whether these are chunks or one answer as Gemini sends them."""
    return any("candidates" in chunk or "promptFeedback" in chunk for chunk in chunks)


def end_of_googles(chunks: list[dict[str, Any]]) -> str | None:
    """The last end that Gemini gave: of a candidate, or of a prompt that it blocked; None for an answer without one, which is cut."""
    end = None
    for chunk in chunks:
        feedback, candidates = chunk.get("promptFeedback"), chunk.get("candidates")
        if isinstance(feedback, dict) and feedback.get("blockReason"):
            end = "content_filter"
        for candidate in candidates if isinstance(candidates, list) else []:
            if isinstance(candidate, dict) and isinstance(candidate.get("finishReason"), str):
                end = candidate["finishReason"]
    return end


def end_of_coheres(chunks: list[dict[str, Any]]) -> str | None:
    """The end of one answer in Cohere's own form, of which litellm reports "stop" whatever it is; None for another form."""
    for chunk in chunks:
        message = chunk.get("message")
        if isinstance(chunk.get("finish_reason"), str) and isinstance(message, dict) and "content" in message:
            return chunk["finish_reason"]
    return None


def error_among(chunks: list[dict[str, Any]]) -> dict[str, Any] | str | None:
    """The error that one of the chunks is, as Google sends it in the middle of a stream."""
    return next((error for chunk in chunks if "error" in chunk and (error := error_in(chunk)) is not None), None)
