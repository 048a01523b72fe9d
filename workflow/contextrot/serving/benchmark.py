"""vLLM's own serving benchmark on the same server with the same prompts, against our client."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.engines.vllm import Options, interpreter
from contextrot.errors import ConfigError, EngineError
from contextrot.records import Sample
from contextrot.serving.load import Timing, run_load
from contextrot.settings import validate

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings

SCRIPT = Path(__file__).parent / "vllm_side" / "serving_benchmark.py"
MEASURES = {"ttft": "ttft_seconds", "tpot": "tpot_seconds", "e2el": "end_to_end_seconds"}
TOLERANCE_PERCENT = 10.0


def cross_check(
    endpoint: Endpoint, model: ModelSettings, samples: Sequence[Sample], options: dict[str, Any], log_path: Path
) -> dict[str, Any]:
    """Medians of TTFT, TPOT and end-to-end latency by our client and by vLLM's benchmark, one request at a time.

    Each half of the prompts goes through both clients, from an empty cache each time, ours first for one half and last for
    the other, so that a machine that grows slower or faster favours neither.

    Raises:
        ConfigError: for another engine than vllm.
        EngineError: if the benchmark fails.
    """
    if model.engine != "vllm":
        raise ConfigError(f"`cross_check` needs engine 'vllm' (vLLM's own benchmark), but this model has {model.engine!r}.")
    halves = [samples[: len(samples) // 2], samples[len(samples) // 2 :]]
    ours: list[Timing] = []
    theirs: dict[str, list[float]] = {name: [] for name in MEASURES}

    def run_ours(half: Sequence[Sample]) -> None:
        endpoint.reset()
        ours.extend(run_load(endpoint, half, 1, options, model.timeout_seconds)[0])

    def run_theirs(half: Sequence[Sample]) -> None:
        endpoint.reset()
        found = run_vllm_benchmark(endpoint, model, half, options, log_path.with_name(f"{log_path.stem}-benchmark"))
        for name, values in found.items():
            theirs[name].extend(values)

    for half, order in zip(halves, ((run_ours, run_theirs), (run_theirs, run_ours)), strict=True):
        for run in order:
            run(half)
    return compare(ours, theirs)


def compare(ours: Sequence[Timing], theirs: dict[str, list[float]]) -> dict[str, Any]:
    """Medians of both clients and their difference in percent of vLLM's.

    Args:
        theirs: measure of vLLM's benchmark -> seconds of each request.
    """
    entries: dict[str, Any] = {}
    for name, field in MEASURES.items():
        mine = [value for timing in ours if (value := getattr(timing, field)) is not None]
        if not mine or not theirs[name]:
            continue
        one, two = float(np.median(mine)), float(np.median(theirs[name]))
        entries[field] = {
            "ours_median": one,
            "vllm_median": two,
            "difference_percent": 100 * (one - two) / two,
            "n_ours": len(mine),
            "n_vllm": len(theirs[name]),
        }
    within = all(abs(entry["difference_percent"]) <= TOLERANCE_PERCENT for entry in entries.values())
    return {"measures": entries, "tolerance_percent": TOLERANCE_PERCENT, "within_tolerance": within}


def run_vllm_benchmark(
    endpoint: Endpoint, model: ModelSettings, samples: Sequence[Sample], options: dict[str, Any], folder: Path
) -> dict[str, list[float]]:
    """Seconds of each request by vLLM's benchmark: TTFT, TPOT (answers of more than one token) and end-to-end latency.

    Raises:
        EngineError: if it does not finish, or a request of it failed.
    """
    engine: Options = validate(Options, model.engine_options, "engine_options of engine 'vllm'")
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    prompts, result, log = folder / "prompts.jsonl", folder / "result.json", folder / "benchmark.log"
    lines = [json.dumps({"prompt": s.messages[-1]["content"], "output_tokens": s.max_output_tokens}) for s in samples]
    prompts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    result.unlink(missing_ok=True)
    command = [
        interpreter(engine), str(SCRIPT), "--backend", "openai-chat", "--base-url", endpoint.base_url.removesuffix("/v1"),
        "--endpoint", "/v1/chat/completions", "--model", endpoint.model, "--tokenizer", model.tokenizer or model.name,
        "--dataset-name", "custom", "--dataset-path", str(prompts), "--skip-chat-template", "--disable-shuffle",
        "--custom-output-len", "-1", "--num-prompts", str(len(samples)), "--max-concurrency", "1", "--num-warmups", "0",
        "--ready-check-timeout-sec", "0", "--disable-tqdm", "--save-result", "--save-detailed",
        "--result-dir", str(folder), "--result-filename", result.name,
        "--percentile-metrics", "ttft,tpot,itl,e2el", "--extra-body", json.dumps({**endpoint.extra_body, **options}),
    ]  # fmt: skip
    with log.open("ab") as file:
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env={**os.environ, **engine.environment})
    if done.returncode or not result.exists():
        endpoint.alive()
        raise EngineError(f"vLLM's benchmark failed (exit status {done.returncode}); its log is {log}.")
    found = json.loads(result.read_text(encoding="utf-8"))
    if found.get("failed") or found["completed"] != len(samples):
        raise EngineError(f"vLLM's benchmark completed {found['completed']} of {len(samples)} requests; its log is {log}.")
    ttfts, gaps, lengths = found["ttfts"], found["itls"], found["output_lens"]
    decode = [sum(itl) for itl in gaps]
    return {
        "ttft": ttfts,
        "tpot": [seconds / (length - 1) for seconds, length in zip(decode, lengths, strict=True) if length > 1],
        "e2el": [first + rest for first, rest in zip(ttfts, decode, strict=True)],
    }
