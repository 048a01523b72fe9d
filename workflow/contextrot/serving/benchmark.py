"""The client of vLLM's own serving benchmark on the same server with the same prompts, against ours."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot import engines
from contextrot.errors import ConfigError, EngineError
from contextrot.records import Sample
from contextrot.serving.load import run_load
from contextrot.serving.timings import Timing

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings

SCRIPT = Path(__file__).parent / "vllm_side" / "serving_benchmark.py"
MEASURES = ("ttft_seconds", "tpot_seconds", "end_to_end_seconds")
TOLERANCE_PERCENT = 10.0


def cross_check(
    endpoint: Endpoint, model: ModelSettings, samples: Sequence[Sample], options: dict[str, Any], log_path: Path
) -> dict[str, Any]:
    """Medians of TTFT, TPOT and end-to-end latency by our client and by that of vLLM's benchmark, one request at a time.

    Both send every prompt, each from an empty cache, and take turns in who is first: a machine whose speed changes favours neither.
    The first prompt is sent once before by both, for the connections and imports, and not counted.

    Raises:
        ConfigError: for an engine without a benchmark of its own.
        EngineError: if vLLM's client fails.
    """
    if engines.of(model).own_benchmark is None:
        known = engines.that(lambda engine: engine.own_benchmark)
        raise ConfigError(
            f"`cross_check` needs engine {known} (with a benchmark of its own), but this model has {model.engine!r}."
        )
    ours: list[Timing] = []
    theirs: list[Timing] = []
    with vllm_client(endpoint, model, options, log_path.with_name(f"{log_path.stem}-benchmark.log")) as ask_theirs:

        def ask_ours(sample: Sample) -> Timing:
            return run_load(endpoint, [sample], 1, options, model.timeout_seconds)[0][0]

        ask_ours(samples[0]), ask_theirs(samples[0])
        for number, sample in enumerate(samples):
            turns = [(ask_ours, ours), (ask_theirs, theirs)]
            for ask, timings in reversed(turns) if number % 2 else turns:
                endpoint.reset()
                timings.append(ask(sample))
    return compare(ours, theirs)


def compare(ours: Sequence[Timing], theirs: Sequence[Timing]) -> dict[str, Any]:
    """Medians of both clients and their difference in percent of vLLM's."""
    entries: dict[str, Any] = {}
    for name in MEASURES:
        values = [[v for timing in timings if (v := getattr(timing, name)) is not None] for timings in (ours, theirs)]
        if not all(values):
            continue
        one, two = (float(np.median(v)) for v in values)
        entries[name] = {
            "ours_median": one,
            "vllm_median": two,
            "difference_percent": 100 * (one - two) / two,
            "n_ours": len(values[0]),
            "n_vllm": len(values[1]),
        }
    within = all(abs(entry["difference_percent"]) <= TOLERANCE_PERCENT for entry in entries.values())
    return {"measures": entries, "tolerance_percent": TOLERANCE_PERCENT, "within_tolerance": within}


@contextmanager
def vllm_client(
    endpoint: Endpoint, model: ModelSettings, options: dict[str, Any], log_path: Path
) -> Iterator[Callable[[Sample], Timing]]:
    """The client of vLLM's benchmark in a process of its own; gives a function that sends one sample and measures it.

    Raises:
        EngineError: if it ends, or a request of it fails.
    """
    interpreter, environment = engines.of(model).own_benchmark(model)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            [interpreter, str(SCRIPT), str(model.timeout_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **environment},
        ) as client,
    ):

        def ask(sample: Sample) -> Timing:
            request = {
                "prompt": sample.messages[-1]["content"],
                "api_url": f"{endpoint.base_url}/chat/completions",
                "prompt_len": sample.prompt_tokens,
                "output_len": sample.max_output_tokens,
                "model": endpoint.model,
                "extra_body": {**endpoint.extra_body, **options},
            }
            with suppress(BrokenPipeError):
                client.stdin.write(json.dumps(request) + "\n")
                client.stdin.flush()
            line = next((line for line in client.stdout if line.startswith("TIMES ")), None)
            if line is None:
                raise EngineError(f"the client of vLLM's benchmark ended (exit status {client.wait()}); its log is {log_path}.")
            found = json.loads(line.removeprefix("TIMES "))
            if not found["success"]:
                endpoint.alive()
                raise EngineError(f"a request of vLLM's benchmark failed: {found['error'].strip()[-500:]}")
            times = found["ttft"], found["latency"], sample.prompt_tokens, found["output_tokens"]
            return Timing(sample.sample_id, 0.0, *times, cached_tokens=None, text="")

        try:
            yield ask
        finally:
            with suppress(BrokenPipeError):  # what it did not live to read
                client.stdin.close()
            client.kill()
