"""Timings that a formula makes, to test the pipeline without an engine. Not a measurement; see `rates` of engines.Engine.

One prompt is prefilled at a time, at the first rate; every answer under way gets the second.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contextrot import engines
from contextrot.serving.timings import Timing

if TYPE_CHECKING:
    from contextrot.records import Sample
    from contextrot.settings import ModelSettings


def simulated_load(
    model: ModelSettings, samples: Sequence[Sample], concurrency: int, due_seconds: Sequence[float] | None = None
) -> tuple[list[Timing], float]:
    """A timing per sample and the seconds of all, as the load generator would measure them.

    Args:
        due_seconds: when each is sent, whatever `concurrency` says; a closed loop without it.

    Raises:
        EngineError: unless the environment allows simulation.
    """
    engine = engines.of(model)
    engine.check(model)
    prompt_rate, answer_rate = engine.rates(model)
    token_seconds = 1 / answer_rate
    ends = [0.0] * concurrency
    free, timings = 0.0, []
    for index, sample in enumerate(samples):
        start = heapq.heappop(ends) if due_seconds is None else due_seconds[index]
        free = max(start, free) + sample.prompt_tokens / prompt_rate
        end = free + (sample.max_output_tokens - 1) * token_seconds
        heapq.heappush(ends, end)  # of an open loop: all ends
        timings.append(
            Timing(
                sample_id=sample.sample_id,
                start=start,
                ttft_seconds=free - start,
                end_to_end_seconds=end - start,
                prompt_tokens=sample.prompt_tokens,
                completion_tokens=sample.max_output_tokens,
                cached_tokens=0,
                text="SIMULATED",
                finish_reason="length",
                itl_seconds=[token_seconds] * (sample.max_output_tokens - 1),
            )
        )
    return timings, max(ends)
