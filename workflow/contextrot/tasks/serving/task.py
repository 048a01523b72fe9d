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

from contextrot.files.places import in_data_or_here
from contextrot.records import Response, Sample
from contextrot.samples.corpus import corpus_path, document_paths
from contextrot.task import Parameters, SampleContext, Task
from contextrot.tasks.serving.load_samples import Texts, of_group, samples_of_task, samples_of_trace, task_of
from contextrot.tasks.serving.trace import read_trace
from contextrot.tasks.serving.variants import Variant, variants

if TYPE_CHECKING:
    import pandas as pd


class ServingParameters(Parameters):
    """Parameters of task `serving`."""

    checked_later = frozenset({"task_parameters", "vary"})

    modes: list[Literal["aggregated", "disaggregated"]] = ["aggregated"]
    """One engine for prefill and decode, or one for each with the KV cache transferred (engine vllm only)."""
    vary: dict[str, list[Any]] = {}
    """Engine options, nested ones with dots, and the values that each is measured with, such as max_num_seqs: [8, 64]: a grid of servers in
    each mode, every one compared with the first in pairs of the same prompts."""
    lengths: list[Annotated[int, Field(gt=0)]] = [1_000, 4_000, 16_000]
    """Lengths of the rendered prompt, tokens."""
    concurrency: list[Annotated[int, Field(gt=0, le=100_000)]] = [1]
    """Requests under way at once: a closed loop, in which each request waits for an earlier one's end."""
    rates: list[Annotated[float, Field(gt=0, le=100_000)]] = []
    """Requests a second: an open loop instead, in which each is sent when it is due; latencies count from then."""
    burstiness: Annotated[float, Field(gt=0)] | Literal["constant"] = 1.0
    """Of an open loop's arrivals: 1 is a Poisson process, less is burstier, more is more even, `constant` always the same gap."""
    turns: int = Field(1, ge=1, le=1_000)
    """Requests of a session: each later one has the chat so far before it, answers included. `requests` and the load then count sessions."""
    turn_tokens: int = Field(64, ge=1)
    """Tokens that each later prompt of a session adds."""
    think_seconds: float = Field(0.0, ge=0)
    """Mean time from an answer to the session's next prompt, exponentially distributed."""
    task: str | None = None
    """Another task whose samples are sent, such as niah, instead of texts to go on with: quality, latency and cost then come from one run.
    Its samples with later prompts (story_sequences) are sessions. Answers are judged by the rules of judge `match`."""
    task_parameters: dict[str, Any] = {}
    """Parameters of that task; its lengths are `lengths`."""
    trace: str | None = None
    """A trace to replay, in the data folder or the working folder: Mooncake's or vLLM's JSONL, BurstGPT's CSV, or a CSV of time, input
    tokens, output tokens, session. Lengths, answers, sessions, shared beginnings and times are the trace's."""
    trace_speeds: list[Annotated[float, Field(gt=0, le=1_000_000)]] = [1.0]
    """How many times as fast a trace is replayed: 60 makes a minute of an hour. Sessions wait for their answers all the same."""
    trace_seconds: float | None = Field(None, gt=0)
    """Only so many seconds from the trace's beginning."""
    trace_block_tokens: int | None = Field(None, ge=1)
    """Tokens that one of the trace's hash ids stands for; the form's own without it (Mooncake 512, Bailian 16)."""
    trace_unit_seconds: float | None = Field(None, gt=0)
    """Seconds that one of the trace's times stands for; the form's own without it (0.001 with hash ids, else 1)."""
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
        variants(self.modes, self.vary)
        if self.trace and (self.task or self.rates or self.turns > 1 or self.find_rate or self.prefix == "shared"):
            raise ValueError("a `trace` says itself what comes when: leave out task, rates, turns, find_rate and prefix: shared")
        if self.task and (self.turns > 1 or self.prefix == "shared"):
            raise ValueError("a `task` has prompts of its own: leave out turns and prefix: shared")
        if self.task_parameters and not self.task:
            raise ValueError("`task_parameters` needs `task`")
        if self.task == "serving":
            raise ValueError("`task` is another task than serving, such as niah")
        if self.find_rate and self.prefix == "shared":
            raise ValueError("`find_rate` sends prompts that begin with nothing in common: leave out prefix: shared")
        if self.turns > 1 and (self.prefix == "shared" or self.find_rate):
            raise ValueError(
                "sessions (`turns`) share no prefix with others, and no rate is searched for them: leave out one of them"
            )
        if self.memory and self.lengths != sorted(self.lengths):
            raise ValueError("with `memory` the lengths must ascend, because a process seldom gives memory back")
        return self

    @property
    def variants(self) -> list[Variant]:
        """The servers that are measured, the one that others are compared with first."""
        return variants(self.modes, self.vary)

    @property
    def load_column(self) -> str:
        """The column that says how the engine is loaded."""
        return "speed" if self.trace else "rate" if self.rates else "concurrency"

    @property
    def limits(self) -> dict[str, float]:
        """Latency -> seconds that a good request may have."""
        names = {"ttft_seconds": "ttft", "tpot_seconds": "tpot", "end_to_end_seconds": "end_to_end"}
        given = {name: getattr(self, f"{short}_limit_seconds") for name, short in names.items()}
        return {name: limit for name, limit in given.items() if limit is not None}


class Serving(Task):
    """How fast is the engine, and what does a longer prompt cost?"""

    Parameters = ServingParameters
    version = 4
    judged = False
    measures = ["score"]
    length_column = None

    def __init__(self, parameters: ServingParameters) -> None:
        super().__init__(parameters)
        self.load_column = parameters.load_column

    def data_files(self, data: Path) -> list[Path]:
        p = self.parameters
        files = document_paths(corpus_path(p.topic, data))
        files += task_of(p, p.lengths[0]).data_files(data) if p.task else []
        return files + ([in_data_or_here(p.trace, data)] if p.trace else [])

    def samples(self, context: SampleContext) -> list[Sample]:
        p = self.parameters
        texts = Texts(context, p)
        samples = [texts.sample(("warmup", min(p.lengths), 1, 0), i) for i in range(p.warmup_requests)]
        if p.trace:
            path = in_data_or_here(p.trace, context.data)
            trace = read_trace(path, p.trace_block_tokens, p.trace_unit_seconds, p.trace_seconds)
            return samples + list(samples_of_trace(context, p, trace, texts))
        groups = [("measured", *key) for key in product(p.lengths, p.rates or p.concurrency, range(p.repeats))]
        count = lambda text: len(context.tokenizer.encode(text))  # noqa: E731
        asked = samples_of_task(context, p, p.lengths) if p.task else {}
        for group in groups:
            samples += (
                of_group(p, asked[group[1]], group, count) if p.task else [texts.sample(group, i) for i in range(p.requests)]
            )
        if p.cross_check:
            # of a middle length: of a short prompt's time much is the clients' own
            fitting = [n for n in sorted(p.lengths) if n + texts.output_tokens <= texts.window] or p.lengths
            middle = fitting[len(fitting) // 2]
            samples += [texts.sample(("cross_check", middle, 1, 0), i) for i in range(p.requests * 4)]
        return samples

    def request_options(self, sample: Sample) -> dict[str, Any]:
        """Sampling of every request: greedy, of a fixed length."""
        p = self.parameters
        options: dict[str, Any] = {"temperature": 0}
        if p.ignore_eos and not p.task:  # a task's answer ends where the model ends it
            options["ignore_eos"] = True
        if p.seed is not None:
            options["seed"] = p.seed
        return options

    def score(self, sample: Sample, response: Response, verdicts: list[bool | None]) -> dict[str, Any]:
        raise TypeError("task 'serving' is measured by rules/serving.smk, not scored")

    @property
    def several_concurrencies(self) -> bool:
        """Whether there is more than one number of requests at once."""
        return self.load_column == "concurrency" and len(self.parameters.concurrency) > 1

    @property
    def several_rates(self) -> bool:
        """Whether requests come at more than one rate."""
        return len(self.parameters.rates) > 1

    @property
    def asks_a_task(self) -> bool:
        """Whether the requests are another task's samples, so that answers have scores."""
        return self.parameters.task is not None

    @property
    def both_modes(self) -> bool:
        """Whether servers are compared."""
        return len(self.parameters.variants) > 1

    @property
    def memory_files(self) -> list[str]:
        """The files that hold memory; none if it is not measured."""
        return [f"{variant.name}/summary.json" for variant in self.parameters.variants] if self.parameters.memory else []

    def metrics(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Latencies over requests, rates over repeats, repeats as clusters; see summarize_requests."""
        from contextrot.tasks.serving.summary import summarize_requests

        return summarize_requests(scores, self.parameters.limits)
