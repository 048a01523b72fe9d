"""The engine's own counters, read from `/metrics` of each vLLM instance, and what they must say of a pair."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from typing import Any

from contextrot.engines import Endpoint
from contextrot.errors import EngineError

LINE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?\s+(?P<value>\S+)")
SOURCE = re.compile(r'\bsource="([^"]*)"')
COUNTERS = {
    "vllm:prompt_tokens_total": "prompt_tokens",
    "vllm:generation_tokens_total": "generation_tokens",
    "vllm:prefix_cache_queries_total": "prefix_cache_queries",
    "vllm:prefix_cache_hits_total": "prefix_cache_hits",
    "vllm:external_prefix_cache_queries_total": "external_queries",
    "vllm:external_prefix_cache_hits_total": "external_hits",
    "vllm:prompt_tokens_by_source_total": "source_",
    "vllm:num_preemptions_total": "preemptions",
    "vllm:nixl_bytes_transferred_sum": "nixl_bytes",
    "vllm:nixl_xfer_time_seconds_sum": "nixl_seconds",
    "vllm:nixl_num_failed_transfers_total": "nixl_failed_transfers",
    "vllm:nixl_num_kv_expired_reqs_total": "nixl_expired",
}


def parse_counters(text: str) -> dict[str, float]:
    """The counters of interest in Prometheus text, summed over engines; prompt tokens also by where they came from."""
    counters: dict[str, float] = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if not match or match["name"] not in COUNTERS:
            continue
        name = COUNTERS[match["name"]]
        if name == "source_":
            source = SOURCE.search(match["labels"] or "")
            name += source[1] if source else "unknown"
        counters[name] = counters.get(name, 0.0) + float(match["value"])
    return counters


def gauge(text: str, name: str) -> float | None:
    """The greatest value of a gauge; None if it is not there."""
    values = [float(match["value"]) for line in text.splitlines() if (match := LINE.match(line)) and match["name"] == name]
    return max(values, default=None)


def read_metrics(url: str) -> str:
    """The text of an instance's `/metrics`.

    Raises:
        EngineError: if it does not answer.
    """
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=60) as answer:
            return answer.read().decode()
    except (urllib.error.URLError, OSError) as error:
        raise EngineError(f"{url}/metrics does not answer ({error}); the engine's counters cannot be read.") from error


def read_counters(endpoint: Endpoint) -> dict[str, dict[str, float]]:
    """The counters of each instance by role; empty for an engine that has none.

    Raises:
        EngineError: if an instance has stopped or does not answer.
    """
    counters = {}
    for role, instance in endpoint.details.get("instances", {}).items():
        try:
            counters[role] = parse_counters(read_metrics(instance["url"]))
        except EngineError:
            endpoint.alive()
            raise
    return counters


def difference(before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """What each counter has grown by."""
    return {role: {name: value - before[role].get(name, 0.0) for name, value in after[role].items()} for role in after}


def check_loaded(counters: dict[str, dict[str, float]], records: list[dict[str, Any]], connector: str) -> dict[str, Any]:
    """What the decode instance loaded, computed and should have, by its own counters.

    Args:
        counters: growth of the counters during the requests.
        records: the proxy's records of the same requests.
        connector: as the endpoint names it; files load exactly the prompt less its last block, Nixl at least that.

    Raises:
        EngineError: if the decode instance computed again what it should have loaded.
    """
    decode = counters["decode"]
    expected = sum(record["expected_tokens"] for record in records)
    prompt = sum(record["prompt_tokens"] for record in records)
    hits, computed = int(decode.get("external_hits", 0)), int(decode.get("source_local_compute", 0))
    facts = {
        "requests": len(records),
        "prompt_tokens": prompt,
        "expected_external_hit_tokens": expected,
        "external_hit_tokens": hits,
        "decode_computed_tokens": computed,
        "decode_recomputed_tokens": max(expected - hits, 0),
        "every_request_loaded": all(record["loaded"] for record in records),
        "decode_preemptions": int(decode.get("preemptions", 0)),
        "prefill_computed_tokens": int(counters["prefill"].get("source_local_compute", 0)),
    }
    exact = not connector.startswith("Nixl")
    wrong = hits != expected if exact else hits < expected
    if wrong or computed > prompt - expected or not facts["every_request_loaded"]:
        raise EngineError(
            f"the decode instance did not load the KV cache of every prompt: it loaded {hits} tokens and computed {computed}, "
            f"where {expected} should have been loaded and at most {prompt - expected} computed. Nothing is written; look into "
            "the logs of both instances."
        )
    return facts
