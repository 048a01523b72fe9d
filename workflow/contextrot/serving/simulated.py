"""Timings that a formula makes, to test the pipeline without an engine. Not a measurement; see engines/simulated.py.

One prompt is prefilled at a time, at `prefill_tokens_per_second`; every answer under way gets `decode_tokens_per_second`.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contextrot.checked import validate
from contextrot.engines.simulated import Options, check_allowed
from contextrot.serving.load import Timing

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
    check_allowed(model)
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'simulated'")
    token_seconds = 1 / options.decode_tokens_per_second
    ends = [0.0] * concurrency
    free, timings = 0.0, []
    for index, sample in enumerate(samples):
        start = heapq.heappop(ends) if due_seconds is None else due_seconds[index]
        free = max(start, free) + sample.prompt_tokens / options.prefill_tokens_per_second
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
