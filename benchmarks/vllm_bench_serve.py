"""Our open loop against `vllm bench serve`: TTFT, TPOT and throughput of the same prompts, on one vLLM server, taking turns.

Both send the same prompts at the same times: those at which vLLM's benchmark, at the asked rate and seed, has sent them in a first run that
is not counted. Before each run the prefix cache is emptied; who is first alternates.

    python benchmarks/vllm_bench_serve.py [--turns 5] [--requests 100] [--rate 4] [--dry]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import served
from record import record

from contextrot import engines
from contextrot.engines import Endpoint
from contextrot.records import Sample
from contextrot.serving.load import LoadGenerator
from contextrot.serving.measure import mode_settings
from contextrot.serving.timings import Turn, all_answered
from contextrot.settings import ModelSettings
from contextrot.tasks.serving.task import Serving, ServingParameters

SEED = 1
PARSED = (
    "import argparse; from vllm.benchmarks.serve import *; p = argparse.ArgumentParser(); add_cli_args(p); main(p.parse_args())"
)
UNITS = {"ttft": "s", "tpot": "s", "output throughput": "tokens/s"}


def vllm_run(model: ModelSettings, endpoint: Endpoint, samples: Sequence[Sample], rate: float, folder: Path) -> dict[str, Any]:
    """The result of `vllm bench serve`, with its lists of single requests."""
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt": one.messages[0]["content"]}) + "\n" for one in samples))
    options = {
        "backend": "openai-chat",
        "base-url": (endpoint.base_url or "").removesuffix("/v1"),
        "endpoint": "/v1/chat/completions",
        "model": endpoint.model,
        "tokenizer": model.name,
        "dataset-name": "custom",
        "dataset-path": str(prompts),
        "custom-output-len": str(samples[0].max_output_tokens),
        "num-prompts": str(len(samples)),
        "request-rate": str(rate),
        "seed": str(SEED),
        "temperature": "0",
        "ready-check-timeout-sec": "0",
        "result-dir": str(folder),
        "result-filename": "result.json",
    }
    flags = ["skip-chat-template", "disable-shuffle", "ignore-eos", "disable-tqdm", "save-result", "save-detailed"]
    command = [*(f"--{name}={value}" for name, value in options.items()), *(f"--{flag}" for flag in flags)]
    interpreter, environment = engines.of(model).own_benchmark(model)
    done = subprocess.run(
        [interpreter, "-c", PARSED, *command], capture_output=True, text=True, env={**os.environ, **environment}
    )
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())
    if result["completed"] != len(samples):
        raise SystemExit(f"vLLM's benchmark completed {result['completed']} of {len(samples)} requests: {result['errors']}")
    return result


def figures(result: dict[str, Any]) -> dict[str, float]:
    """What is compared, of vLLM's result: medians in seconds, tokens a second."""
    return {
        "ttft": result["median_ttft_ms"] / 1000,
        "tpot": result["median_tpot_ms"] / 1000,
        "output throughput": result["output_throughput"],
    }


def our_run(model: ModelSettings, endpoint: Endpoint, samples: Sequence[Sample], due: Sequence[float]) -> dict[str, float]:
    """The same of our load generator."""
    with LoadGenerator(endpoint, model.timeout_seconds) as load:
        sessions = [[Turn(sample, at)] for sample, at in zip(samples, due, strict=True)]
        answers, seconds = load.play(sessions, {"temperature": 0, "ignore_eos": True})
    timings = all_answered(answers)
    return {
        "ttft": statistics.median(timing.ttft_seconds for timing in timings),
        "tpot": statistics.median(timing.tpot_seconds or 0.0 for timing in timings),
        "output throughput": sum(timing.completion_tokens or 0 for timing in timings) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--rate", type=float, default=4.0)
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--dry", action="store_true")
    asked = parser.parse_args()
    model = mode_settings(served.model_settings("embedded-vllm", 8), "aggregated", None)
    task = Serving(
        ServingParameters(
            lengths=[asked.length], rates=[asked.rate], requests=asked.requests, repeats=1, output_tokens=32, warmup_requests=0
        )
    )
    samples = served.build(task, model)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, engines.serve(model, Path(name) / "engine.log") as endpoint:
        folder = Path(name)
        starts = vllm_run(model, endpoint, samples, asked.rate, folder)["start_times"]
        due = [start - min(starts) for start in starts]
        turns = [
            (ours, lambda: our_run(model, endpoint, samples, due)),
            (theirs, lambda: figures(vllm_run(model, endpoint, samples, asked.rate, folder))),
        ]
        for number in range(asked.turns):
            for found, run in reversed(turns) if number % 2 else turns:
                endpoint.reset()
                found.append(run())
                print("ours" if found is ours else "vllm", found[-1], flush=True)
        versions = {name: value for name, value in endpoint.details["versions"].items() if name.startswith("vllm")}
    for name, unit in UNITS.items():
        one, two = [run[name] for run in ours], [run[name] for run in theirs]
        what = f"{asked.requests} prompts of {asked.length} tokens, {asked.rate:g} a second: {name}"
        if asked.dry:
            print(what, statistics.median(one), statistics.median(two), statistics.median(one) / statistics.median(two))
        else:
            record("vllm_bench_serve", what, one, "vllm bench serve", two, ["aiohttp"], unit, versions)


if __name__ == "__main__":
    main()
