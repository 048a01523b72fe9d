"""A run's requests in the form of vLLM's serving benchmark: one JSON line for each length, load and repeat, as `--append-result` writes them.

Source: vLLM 0.32, benchmarks/serve.py, with `--save-result --save-detailed`: times in milliseconds where a name ends in `_ms`, in seconds
where lists hold one value a request. What is not known is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.tasks.serving.summary import load_column

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = (50, 90, 95, 99)
NAMES = {"ttft_seconds": "ttft", "tpot_seconds": "tpot", "itl_seconds": "itl", "end_to_end_seconds": "e2el"}
MOMENTS: dict[str, Callable[[np.ndarray], Any]] = {"mean": np.mean, "median": np.median, "std": np.std}


def vllm_bench_lines(requests: pd.DataFrame, about: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """The lines of vllm_bench.jsonl.

    Args:
        requests: rows of one server; those that a cache held are not among them.
        about: model_id, tokenizer_id, date, burstiness.
        limits: latency -> seconds, for the goodput.
    """
    load = load_column(requests)
    cold = requests[~requests["warm"].eq(True) & requests["outcome"].isin(["answered", "failed"])]
    groups = cold.groupby(["length", load, "repeat"], sort=False)
    return "".join(json.dumps(_result(rows, key, load, about, limits)) + "\n" for key, rows in groups)


def _result(
    rows: pd.DataFrame, key: tuple[Any, ...], load: str, about: Mapping[str, Any], limits: Mapping[str, float]
) -> dict[str, Any]:
    answered = rows[rows["outcome"] == "answered"]
    seconds = float(rows["group_seconds"].iloc[0])
    counted = answered.dropna(subset=["server_prompt_tokens", "completion_tokens"])
    whole = len(counted) == len(answered)
    prompt, output = int(counted["server_prompt_tokens"].sum()), int(counted["completion_tokens"].sum())
    good = np.ones(len(answered), bool)
    for name, limit in limits.items():
        good &= (answered[name].fillna(0.0) <= limit).to_numpy()
    length, value, repeat = key
    result: dict[str, Any] = {
        **about,
        "backend": "openai-chat",
        "endpoint_type": "openai-chat",
        "label": f"{length} tokens, {load} {value:g}, repeat {repeat}",
        "num_prompts": len(rows),
        "request_rate": float(value) if load == "rate" else "inf",
        "max_concurrency": int(value) if load == "concurrency" else None,
        "duration": seconds,
        "completed": len(answered),
        "failed": len(rows) - len(answered),
        "request_throughput": len(answered) / seconds,
    }
    if limits:
        result["request_goodput"] = float(good.sum()) / seconds
    if whole:
        result |= {
            "total_input_tokens": prompt,
            "total_output_tokens": output,
            "output_throughput": output / seconds,
            "total_token_throughput": (prompt + output) / seconds,
            "input_lens": [int(n) for n in answered["server_prompt_tokens"]],
            "output_lens": [int(n) for n in answered["completion_tokens"]],
        }
    for column, name in NAMES.items():
        lists = column == "itl_seconds"
        values = np.array([v for row in answered[column] for v in row] if lists else answered[column].dropna().to_numpy(float))
        if len(values):
            milliseconds = 1000 * values
            result |= {f"{word}_{name}_ms": float(of(milliseconds)) for word, of in MOMENTS.items()}
            result |= {f"p{q}_{name}_ms": float(np.percentile(milliseconds, q)) for q in PERCENTILES}
    return result | {
        "ttfts": [float(v) for v in answered["ttft_seconds"]],
        "itls": [[float(gap) for gap in gaps] for gaps in answered["itl_seconds"]],
        "start_times": [float(v) for v in answered["start_seconds"]],
        "generated_texts": list(answered["text"]),
        "errors": ["" if error is None or error != error else str(error) for error in rows["error"]],
    }
