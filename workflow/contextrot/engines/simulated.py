"""Engine `simulated`: answers drawn from a known rot curve, to test the pipeline and its statistics. Not a model.

It runs only where the environment says `CONTEXT_RESEARCH_ALLOW_SIMULATED_BACKEND=1`, and every row and figure that comes of it
says SIMULATED. A gold answer is given with probability

    floor + (top - floor) / (1 + 2^(slope x (log2 tokens - log2 half)))      with slope in doublings of the odds per doubling of the length

so `half_length_tokens` is where the curve is half-way between `top` and `floor`. There is no server: answers are drawn in
the job itself, each from a stream of its own (seed, sample, turn), so that they depend on nothing else; nothing is kept in the
request store. Seconds are computed from the rates in the options, not waited for.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from contextrot.checked import validate
from contextrot.engines import Engine
from contextrot.errors import EngineError
from contextrot.randomness import generator_for
from contextrot.records import Response, Sample, over_window
from contextrot.samples.tokenizers import Tokenizer, tokenizer_of
from contextrot.settings import ModelSettings, Section
from contextrot.task import Asker, Request, Task

VARIABLE = "CONTEXT_RESEARCH_ALLOW_SIMULATED_BACKEND"
WRONG_ANSWER = "I could not find that."


class Options(Section):
    """`engine_options` of engine `simulated`."""

    top: float = Field(1.0, ge=0, le=1)
    """Probability of a right answer at very short lengths."""
    floor: float = Field(0.0, ge=0, le=1)
    """Probability of a right answer at very long lengths."""
    half_length_tokens: float = Field(8192, gt=0)
    """Prompt length where the probability is half-way between `top` and `floor`, tokens."""
    slope: float = Field(2.0, ge=0)
    """How steeply it falls: by how many doublings the odds fall for each doubling of the length."""
    seed: int = Field(0, ge=0)
    """Another seed gives other answers from the same curve."""
    prefill_tokens_per_second: float = Field(20_000, gt=0)
    """Makes the simulated time to the first token."""
    decode_tokens_per_second: float = Field(100, gt=0)
    """Makes the simulated time of the tokens after the first."""


def check_allowed(model: ModelSettings) -> None:
    """Raises EngineError unless the environment allows simulated answers."""
    if os.environ.get(VARIABLE) != "1":
        raise EngineError(
            f"model {model.name!r} has engine 'simulated': its answers are drawn from a curve, not given by a model. "
            f"For a test of the pipeline set {VARIABLE}=1; otherwise choose another engine: vllm, transformers or external."
        )


def rates(model: ModelSettings) -> tuple[float, float]:
    """Prompt tokens and answer tokens a second.

    Raises:
        ConfigError: for an option that is unknown or out of its range.
    """
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'simulated'")
    return options.prefill_tokens_per_second, options.decode_tokens_per_second


def right_probability(options: Options, prompt_tokens: float) -> float:
    """The known curve: probability of a right answer at a prompt length."""
    exponent = options.slope * (math.log2(prompt_tokens) - math.log2(options.half_length_tokens))
    return options.floor + (options.top - options.floor) / (1 + 2.0 ** min(exponent, 1000))


def true_length(options: Options, probability: float) -> float | None:
    """Where the curve has a probability, tokens; None if it never has."""
    if not options.floor < probability < options.top or options.slope == 0:
        return None
    odds = (options.top - options.floor) / (probability - options.floor) - 1
    return options.half_length_tokens * odds ** (1 / options.slope)


class SimulatedAsker(Asker):
    """One sample's line to the curve."""

    def __init__(self, sample: Sample, model: ModelSettings, options: Options, tokenizer: Tokenizer, usage: Any) -> None:
        super().__init__(sample, model.window)
        self._model, self._options, self._usage, self.tokenizer = model, options, usage, tokenizer

    async def answer(self, request: Request) -> Response:
        sample, limit, prompt_tokens = self.sample, request.max_output_tokens, request.prompt_tokens
        if prompt_tokens is None:
            prompt_tokens = self.tokenizer.count_chat(request.messages)
        rng = generator_for(self._options.seed, "simulated", sample.sample_id, request.turn, request.repeat)
        right = rng.random(len(sample.references)) < right_probability(self._options, prompt_tokens)
        given = [reference for reference, is_right in zip(sample.references, right, strict=True) if is_right]
        ids = self.tokenizer.encode("\n".join(given) or WRONG_ANSWER)
        text = self.tokenizer.decode(ids[:limit])
        first, last = self._seconds(rng, prompt_tokens, len(ids[:limit]))
        response = Response(
            sample.sample_id,
            request.turn,
            "truncated" if len(ids) > limit else "answered",
            text=text,
            finish_reason="length" if len(ids) > limit else "stop",
            prompt_tokens=prompt_tokens,
            completion_tokens=len(ids[:limit]),
            first_token_seconds=first,
            total_seconds=last,
            attempts=1,
            cost_usd=0.0,
            engine="simulated",
            model=f"SIMULATED {self._model.name}",
        )
        self._usage.record(f"{sample.sample_id} {request.turn} {request.repeat}", response)
        return response

    def _seconds(self, rng: np.random.Generator, prompt_tokens: int, completion_tokens: int) -> tuple[float, float]:
        """Simulated seconds to the first token and in all, each spread by a tenth."""
        prefill, decode = rng.lognormal(0, 0.1, 2)
        first = prefill * prompt_tokens / self._options.prefill_tokens_per_second
        return first, first + decode * max(completion_tokens - 1, 0) / self._options.decode_tokens_per_second

    async def reset(self) -> None:
        """Nothing to reset."""


def answers(samples: Sequence[Sample], task: Task, model: ModelSettings, data: Path, usage: Any) -> dict[str, list[Response]]:
    """The simulated responses of samples, by sample id; multi-turn tasks converse as with a model.

    Args:
        usage: counts every answer (usage.Ledger.record).

    Raises:
        ConfigError: for an option that is unknown or out of its range.
        EngineError: if the environment does not allow simulation.
    """
    check_allowed(model)
    options: Options = validate(Options, model.engine_options, "engine_options of engine 'simulated'")
    tokenizer = tokenizer_of(model)

    async def converse(sample: Sample) -> list[Response]:
        if not sample.fits_window:
            return over_window(sample, model.engine, model.name)
        return await task.converse(sample, SimulatedAsker(sample, model, options, tokenizer, usage))

    async def converse_all() -> dict[str, list[Response]]:
        return {sample.sample_id: await converse(sample) for sample in samples}

    return asyncio.run(converse_all())


ENGINE = Engine(
    Options,
    answers=answers,
    check=check_allowed,
    rates=rates,
    note="SIMULATED: answers drawn from a known curve, not from a model",
)
