"""What happens while the engine is up: warm-up, groups of requests under load, the search of rates, and what decides whether they were cold."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from itertools import groupby
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import numpy as np

from contextrot import engines
from contextrot.engines.vllm.pair import records_of, transfers_of
from contextrot.errors import RequestError
from contextrot.randomness import generator_for
from contextrot.records import Sample
from contextrot.serving.arrivals import due_seconds
from contextrot.serving.cold import Coldness, coldness
from contextrot.serving.counters import check_loaded, difference, read_counters
from contextrot.serving.load import FailedRequest, LoadGenerator, Timing, all_answered
from contextrot.serving.memory import MemorySampler
from contextrot.serving.rate_search import Trial, highest_rate
from contextrot.serving.simulated import simulated_load
from contextrot.tasks.serving.tails import quantile_interval

if TYPE_CHECKING:
    from contextrot.engines import Endpoint
    from contextrot.settings import ModelSettings
    from contextrot.tasks.serving.task import Serving

log = logging.getLogger(__name__)


class Run:
    """What happens while the engine is up; a context manager.

    Args:
        salted: gives a sample whose prompt was never sent before.
        shared_tokens: how much all prompts begin with.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        task: Serving,
        settings: ModelSettings,
        mode: str,
        seed: int,
        salted: Callable[..., Sample],
        shared_tokens: int,
    ) -> None:
        self.endpoint, self.task, self.settings, self.mode, self.salted = endpoint, task, settings, mode, salted
        self.seed, self.shared_tokens = seed, shared_tokens
        self.load = LoadGenerator(endpoint, settings.timeout_seconds)
        self.rows: list[dict[str, Any]] = []
        self.memory: list[dict[str, Any]] = []
        self.growth: list[dict[str, Any]] = []
        self.cold: list[dict[str, Any]] = []
        self.warmups = 0
        self.counts_cached = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.load.__exit__()

    def warm_up(self, samples: list[Sample]) -> None:
        """Requests that count nowhere; they tell whether the server counts what it had cached.

        Raises:
            RequestError: if one fails: nothing that follows could be measured.
        """
        answers = all_answered(self._load([self.salted(sample) for sample in samples], 1)[0])
        self.warmups = len(answers)
        self.counts_cached = bool(answers) and all(answer.cached_tokens is not None for answer in answers)

    def measure(self, samples: list[Sample]) -> None:
        """Measures every length, load and repeat, each from an empty cache where the engine can empty it.

        Raises:
            RequestError: if no request at all was answered.
        """

        names = ("length", self.task.load_column, "repeat")

        def group(sample: Sample) -> tuple[Any, ...]:
            return tuple(sample.condition[name] for name in names)

        for key, members in groupby(samples, group):
            members = list(members)
            if not members[0].fits_window:
                self.rows += [{self.task.load_column: key[1]} | _row(sample, self.mode, "over_window") for sample in members]
                continue
            conditions = dict(zip(names, key, strict=True))
            self.endpoint.reset()
            probe = self._probe(members[0])
            with MemorySampler(self.endpoint) if self.task.parameters.memory else nullcontext() as sampler:
                timings, seconds, growth, records = self._load([self.salted(sample) for sample in members], key[1], key)
            keys = {record["request_id"]: record for record in records}
            transfers = transfers_of(self.endpoint)
            rows = [
                {self.task.load_column: key[1]}
                | _row(sample, self.mode, "answered", timing)
                | {"group_seconds": seconds}
                | _transfer(keys.get(sample.sample_id, {}), transfers.get(keys.get(sample.sample_id, {}).get("key"), {}))
                if isinstance(timing, Timing)
                else {self.task.load_column: key[1]}
                | _row(sample, self.mode, "failed")
                | {"group_seconds": seconds, "error": timing.message}
                for sample, timing in zip(members, timings, strict=True)
            ]
            found = self._coldness(members, [row for row in rows if row["outcome"] == "answered"], growth["counters"], probe)
            self.cold.append({**conditions, **asdict(found)})
            self.rows += [row | {"warm": found.warm} for row in rows]
            self.growth.append({**conditions, **growth})
            if sampler:
                self.memory.append({**conditions, "instances": sampler.peaks})
            log.info("%s, %s: %d requests in %.2f s", self.mode, conditions, len(members), seconds)
            if found.warm:
                log.warning("%s, %s: prompts were read from a cache (%s); they are not averaged", self.mode, conditions, found)
        failed = [row for row in self.rows if row["outcome"] == "failed"]
        if failed and not any(row["outcome"] == "answered" for row in self.rows):
            raise RequestError(f"no request of the measurement was answered; the first: {failed[0]['error']}")

    def _probe(self, sample: Sample) -> float | None:
        """Time to first token of a prompt that nobody has sent before, where only this can tell whether a group is cold."""
        if self.counts_cached or self.endpoint.details.get("instances") or engines.of(self.settings).rates:
            return None
        [answer] = self._load([self.salted(sample, salt=token_hex(8))], 1)[0]
        return answer.ttft_seconds if isinstance(answer, Timing) else None

    def _coldness(
        self, members: list[Sample], answered: list[dict[str, Any]], counters: dict[str, dict[str, float]], probe: float | None
    ) -> Coldness:
        computing = counters.get("prefill") or next(iter(counters.values()), {})
        hits = computing.get("prefix_cache_hits")
        return coldness(answered, self.task.parameters.prefix, self.shared_tokens, None if hits is None else int(hits), probe)

    def answer(self, samples: list[Sample]) -> list[dict[str, Any]]:
        """Greedy answers, one at a time, for the comparison of modes.

        Raises:
            RequestError: if a request fails.
        """
        if not samples:
            return []
        self.endpoint.reset()
        timings = all_answered(self._load(samples, 1, options={"temperature": 0})[0])
        names = ("sample_id", "text", "prompt_tokens", "completion_tokens", "finish_reason")
        return [{"mode": self.mode, **{name: getattr(timing, name) for name in names}} for timing in timings]

    def find_rates(self, samples: list[Sample]) -> list[dict[str, Any]]:
        """For each length the highest rate at which the asked share of requests keeps the limits; see `highest_rate`."""
        p, found = self.task.parameters, []
        limits = p.limits
        for length, members in groupby((s for s in samples if s.fits_window), lambda sample: sample.condition["length"]):
            pool = list(members)

            def measure(rate: float, count: int, length: int = length, pool: list[Sample] = pool) -> Trial:
                self.endpoint.reset()
                asked = [self.salted(pool[i % len(pool)], salt=token_hex(8)) for i in range(count)]
                answers = self._load(asked, rate, (length, rate, token_hex(4)))[0]
                timings = [answer for answer in answers if isinstance(answer, Timing)]
                percentiles = {}
                for name in limits:
                    values = np.array([getattr(t, name) for t in timings if getattr(t, name) is not None])
                    batches = np.arange(len(values)) * 10 // max(len(values), 1)
                    percentiles[name] = quantile_interval(values, batches, p.find_rate_quantile)
                return Trial(rate, count, percentiles, len(answers) - len(timings))

            answer = highest_rate(measure, limits, min(p.rates), requests=p.find_rate_requests, most=8 * p.find_rate_requests)
            found.append({"length": length, "limits": limits, "quantile": p.find_rate_quantile, **asdict(answer)})
        return found

    def _load(
        self, samples: list[Sample], load: float, key: tuple[Any, ...] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[list[Timing | FailedRequest], float, dict[str, Any], list[dict[str, Any]]]:
        if not samples:
            return [], 0.0, {"counters": {}}, []
        due = None
        if key is not None and self.task.parameters.rates:
            rng = generator_for(self.seed, "arrivals", *key)
            due = due_seconds(load, len(samples), self.task.parameters.burstiness, rng).tolist()
        if engines.of(self.settings).rates:
            simulated, seconds = simulated_load(self.settings, samples, math.ceil(load), due)
            return list(simulated), seconds, {"counters": {}}, []
        records_of(self.endpoint)
        before = read_counters(self.endpoint)
        options = options or self.task.request_options(samples[0])
        if due is None:
            timings, seconds = self.load.closed_loop(samples, int(load), options)
        else:
            timings, seconds = self.load.open_loop(samples, due, options)
        growth: dict[str, Any] = {"counters": difference(before, read_counters(self.endpoint))}
        records = records_of(self.endpoint)
        if "connector" in self.endpoint.details:
            growth["loaded"] = check_loaded(growth["counters"], records, self.endpoint.details["connector"])
        return timings, seconds, growth, records

    def cache_state(self) -> dict[str, Any]:
        """What is known of the caches: whether they were emptied, how much they held, which groups were warm."""
        answered = [row for row in self.rows if row["outcome"] == "answered"]
        cached = [row["cached_tokens"] for row in answered if row["cached_tokens"] is not None]
        prompt = sum(row["server_prompt_tokens"] for row in answered)
        local = sum(
            int(counters.get("prefix_cache_hits", 0)) for growth in self.growth for counters in growth["counters"].values()
        )
        return {
            "prefix": self.task.parameters.prefix,
            "reset_before_each_group": self.endpoint.can_reset,
            "prompt_tokens": prompt,
            "cached_tokens": sum(cached) if cached else None,
            "prefix_cache_hit_tokens": local if self.endpoint.details.get("instances") else None,
            "cold_groups": sum(group["warm"] is False for group in self.cold),
            "warm_groups": sum(group["warm"] is True for group in self.cold),
            "groups": self.cold,
        }

    def transfers(self) -> dict[str, Any] | None:
        """What was transferred from prefill to decode; None for one engine."""
        checks = [growth["loaded"] for growth in self.growth if "loaded" in growth]
        if not checks:
            return None
        total = {name: sum(check[name] for check in checks) for name in checks[0] if name != "every_request_loaded"}
        measured = {"bytes": 0.0, "seconds": 0.0}
        if self.endpoint.details["connector"].startswith("Nixl"):
            for growth in self.growth:
                measured["bytes"] += growth["counters"]["decode"].get("nixl_bytes", 0.0)
                measured["seconds"] += growth["counters"]["decode"].get("nixl_seconds", 0.0)
            source = "vllm:nixl_bytes_transferred, vllm:nixl_xfer_time_seconds of the decode instance"
        else:
            for row in self.rows:
                measured["bytes"] += row.get("kv_bytes") or 0
                measured["seconds"] += (row.get("kv_store_seconds") or 0.0) + (row.get("kv_load_seconds") or 0.0)
            source = "bytes read and seconds spent by the connector, store and load together"
        return {**total, "every_request_loaded": True, **measured, "measured_by": source, "groups": self.growth}


def _row(sample: Sample, mode: str, outcome: str, timing: Timing | None = None) -> dict[str, Any]:
    return {
        "sample_id": sample.sample_id,
        "mode": mode,
        **{name: sample.condition[name] for name in ("length", "repeat", "index")},
        "outcome": outcome,
        "unjudged": False,
        "target_tokens": sample.target_tokens,
        "prompt_tokens": sample.prompt_tokens,
        "server_prompt_tokens": timing and timing.prompt_tokens,
        "completion_tokens": timing and timing.completion_tokens,
        "cached_tokens": timing and timing.cached_tokens,
        "ttft_seconds": timing and timing.ttft_seconds,
        "tpot_seconds": timing and timing.tpot_seconds,
        "itl_seconds": timing.itl_seconds if timing else [],
        "end_to_end_seconds": timing and timing.end_to_end_seconds,
        "text": timing and timing.text,
        "finish_reason": timing and timing.finish_reason,
        "warm": None,
        "error": None,
    }


def _transfer(record: dict[str, Any], transfer: dict[str, Any]) -> dict[str, Any]:
    """What the pair adds to a request's row; nothing for one engine."""
    if not record:
        return {}
    return {
        "prefill_seconds": record["prefill_seconds"],
        "expected_kv_tokens": record["expected_tokens"],
        "loaded_kv_tokens": record["loaded_tokens"],
        "kv_bytes": transfer.get("load_bytes"),
        "kv_store_seconds": transfer.get("store_seconds"),
        "kv_load_seconds": transfer.get("load_seconds"),
    }
