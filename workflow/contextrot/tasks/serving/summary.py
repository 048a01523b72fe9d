"""Requests to metrics: latencies, rates (per second) over repeats, and what one mode costs or saves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot.records import OUTCOMES
from contextrot.scores.stats import mean_interval
from contextrot.tasks.serving.tails import clustered, quantile_interval

if TYPE_CHECKING:
    import pandas as pd

LATENCIES = ("ttft_seconds", "tpot_seconds", "itl_seconds", "end_to_end_seconds")
STATISTICS = {
    "mean": lambda values, repeats: clustered(values, repeats, np.mean),
    "median": lambda values, repeats: clustered(values, repeats, np.median),
    "p95": lambda values, repeats: quantile_interval(values, repeats, 0.95),
    "p99": lambda values, repeats: quantile_interval(values, repeats, 0.99),
}
SIMULATED = "SIMULATED: not a measurement"
SHOWN = (
    ("ttft_seconds_median", "TTFT median (s)"),
    ("ttft_seconds_p99", "TTFT p99 (s)"),
    ("tpot_seconds_median", "TPOT median (s)"),
    ("itl_seconds_p99", "ITL p99 (s)"),
    ("end_to_end_seconds_median", "end to end median (s)"),
    ("output_token_throughput", "output tokens/s"),
    ("goodput", "good requests/s"),
)


def summarize_requests(requests: pd.DataFrame, limits: Mapping[str, float] | None = None) -> pd.DataFrame:
    """Metrics of each mode, length and load (`concurrency`, or `rate` of an open loop); the columns are those of scoring.aggregate.

    Latencies: mean, median, p95, p99 over requests (ITL: over all gaps between chunks), with the repeats as clusters (see `tails`); a
    bound is empty where too few requests tell it. Rates: requests, tokens and good requests per second of each repeat's wall time,
    averaged over repeats, with Student's interval. Requests whose prompts a cache held (`warm`) count nowhere. A group without a
    request has no value.

    Args:
        requests: one row a request, as serving.measure writes them.
        limits: latency -> seconds that a request must keep to count for the goodput.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    names = ("mode", "length", load_column(requests))
    for key, group in requests.groupby(list(names), sort=True):
        outcomes = group["outcome"].value_counts()
        shared = {
            "grouping": ",".join(names),
            **dict(zip(names, key, strict=True)),
            **{outcome: int(outcomes.get(outcome, 0)) for outcome in OUTCOMES},
            "unjudged": 0,
        }
        cold = group[~group["warm"].eq(True)] if "warm" in group else group
        measured = cold[cold["outcome"] == "answered"]
        for name in LATENCIES:
            values, repeats, n = latencies(measured, name)
            for statistic, estimate in STATISTICS.items():
                value, low, high = estimate(values, repeats)
                rows.append({**shared, "measure": f"{name}_{statistic}", "value": value, "low": low, "high": high, "n": n})
        for name, values in rates(measured, limits or {}).items():
            value, low, high = mean_interval(np.array(values))
            rows.append({**shared, "measure": name, "value": value, "low": low, "high": high, "n": len(values)})
    order = ["grouping", "measure", *names, "value", "low", "high", "n", *OUTCOMES, "unjudged"]
    return pd.DataFrame(rows, columns=order)


def load_column(table: pd.DataFrame) -> str:
    """The column that says how the engine was loaded: requests at once, or a second."""
    return "rate" if "rate" in table else "concurrency"


def latencies(requests: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """All values of one latency, the repeat of each, and of how many requests they are: ITL has one for each gap."""
    known = requests[requests[name].map(len).astype(int) > 0] if name == "itl_seconds" else requests.dropna(subset=[name])
    if name != "itl_seconds" or known.empty:
        return known[name].to_numpy(float), known["repeat"].to_numpy(), len(known)
    gaps = [np.asarray(gaps, float) for gaps in known[name]]
    return np.concatenate(gaps), np.repeat(known["repeat"].to_numpy(), [len(one) for one in gaps]), len(known)


def rates(requests: pd.DataFrame, limits: Mapping[str, float]) -> dict[str, list[float]]:
    """Per repeat: requests, output tokens, all tokens and good requests for each second of the repeat's wall time."""
    found: dict[str, list[float]] = {
        "request_throughput": [],
        "output_token_throughput": [],
        "total_token_throughput": [],
        "goodput": [],
    }
    for _, repeat in requests.groupby("repeat", sort=True):
        seconds = float(repeat["group_seconds"].iloc[0])
        output = float(repeat["completion_tokens"].sum())
        good = np.ones(len(repeat), bool)
        for name, limit in limits.items():
            good &= (repeat[name].fillna(0.0) <= limit).to_numpy()  # an answer of one token has no TPOT to break
        found["request_throughput"].append(len(repeat) / seconds)
        found["output_token_throughput"].append(output / seconds)
        found["total_token_throughput"].append((output + float(repeat["server_prompt_tokens"].sum())) / seconds)
        found["goodput"].append(float(good.sum()) / seconds)
    return found


def deltas(metrics: pd.DataFrame) -> pd.DataFrame:
    """Disaggregated against aggregated for each length, load and measure.

    Columns: length, the load, measure, aggregated, disaggregated, `change_percent` (of aggregated), `separate` (whether
    the two 95 % intervals do not overlap). Empty unless both modes were measured.
    """
    import pandas as pd

    names = ["length", load_column(metrics), "measure"]
    sides = [metrics[metrics["mode"] == mode].set_index(names) for mode in ("aggregated", "disaggregated")]
    rows = []
    for key in sides[0].index.intersection(sides[1].index):
        one, two = (side.loc[key] for side in sides)
        if pd.isna(one["value"]) or pd.isna(two["value"]):
            continue
        rows.append(
            {
                **dict(zip(names, key, strict=True)),
                "aggregated": one["value"],
                "disaggregated": two["value"],
                "change_percent": 100 * (two["value"] - one["value"]) / one["value"] if one["value"] else None,
                "separate": bool(one["high"] < two["low"] or two["high"] < one["low"]),
                "n": int(min(one["n"], two["n"])),
            }
        )
    columns = [*names, "aggregated", "disaggregated", "change_percent", "separate", "n"]
    return pd.DataFrame(rows, columns=columns)


def change(by_measure: pd.DataFrame, measure: str) -> str:
    """One cell of the delta table."""
    if measure not in by_measure.index:
        return ""
    row = by_measure.loc[measure]
    text = f"{row['change_percent']:+.0f} %"
    return f"**{text}**" if row["separate"] else text


def as_json(value: Any) -> str:
    """JSON text; numbers that are not finite, and missing values of tables, become null."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
