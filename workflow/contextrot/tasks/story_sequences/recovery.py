"""Asking again when a long conversation brings no answer: the engine's state is reset in between, every attempt is recorded.

Faults of the wire (refused connections, rate limits, a server that died) are `client`'s; what reaches here is an answer
that is empty or tiny, or a request that failed after all of the client's own attempts.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from contextrot.records import Response


def has_answer(response: Response, minimum_characters: int = 1) -> bool:
    """Whether there is a text to go on with: answered or truncated, and not shorter than asked."""
    return response.outcome in ("answered", "truncated") and len((response.text or "").strip()) >= minimum_characters


async def ask_until_answered(
    ask: Callable[[int], Awaitable[Response]],
    reset: Callable[[], Awaitable[None]],
    *,
    retries: int = 2,
    minimum_characters: int = 10,
) -> tuple[Response, list[dict[str, Any]]]:
    """The first attempt that brought an answer, else the last one.

    Refusals and prompts over the window are not asked again: they would end the same way.

    Args:
        ask: asks for the answer; its argument is the number of the attempt, from 0, so that each can be stored apart.
        reset: clears the engine's state; expected to do nothing after an answer from the request store.
        retries: attempts after the first.
        minimum_characters: a shorter answer is no answer; its outcome becomes `empty` (its text is kept).

    Returns:
        The response, its `attempts` and cost those of all attempts together, and one row an attempt.
    """
    rows: list[dict[str, Any]] = []
    requests, costs = 0, []
    for attempt in range(retries + 1):
        response = await ask(attempt)
        requests += response.attempts
        costs += [response.cost_usd] if response.cost_usd is not None else []
        if response.outcome == "answered" and not has_answer(response, minimum_characters):
            response.outcome = "empty"
        again = (
            attempt < retries
            and response.outcome in ("empty", "failed", "truncated")
            and not has_answer(response, minimum_characters)
        )
        rows.append(
            {
                "outcome": response.outcome,
                "characters": len((response.text or "").strip()),
                "completion_tokens": response.completion_tokens,
                "requests": response.attempts,
                "error_type": response.error_type,
                "reset_after": again,
            }
        )
        if not again:
            break
        await reset()
    response.attempts = requests
    response.cost_usd = sum(costs) if costs else None
    return response, rows
