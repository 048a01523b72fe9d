"""The outcome of a reply, with its answer and its reasoning."""

from __future__ import annotations

from contextrot.wire import ends
from contextrot.wire.reply import Reply
from contextrot.wire.reply_form import whole_characters
from contextrot.wire.thoughts import Thoughts


def classify(reply: Reply, thoughts: Thoughts = Thoughts()) -> tuple[str, str | None, str | None]:  # noqa: B008 (immutable)
    """Outcome, answer and reasoning of a reply; thoughts that a server leaves in the text are taken out of it."""
    outcome = ends.outcome_of_end(reply.finish_reason)
    cut = outcome == "truncated" and not reply.reasoning_tokens
    text, reasoning = thoughts.split(whole_characters(reply.text), whole_characters(reply.reasoning), cut)
    text, thought = text if text.strip() else "", reasoning or None
    if reply.refusal or outcome == "refused":
        return "refused", reply.refusal or text or None, thought
    if outcome != "answered":
        return outcome, text or None, thought
    return ("answered", text, thought) if text else ("empty", None, thought)
