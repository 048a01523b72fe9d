"""What a load is made of, and what its requests measured; see serving.load for the definitions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from contextrot.errors import RequestError
from contextrot.records import Sample


@dataclass
class Timing:
    """What one request measured.

    Attributes:
        sample_id: which prompt.
        start: seconds of the monotonic clock when it was sent, or due.
        late_seconds: how much later than due it was sent.
        ttft_seconds: from sending to the first token.
        end_to_end_seconds: from sending to the last token.
        itl_seconds: between chunks; a chunk may hold several tokens.
        prompt_tokens, completion_tokens, cached_tokens: the server's counts; None where it gives none.
        text: the answer, what was thought before it included.
        said: the answer without what was thought, as the next prompt of its session has it before it.
    """

    sample_id: str
    start: float
    ttft_seconds: float
    end_to_end_seconds: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    text: str
    finish_reason: str | None = None
    itl_seconds: list[float] = field(default_factory=list)
    late_seconds: float = 0.0
    said: str = ""

    @property
    def tpot_seconds(self) -> float | None:
        """Time per output token after the first; None for an answer of one token, that came in one piece, or of unknown length."""
        if self.completion_tokens is None or self.completion_tokens < 2 or self.end_to_end_seconds <= self.ttft_seconds:
            return None
        return (self.end_to_end_seconds - self.ttft_seconds) / (self.completion_tokens - 1)

    def counted_from(self, due: float) -> Timing:
        """The same with latencies from the time that it was due, so that waiting before it was sent is not left out."""
        late = self.start - due
        return replace(
            self,
            start=due,
            late_seconds=late,
            ttft_seconds=self.ttft_seconds + late,
            end_to_end_seconds=self.end_to_end_seconds + late,
        )


@dataclass
class FailedRequest:
    """A request without a whole answer.

    Attributes:
        start: seconds of the monotonic clock when it was sent, or would have been.
        message: what went wrong.
        outcome: `failed`; `over_window` for a turn that was not sent because the chat before it fills the window.
        status: of HTTP, where the server answered with an error.
    """

    sample_id: str
    start: float
    message: str
    outcome: str = "failed"
    status: int | None = None


Answer = Timing | FailedRequest


@dataclass(frozen=True)
class Turn:
    """One request of a session.

    Attributes:
        sample: what is sent; for a turn that `grows` what is put behind the chat so far.
        due_seconds: from the beginning of the load; None for one that comes when the one before is answered and thought about.
        think_seconds: from the answer before.
        grows: whether the session's earlier prompts and answers stand before it.
    """

    sample: Sample
    due_seconds: float | None = None
    think_seconds: float = 0.0
    grows: bool = False


def all_answered(answers: Sequence[Answer]) -> list[Timing]:
    """The timings of requests of which none may fail.

    Raises:
        RequestError: if one did.
    """
    for answer in answers:
        if isinstance(answer, FailedRequest):
            raise RequestError(f"a request of the measurement failed ({answer.message}). Run again.")
    return [answer for answer in answers if isinstance(answer, Timing)]
