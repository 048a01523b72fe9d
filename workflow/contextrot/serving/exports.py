"""A run's requests in the form of vLLM's serving benchmark: one JSON line for each length, load and repeat, as `--append-result` writes them.

Source: vLLM 0.32, benchmarks/serve.py, with `--save-result --save-detailed`: times in milliseconds where a name ends in `_ms`, in seconds
where lists hold one value a request, in the order of the requests. As there, a request that failed has an error and otherwise zeros in these
lists, and a constant gap is a burstiness of Infinity. What is not known is left out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.tasks.serving.summary import latencies, load_column, rates

if TYPE_CHECKING:
    import pandas as pd

SENT = ("answered", "failed", "input_cut")
PERCENTILES = (50, 90, 95, 99)
NAMES = {"ttft_seconds": "ttft", "tpot_seconds": "tpot", "itl_seconds": "itl", "end_to_end_seconds": "e2el"}
RATES = {
    "request_throughput": "request_throughput",
    "output_token_throughput": "output_throughput",
    "total_token_throughput": "total_token_throughput",
    "goodput": "request_goodput",
}
MOMENTS: dict[str, Callable[[np.ndarray], Any]] = {"mean": np.mean, "median": np.median, "std": np.std}


def vllm_bench_lines(requests: pd.DataFrame, about: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    """The lines of vllm_bench.jsonl.

    Args:
        requests: rows of one server; those that a cache held are not among them.
        about: model_id, tokenizer_id, date, burstiness.
        limits: latency -> seconds, for the goodput.
    """
    load = load_column(requests)
    groups = cold_requests(requests).groupby(["length", load, "repeat"], sort=False)
    return "".join(json.dumps(_result(rows, key, load, about, limits)) + "\n" for key, rows in groups)


def cold_requests(requests: pd.DataFrame) -> pd.DataFrame:
    """Those that were sent, and read from no cache."""
    return requests[~requests["warm"].eq(True) & requests["outcome"].isin(SENT)]


def _result(
    rows: pd.DataFrame, key: tuple[Any, ...], load: str, about: Mapping[str, Any], limits: Mapping[str, float]
) -> dict[str, Any]:
    answered = rows[rows["outcome"] == "answered"]
    length, value, repeat = key
    known = {name: values[0] for name, values in rates(answered, limits).items() if values and (limits or name != "goodput")}
    result: dict[str, Any] = {
        **about,
        "backend": "openai-chat",
        "endpoint_type": "openai-chat",
        "label": f"{length} tokens, {load} {value:g}, repeat {repeat}",
        "num_prompts": len(rows),
        "request_rate": float(value) if load == "rate" else "inf",
        "max_concurrency": int(value) if load == "concurrency" else None,
        "duration": float(rows["group_seconds"].iloc[0]),
        "completed": len(answered),
        "failed": len(rows) - len(answered),
        "request_throughput": 0.0,
        **{RATES[name]: rate for name, rate in known.items()},
    }
    for column, name in NAMES.items():
        values = 1000 * latencies(answered, column)[0]
        if len(values):
            result |= {f"{word}_{name}_ms": float(of(values)) for word, of in MOMENTS.items()}
            result |= {f"p{q}_{name}_ms": float(np.percentile(values, q)) for q in PERCENTILES}
    return result | _counts(rows, answered) | _lists(rows, answered)


def _counts(rows: pd.DataFrame, answered: pd.DataFrame) -> dict[str, Any]:
    """Tokens of each request and of all; nothing if the server did not count every answer's."""
    prompts, outputs = answered["server_prompt_tokens"], answered["completion_tokens"]
    if prompts.isna().any() or outputs.isna().any():
        return {}
    return {
        "total_input_tokens": int(prompts.sum()),
        "total_output_tokens": int(outputs.sum()),
        "input_lens": _numbers(rows, answered, "server_prompt_tokens", int),
        "output_lens": _numbers(rows, answered, "completion_tokens", int),
    }


def _numbers(rows: pd.DataFrame, answered: pd.DataFrame, column: str, kind: type) -> list[Any]:
    """A value for each request, in their order; 0 where none was answered."""
    return [kind(value) for value in answered[column].reindex(rows.index).fillna(0)]


def _lists(rows: pd.DataFrame, answered: pd.DataFrame) -> dict[str, Any]:
    whole = rows.index.isin(answered.index)
    return {
        "ttfts": _numbers(rows, answered, "ttft_seconds", float),
        "itls": [[float(gap) for gap in gaps] if ok else [] for gaps, ok in zip(rows["itl_seconds"], whole, strict=True)],
        "start_times": [float(v) for v in rows["start_seconds"]],
        "generated_texts": [text if ok else "" for text, ok in zip(rows["text"], whole, strict=True)],
        "errors": ["" if error is None or error != error else str(error) for error in rows["error"]],
    }
