"""Text 84706fba:

Running a Village Library Our library occupies what used to be the infants' schoolroom, so that the coat hooks are at the height [...]

Go on with the text.
-> Golden my butcherer had been, and at the dinner with one,    (the embedded model, 16 tokens)

Latency, throughput, goodput and memory of the engine itself, by prompt length and load, aggregated or disaggregated.

Source of the definitions (TTFT, TPOT, ITL, end-to-end latency, goodput): vLLM's serving benchmark, `vllm bench serve`.
The prompts go to the engine once for each mode, and are the same in all of them; see contextrot/serving.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from contextrot.errors import ConfigError
from contextrot.records import Response, Sample
from contextrot.samples import prompts
from contextrot.samples.corpus import corpus_path, document_paths, read_documents
from contextrot.samples.haystack import SentencePool
from contextrot.task import Parameters, SampleContext, Task

if TYPE_CHECKING:
    import pandas as pd


class ServingParameters(Parameters):
    """Parameters of task `serving`."""

    modes: list[Literal["aggregated", "disaggregated"]] = ["aggregated"]
    """One engine for prefill and decode, or one for each with the KV cache transferred (engine vllm only)."""
    lengths: list[Annotated[int, Field(gt=0)]] = [1_000, 4_000, 16_000]
    """Lengths of the rendered prompt, tokens."""
    concurrency: list[Annotated[int, Field(gt=0, le=100_000)]] = [1]
    """Requests under way at once: a closed loop, in which each request waits for an earlier one's end."""
    rates: list[Annotated[float, Field(gt=0, le=100_000)]] = []
    """Requests a second: an open loop instead, in which each is sent when it is due; latencies count from then."""
    burstiness: float = Field(1.0, gt=0)
    """Of an open loop's arrivals: 1 is a Poisson process, less is burstier, `.inf` an even gap."""
    find_rate: bool = False
    """Whether the highest rate is searched at which the share `find_rate_quantile` of the requests keeps the limits."""
    find_rate_quantile: float = Field(0.95, gt=0, lt=1)
    """See `find_rate`."""
    find_rate_requests: int = Field(200, ge=20, le=100_000)
    """Requests of the first measurement at a rate; undecided rates get up to eight times as many."""
    requests: int = Field(8, ge=1, le=10_000)
    """Requests of each length and load, per repeat."""
    repeats: int = Field(3, ge=1, le=1_000)
    """Times that each length and load is measured, with other prompts; rates are averaged over them."""
    warmup_requests: int = Field(2, ge=0, le=10_000)
    """Requests before the first measured one, which count nowhere."""
    output_tokens: int = Field(64, ge=1)
    """Tokens of each answer; with `ignore_eos` exactly so many."""
    ignore_eos: bool = True
    """The answer goes on after its end token (vLLM only), so that all answers are equally long."""
    prefix: Literal["unique", "shared"] = "unique"
    """`unique`: no two prompts start the same, so the prefix cache cannot help; `shared`: a group's prompts differ at the end only."""
    salt: str | None = Field(None, min_length=1, max_length=64)
    """Makes the codes at the beginning of prompts; new in every run without it, so that no server has seen a prompt before. A run's salt
    stands in its summary.json: give it to send the same prompts again."""
    ttft_limit_seconds: float | None = Field(2.0, gt=0)
    """A request counts for the goodput if its first token came within this time."""
    tpot_limit_seconds: float | None = Field(0.1, gt=0)
    """A request counts for the goodput if its time per output token was at most this."""
    end_to_end_limit_seconds: float | None = Field(None, gt=0)
    """A request counts for the goodput if it was answered whole within this time."""
    parity_with: str | None = None
    """An experiment whose samples are answered greedily in each mode, and the texts compared."""
    cross_check: bool = False
    """Whether the client of vLLM's own benchmark measures the same server with the same prompts, of the middle length."""
    memory: bool = False
    """Whether memory is sampled while requests run (lengths ascending); reading it slows the engine a little."""
    yarn_factor: float | None = Field(None, gt=1)
    """Stretches the model's window by YaRN (engine vllm only); lengths may go beyond the native window then."""
    smoke: bool = False
    """A small run of fixed prompts that shows that an engine serves at all; insists on a `seed`."""
    seed: int | None = Field(None, ge=0)
    """Seed of prompts and sampling; the config's own without it, but a smoke run must say it."""
    topic: Literal["essays", "science"] = "essays"
    """The corpus that prompts are made of."""

    @model_validator(mode="after")
    def _smoke_has_a_seed(self) -> ServingParameters:
        if self.smoke and self.seed is None:
            raise ValueError("a smoke run must be repeatable: give `seed`, such as seed: 0")
        if self.find_rate and not self.rates:
            raise ValueError("`find_rate` begins at the lowest of `rates`: give at least one")
        if self.find_rate and not self.limits:
            raise ValueError(
                "`find_rate` searches for the highest rate that keeps limits: give at least one, such as ttft_limit_seconds"
            )
        if self.memory and self.lengths != sorted(self.lengths):
            raise ValueError("with `memory` the lengths must ascend, because a process seldom gives memory back")
        return self

    @property
    def limits(self) -> dict[str, float]:
        """Latency -> seconds that a good request may have."""
        names = {"ttft_seconds": "ttft", "tpot_seconds": "tpot", "end_to_end_seconds": "end_to_end"}
        given = {name: getattr(self, f"{short}_limit_seconds") for name, short in names.items()}
        return {name: limit for name, limit in given.items() if limit is not None}


class Serving(Task):
    """How fast is the engine, and what does a longer prompt cost?"""

    Parameters = ServingParameters
    version = 3
    judged = False
    measures = ["score"]
    length_column = None

    def __init__(self, parameters: ServingParameters) -> None:
        super().__init__(parameters)
        self.load_column = "rate" if parameters.rates else "concurrency"

    def data_files(self, data: Path) -> list[Path]:
        return document_paths(corpus_path(self.parameters.topic, data))

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        pool = SentencePool(read_documents(corpus_path(p.topic, context.data)), context.tokenizer)
        window = int(context.window * (p.yarn_factor or 1))
        groups = [("measured", *key) for key in product(p.lengths, p.rates or p.concurrency, range(p.repeats))]
        samples = [self._sample(context, pool, window, "warmup", min(p.lengths), 1, 0, i) for i in range(p.warmup_requests)]
        for phase, length, load, repeat in groups:
            samples += [self._sample(context, pool, window, phase, length, load, repeat, i) for i in range(p.requests)]
        if p.cross_check:
            # of a middle length: of a short prompt's time much is the clients' own
            fitting = [n for n in sorted(p.lengths) if n + self._output_tokens(context) <= window] or p.lengths
            middle = fitting[len(fitting) // 2]
            samples += [self._sample(context, pool, window, "cross_check", middle, 1, 0, i) for i in range(p.requests * 4)]
        return samples

    def _output_tokens(self, context: SampleContext) -> int:
        return min(self.parameters.output_tokens, context.max_output_tokens)

    def _sample(
        self,
        context: SampleContext,
        pool: SentencePool,
        window: int,
        phase: str,
        length: int,
        load: float,
        repeat: int,
        index: int,
    ) -> Sample:
        p = self.parameters
        shown = f"{load:03d}" if isinstance(load, int) else f"{load:g}s"
        name = f"{phase}-{length:07d}-{shown}-{repeat}-{index:03d}"
        shared = p.prefix == "shared" and phase == "measured"
        group = (phase, length, load, repeat)
        rng = context.rng("serving", p.seed, p.topic, *group, *([] if shared else [index]))
        code = f"{rng.integers(16**8):08x}"
        order = pool.original_order(rng)
        template = prompts.SERVING_SHARED_PREFIX if shared else prompts.SERVING

        def messages(text: str) -> list[dict[str, str]]:
            return [{"role": "user", "content": template.format(code=code, text=text, index=index)}]

        output_tokens = self._output_tokens(context)
        haystack = None
        if length + output_tokens <= window:
            haystack = pool.compose(order, [], length, lambda text: context.tokenizer.count_chat(messages(text)))
            if haystack is None:
                raise ConfigError(f"length {length} is too short for a prompt of task 'serving'; ask for more tokens.")
        return Sample(
            sample_id=name,
            messages=messages(haystack.text) if haystack else [],
            references=[],
            max_output_tokens=output_tokens,
            target_tokens=length,
            prompt_tokens=haystack.prompt_tokens if haystack else None,
            fits_window=haystack is not None,
            condition={"phase": phase, "length": length, self.load_column: load, "repeat": repeat, "index": index},
        )

    def request_options(self, sample: Sample) -> dict[str, Any]:
        """Sampling of every request: greedy, of a fixed length."""
        p = self.parameters
        options: dict[str, Any] = {"temperature": 0}
        if p.ignore_eos:
            options["ignore_eos"] = True
        if p.seed is not None:
            options["seed"] = p.seed
        return options

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        raise TypeError("task 'serving' is measured by rules/serving.smk, not scored")

    @property
    def several_concurrencies(self) -> bool:
        """Whether there is more than one number of requests at once."""
        return not self.parameters.rates and len(self.parameters.concurrency) > 1

    @property
    def several_rates(self) -> bool:
        """Whether requests come at more than one rate."""
        return len(self.parameters.rates) > 1

    @property
    def both_modes(self) -> bool:
        """Whether the pair is measured beside the single engine."""
        return len(self.parameters.modes) > 1

    @property
    def memory_files(self) -> list[str]:
        """The files that hold memory; none if it is not measured."""
        return [f"{mode}/summary.json" for mode in self.parameters.modes] if self.parameters.memory else []

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Latencies over requests, rates over repeats, repeats as clusters; see summarize_requests."""
        from contextrot.tasks.serving.summary import summarize_requests

        return summarize_requests(scores, self.parameters.limits)
