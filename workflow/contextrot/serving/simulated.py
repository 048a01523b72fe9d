"""Timings that a formula makes, to test the pipeline without an engine. Not a measurement; see `rates` of engines.Engine.

One prompt is prefilled at a time, at the first rate; every answer under way gets the second.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contextrot import engines
from contextrot.serving.timings import Timing, Turn

if TYPE_CHECKING:
    from contextrot.settings import ModelSettings


def simulated_load(
    model: ModelSettings, sessions: Sequence[Sequence[Turn]], at_once: int | None = None
) -> tuple[list[Timing], float]:
    """A timing for each turn, sessions in order, and the seconds of all, as the load generator would measure them.

    Args:
        at_once: how many sessions may be under way; each begins when it is due without it.

    Raises:
        EngineError: unless the environment allows simulation.
    """
    engine = engines.of(model)
    engine.check(model)
    prompt_rate, answer_rate = engine.rates(model)
    timings: list[list[Timing]] = [[] for _ in sessions]
    begin = at_once or len(sessions)
    ready = [(sessions[index][0].due_seconds or 0.0, index) for index in range(min(begin, len(sessions)))]
    heapq.heapify(ready)
    free = last = 0.0
    while ready:
        start, index = heapq.heappop(ready)
        turns, done = sessions[index], timings[index]
        timing = _timing(turns[len(done)], done, max(start, free) - start, start, (prompt_rate, answer_rate))
        done.append(timing)
        free = start + timing.ttft_seconds
        end = start + timing.end_to_end_seconds
        last = max(last, end)
        if len(done) < len(turns):
            following = turns[len(done)]
            heapq.heappush(ready, (max(end + following.think_seconds, following.due_seconds or 0.0), index))
        elif begin < len(sessions):
            heapq.heappush(ready, (max(end, sessions[begin][0].due_seconds or 0.0), begin))
            begin += 1
    return [timing for group in timings for timing in group], last


def _timing(turn: Turn, before: Sequence[Timing], waited: float, start: float, rates: tuple[float, float]) -> Timing:
    """One request's, after so many seconds in the queue."""
    said = (before[-1].prompt_tokens or 0) + (before[-1].completion_tokens or 0) if turn.grows and before else 0
    prompt, answer = said + (turn.sample.prompt_tokens or 0), turn.sample.max_output_tokens
    first = waited + prompt / rates[0]
    return Timing(
        sample_id=turn.sample.sample_id,
        start=start,
        ttft_seconds=first,
        end_to_end_seconds=first + (answer - 1) / rates[1],
        prompt_tokens=prompt,
        completion_tokens=answer,
        cached_tokens=0,
        text="SIMULATED",
        finish_reason="length",
        itl_seconds=[1 / rates[1]] * (answer - 1),
    )
