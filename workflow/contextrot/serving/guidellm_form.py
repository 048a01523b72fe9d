"""A run's requests in the form of GuideLLM's benchmarks.json: what it and its readers call `benchmarks[].metrics`.

Source: GuideLLM 0.8.1, benchmark/schemas/metrics.py: latencies from when a request was sent, beside them `request_scheduled_latency` from when it
was due; its inter-token latency is TPOT, its time per output token counts the first token too, and both weigh a request by its tokens. As there,
a distribution of nothing has a count of 0. What only its own scheduler could tell of itself (queues of its workers, its profile, data and
version) is left out, so that its readers of metrics read this file, and `guidellm` itself does not take it for a report of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.serving.exports import cold_requests
from contextrot.tasks.serving.summary import load_column

if TYPE_CHECKING:
    import pandas as pd

PERCENTILES = {
    "p001": 0.1,
    "p01": 1,
    "p05": 5,
    "p10": 10,
    "p25": 25,
    "p50": 50,
    "p75": 75,
    "p90": 90,
    "p95": 95,
    "p99": 99,
    "p999": 99.9,
}


def guidellm_report(requests: pd.DataFrame, burstiness: float) -> str:
    """The text of guidellm.json: a benchmark for each length, load and repeat of one server's requests, without those that a cache held."""
    load = load_column(requests)
    groups = cold_requests(requests).groupby(["length", load, "repeat"], sort=False)
    benchmarks = [
        {
            "type_": "generative_benchmark",
            "config": {"strategy": _strategy(load, key[1], burstiness), "length": int(key[0]), "repeat": int(key[2])},
            "duration": float(rows["group_seconds"].iloc[0]),
            "metrics": _metrics(rows, load != "concurrency"),
        }
        for key, rows in groups
    ]
    return json.dumps({"metadata": {"version": 2, "written_by": "contextrot"}, "benchmarks": benchmarks}, indent=1) + "\n"


def _strategy(load: str, value: float, burstiness: float) -> dict[str, Any]:
    """GuideLLM's name of a load; one that it has no name for by its own."""
    if load == "concurrency":
        return {"type_": "concurrent", "streams": int(value)}
    if load == "speed":
        return {"type_": "trace", "speed": float(value)}
    named = {1.0: "poisson", np.inf: "constant"}.get(burstiness)
    return {"type_": named, "rate": float(value)} if named else {"type_": "gamma", "rate": float(value), "burstiness": burstiness}


def _metrics(rows: pd.DataFrame, scheduled: bool) -> dict[str, Any]:
    answered = rows[rows["outcome"] == "answered"]
    late = answered["late_seconds"].fillna(0.0)  # ours count from when a request was due
    seconds, first = answered["end_to_end_seconds"] - late, answered["ttft_seconds"] - late
    prompt, output = answered["server_prompt_tokens"], answered["completion_tokens"]
    values = {
        "request_latency": seconds,
        "time_to_first_token_ms": 1000 * first,
        "prompt_token_count": prompt,
        "output_token_count": output,
        "total_token_count": prompt + output,
        "request_streaming_iterations_count": answered["itl_seconds"].map(len) + 1,
    }
    if scheduled:
        values |= {
            "request_dispatch_delay": answered["late_seconds"],
            "request_scheduled_latency": answered["end_to_end_seconds"],
        }
    weighted = {
        "time_per_output_token_ms": (1000 * seconds / output, output),
        "inter_token_latency_ms": (1000 * answered["tpot_seconds"], output - 1),
    }
    counts = {"successful": len(answered), "errored": len(rows) - len(answered), "incomplete": 0, "total": len(rows)}
    found = {name: _by_status(_known(column)) for name, column in values.items()}
    return {"request_totals": counts, **found, **{name: _by_status(_weighed(*pair)) for name, pair in weighted.items()}}


def _known(column: pd.Series) -> np.ndarray:
    return column.dropna().to_numpy(float)


def _weighed(column: pd.Series, weights: pd.Series) -> np.ndarray:
    """Each value as often as it weighs."""
    known = column.notna() & weights.notna()
    return np.repeat(column[known].to_numpy(float), weights[known].to_numpy(int))


def _by_status(values: np.ndarray) -> dict[str, Any]:
    nothing = _distribution(np.array([]))
    return {"successful": _distribution(values), "errored": nothing, "incomplete": nothing, "total": _distribution(values)}


def _distribution(values: np.ndarray) -> dict[str, Any]:
    shown = values if len(values) else np.zeros(1)
    different, counts = np.unique(shown, return_counts=True)
    at = np.percentile(shown, list(PERCENTILES.values()), method="inverted_cdf")
    found = {
        "mean": shown.mean(),
        "median": at[list(PERCENTILES).index("p50")],
        "mode": different[counts.argmax()],
        "variance": shown.var(),
        "std_dev": shown.std(),
        "min": shown.min(),
        "max": shown.max(),
        "total_sum": shown.sum(),
    }
    percentiles = {name: float(value) for name, value in zip(PERCENTILES, at, strict=True)}
    return {**{name: float(value) for name, value in found.items()}, "count": len(values), "percentiles": percentiles}
